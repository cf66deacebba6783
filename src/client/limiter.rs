//! The interface that admits calls.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;

use crate::domain::{Call, GrantedRate, ReadNumber};

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
    ) -> BoxFuture<'a, Result<Option<Admission>, LimiterClosed>>;

    /// Waits before the next attempt, because one failed or the vendor asked for a pause.
    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    /// Records the outcome of an admitted attempt, from which an adaptive rate is derived. A
    /// limiter without one ignores it.
    fn note<'a>(&'a self, _admission: &'a Admission, _attempt: AttemptReport) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

/// The permission to make one HTTP attempt.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// The number that orders its results.
    pub read: ReadNumber,
    /// The rate at which it was granted.
    pub granted: GrantedRate,
}

/// An HTTP attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptReport {
    /// What it shows about the vendor's limits.
    pub outcome: AttemptOutcome,
    /// The time that the vendor asked all callers to wait.
    pub wait: Option<Duration>,
    /// The class of its HTTP status, or of the failure.
    pub status: &'static str,
    /// The time that it took.
    pub took: Duration,
    /// An attempt of the same call failed before.
    pub is_retry: bool,
}

/// What one HTTP attempt shows about the vendor's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It was answered, also by a refusal for another reason than the rate.
    Answered {
        /// The kind of call.
        call: Call,
        /// The time from sending the request to the last byte of the answer; `None` if it cannot
        /// be compared with others.
        latency: Option<Duration>,
    },
    /// It was refused because of the rate (429).
    Refused,
    /// It failed with 503: the vendor is overloaded, or cannot serve this request. Noted once for
    /// each call, because all attempts for one record may fail so.
    Unavailable,
    /// There was no answer in time. Noted once for each call.
    TimedOut,
    /// It failed in a way that shows nothing about the rate.
    Other,
}

/// No further attempt is admitted for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimiterClosed {
    /// The reason for the operator: lower case, without data.
    pub reason: String,
    /// Time until the limiter may open again; `None` if the program is stopping.
    pub not_before: Option<Duration>,
    /// Calls are only postponed: the budget is used up, or the vendor asked for a pause. Nothing
    /// has failed.
    pub is_planned: bool,
}

impl fmt::Display for LimiterClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
