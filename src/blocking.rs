//! Runs CPU-bound work on a blocking thread so that I/O tasks keep running, and joins tasks.

use std::panic::resume_unwind;

use tokio::task::JoinError;

/// Runs the work and returns its result. A panic of the work is propagated to the caller.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match joined(tokio::task::spawn_blocking(work).await) {
        Some(result) => result,
        // The task is cancelled only by a shutdown of the runtime, which drops this future too.
        None => std::future::pending().await,
    }
}

/// Returns the result of a task; `None` if it was cancelled. A panic of the task is propagated.
pub(crate) fn joined<T>(result: Result<T, JoinError>) -> Option<T> {
    match result.map_err(JoinError::try_into_panic) {
        Ok(result) => Some(result),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_cancelled)) => None,
    }
}
