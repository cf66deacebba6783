//! Waiting that ends with the program.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Waits, but not longer than until the program has to end. Returns whether it goes on.
pub(super) async fn pause(stop: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
