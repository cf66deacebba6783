//! Runs CPU-bound work on a blocking thread so that I/O tasks keep running.

use std::panic::resume_unwind;

/// Runs the work and returns its result. A panic of the work is propagated to the caller.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only the runtime cancels the task, at its end, when the result is no longer awaited.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}
