//! The locks of a data directory: whole-file locks that the kernel frees when their holder dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use privdrop::reexports::nix::fcntl::OFlag;
use tokio::time::{Instant, sleep};

use super::EmbeddedError;

/// Interval between two checks of a lock or a server, for which there are no events.
const POLL_EVERY: Duration = Duration::from_millis(25);

/// Opens the file of a lock, and creates it if it is missing. Does not follow a link.
pub(super) fn open(path: &Path) -> Result<File, EmbeddedError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(|error| EmbeddedError::file("open the lock", path, &error))
}

/// Whether a lock was acquired; `false` means that another process holds it.
pub(super) fn got(attempt: Result<(), TryLockError>) -> Result<bool, EmbeddedError> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(EmbeddedError::file("lock", "the data directory", &error))
        }
    }
}

/// Acquires the exclusive lock of the file, without a time limit.
pub(super) fn wait_exclusively(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}

/// The deadline of a wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    seconds: u64,
}

impl Deadline {
    /// A deadline `seconds` from now.
    pub(super) fn in_seconds(seconds: u64) -> Self {
        Self { at: Instant::now() + Duration::from_secs(seconds), seconds }
    }

    /// The instant at which the wait ends.
    pub(super) fn at(self) -> Instant {
        self.at
    }

    /// Pauses before the next attempt; returns an error once the deadline has passed.
    pub(super) async fn pause(self, awaited: &str) -> Result<(), EmbeddedError> {
        if Instant::now() >= self.at {
            return Err(self.passed(awaited));
        }
        sleep(POLL_EVERY).await;
        Ok(())
    }

    /// Repeats the attempt until it acquires the lock.
    pub(super) async fn lock(
        self,
        awaited: &str,
        attempt: impl Fn() -> Result<(), TryLockError>,
    ) -> Result<(), EmbeddedError> {
        while !got(attempt())? {
            self.pause(awaited).await?;
        }
        Ok(())
    }

    /// The error of a wait whose deadline has passed.
    pub(super) fn passed(self, awaited: &str) -> EmbeddedError {
        EmbeddedError::TooSlow { awaited: awaited.to_owned(), seconds: self.seconds }
    }
}
