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

/// How often a lock or a server is asked again: no event tells of either.
const POLL_EVERY: Duration = Duration::from_millis(25);

/// Opens the file of a lock, and creates it when it is missing. Follows no link.
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

/// Whether a lock was got; `false` means that somebody else has it.
pub(super) fn got(attempt: Result<(), TryLockError>) -> Result<bool, EmbeddedError> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(EmbeddedError::file("lock", "the data directory", &error))
        }
    }
}

/// Locks the file for its caller alone, however long it takes.
pub(super) fn wait_exclusively(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}

/// The end of a wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    seconds: u64,
}

impl Deadline {
    /// Ends after `seconds` from now.
    pub(super) fn in_seconds(seconds: u64) -> Self {
        Self { at: Instant::now() + Duration::from_secs(seconds), seconds }
    }

    /// The instant at which the wait ends.
    pub(super) fn at(self) -> Instant {
        self.at
    }

    /// Pauses before the next attempt; the error when there is none any more.
    pub(super) async fn pause(self, awaited: &str) -> Result<(), EmbeddedError> {
        if Instant::now() >= self.at {
            return Err(self.passed(awaited));
        }
        sleep(POLL_EVERY).await;
        Ok(())
    }

    /// Repeats the attempt until it gets its lock.
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

    /// The error of a wait that came to its end.
    pub(super) fn passed(self, awaited: &str) -> EmbeddedError {
        EmbeddedError::TooSlow { awaited: awaited.to_owned(), seconds: self.seconds }
    }
}
