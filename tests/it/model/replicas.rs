//! Processes of the program that are killed or frozen at a chosen commit.

use std::{
    fmt,
    process::{ExitStatus, Output},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Child,
    time::Instant,
};

use super::wire::{StopAt, Wire};
use crate::{
    evidence::terminate,
    world::{Ran, TestWorld},
};

/// The fate of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is not disturbed.
    Lives,
    /// It is killed before PostgreSQL gets its nth commit.
    KilledBefore(u64),
    /// It is killed after its nth commit, before it receives the answer.
    KilledAfter(u64),
    /// It is terminated after its nth commit.
    ToldToEndAfter(u64),
    /// It is frozen after its nth commit, until all its claims have expired and another process has
    /// worked.
    FrozenAfter(u64),
}

impl Fate {
    fn stop_at(self) -> Option<StopAt> {
        let (commit, committed, others_end) = match self {
            Self::Lives => return None,
            Self::KilledBefore(commit) => (commit, false, false),
            Self::KilledAfter(commit) => (commit, true, false),
            Self::ToldToEndAfter(commit) | Self::FrozenAfter(commit) => (commit, true, true),
        };
        Some(StopAt { commit, committed, others_end })
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lives => write!(f, "to its end"),
            Self::KilledBefore(commit) => write!(f, "killed before commit {commit}"),
            Self::KilledAfter(commit) => write!(f, "killed after commit {commit}"),
            Self::ToldToEndAfter(commit) => write!(f, "told to end after commit {commit}"),
            Self::FrozenAfter(commit) => write!(f, "frozen after commit {commit}"),
        }
    }
}

/// One process and its wire to PostgreSQL.
pub(super) struct Replica {
    child: Child,
    wire: Wire,
    fate: Fate,
    began: Instant,
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) ran: Ran,
    /// Number of commits that it made or tried.
    pub(super) commits: u64,
    pub(super) took: Duration,
}

/// Maximum time of a process, even on a busy machine, including a wait of five minutes for the
/// lease of a frozen process.
pub(super) const TIME_MAX: Duration = Duration::from_mins(8);

impl Replica {
    /// Starts the program.
    pub(super) async fn start(
        world: &TestWorld,
        settings: &[(&str, &str)],
        arguments: &[&str],
        fate: Fate,
    ) -> Self {
        let wire = Wire::to(&world.database.url, fate.stop_at()).await;
        let settings = [settings, &[("database.url", wire.url.as_str())]].concat();
        let child = world.start_with(&settings, arguments);
        Self { child, wire, fate, began: Instant::now() }
    }

    /// Waits until it is frozen; returns false if it ended before.
    pub(super) async fn stands_still(&mut self) -> bool {
        let waiting = async {
            tokio::select! {
                _ended = self.child.wait() => false,
                () = self.wire.stopped() => true,
            }
        };
        tokio::time::timeout(TIME_MAX, waiting)
            .await
            .expect("the program comes to its commit or ends")
    }

    /// Carries out its fate, and waits for its end.
    pub(super) async fn end(mut self) -> End {
        if matches!(self.fate, Fate::FrozenAfter(_)) {
            self.wire.go_on();
        }
        let (mut stdout, mut stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let ending =
            async { tokio::join!(self.status(), all(stdout.as_mut()), all(stderr.as_mut())) };
        let (status, stdout, stderr) =
            tokio::time::timeout(TIME_MAX, ending).await.expect("the program ends in time");
        let ran = Ran::of(Output { status, stdout, stderr });
        End { ran, commits: self.wire.commits(), took: self.began.elapsed() }
    }

    async fn status(&mut self) -> ExitStatus {
        let is_stopped = !matches!(self.fate, Fate::FrozenAfter(_)) && self.stands_still().await;
        match self.fate {
            Fate::KilledBefore(_) | Fate::KilledAfter(_) if is_stopped => {
                self.child.start_kill().expect("SIGKILL");
            }
            Fate::ToldToEndAfter(_) if is_stopped => {
                terminate(&self.child).await;
                self.wire.go_on();
            }
            _ => {}
        }
        self.child.wait().await.expect("a status")
    }
}

async fn all(from: Option<&mut (impl AsyncRead + Unpin)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.read_to_end(&mut bytes).await.expect("its output");
    }
    bytes
}
