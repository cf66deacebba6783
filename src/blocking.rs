//! Runs CPU-bound work on a blocking thread so that I/O tasks keep running.

use std::panic::resume_unwind;

/// Does the work, and returns what it came to. A panic of the work is one of the caller.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Nobody cancels it but the runtime at its end, and then nobody waits.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}
