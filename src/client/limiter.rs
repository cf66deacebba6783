//! The interface that admits calls.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;

use crate::domain::ReadNumber;

/// Acquired once before every HTTP attempt.
///
/// Takes one call from the budget, waits for its time, and draws the read number, so that a later
/// request also has a higher number (I6). An admitted attempt is sent at once.
pub trait CallLimiter: Send + Sync {
    /// Waits for permission to make one HTTP attempt.
    ///
    /// Checks `is_paused` last, because a pause may have started while waiting. Returns `None`
    /// without consuming a call if it is.
    fn acquire<'a>(
        &'a self,
        is_paused: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<ReadNumber>, LimiterClosed>>;
}

/// No further attempt is admitted for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimiterClosed {
    /// The reason for the operator: lower case, without data.
    pub reason: String,
    /// Time until the limiter may open again; `None` if the program is stopping.
    pub not_before: Option<Duration>,
}

impl fmt::Display for LimiterClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
