//! Who lets a call through.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;

use crate::domain::ReadNumber;

/// Asked once before every HTTP attempt.
///
/// Takes one call out of the budget, waits for its time, and draws the read number, so that whoever
/// asked later also has the higher number (I6). An attempt that is admitted is sent at once.
pub trait Gate: Send + Sync {
    /// Waits for permission to make one HTTP attempt.
    ///
    /// Checks `is_held_back` last, because a pause may have started while waiting. Returns `None`
    /// without consuming a call if it is.
    fn admit<'a>(
        &'a self,
        is_held_back: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<ReadNumber>, GateClosed>>;
}

/// No further attempt is let through for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateClosed {
    /// Why, for the operator: lower case, without data.
    pub reason: String,
    /// When the gate may open again; `None` when the program is stopping.
    pub not_before: Option<Duration>,
}

impl fmt::Display for GateClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
