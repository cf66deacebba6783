//! Waiting that ends with the program.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Waits for this time, or until the program has to end. Returns whether the program goes on.
pub(super) async fn pause(stop: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
