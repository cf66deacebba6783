//! Tells systemd that the daemon runs, what it does, and that its work continues.
//!
//! Nothing is sent where no service manager listens (`NOTIFY_SOCKET`).

use std::{future::pending, time::Duration};

use sd_notify::NotifyState;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::board::Board;

/// Checks of the work within the watchdog's time.
const CHECKS: u32 = 4;

/// Whether a service manager listens.
pub(super) fn is_heard() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Tells systemd that the daemon has started.
pub(super) fn ready() {
    send(&[NotifyState::Ready, NotifyState::Status("waiting for PostgreSQL")]);
}

/// Tells systemd that the daemon is stopping.
fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("storing the received data")]);
}

/// Shows a line in `systemctl status`.
pub(super) fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// Feeds the watchdog until `stop` is cancelled. Then tells systemd that the daemon is stopping.
pub(super) async fn follow(board: &Board, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => stopping(),
        () = feed_watchdog(board) => {}
    }
}

/// Feeds the watchdog, if systemd has set one, without end.
///
/// It is fed only if each project has taken a step since it was last fed, or waits. A stuck loop
/// therefore starves it, although this task continues.
async fn feed_watchdog(board: &Board) {
    let limit = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO);
    let Some(limit) = limit else { return pending().await };
    let mut fed_at = Instant::now();
    loop {
        tokio::time::sleep(limit / CHECKS).await;
        let now = Instant::now();
        if board.moves_since(fed_at, now) {
            send(&[NotifyState::Watchdog]);
            fed_at = now;
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(error = error.kind().to_string(), "the service manager cannot be notified");
    }
}
