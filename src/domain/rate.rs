//! The call rate of an API key.

use std::{
    ops::{Index, IndexMut},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::Call;

/// The limit of an API key's calls per second, over all processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRate {
    /// Time between two calls; zero means no limit.
    interval: Duration,
}

impl CallRate {
    /// A rate in calls per second, which may be a fraction; 0 means no limit.
    ///
    /// Negative values and NaN also mean no limit; the configuration rejects them.
    pub fn per_second(calls: f64) -> Self {
        let interval = if calls > 0.0 { 1.0 / calls } else { 0.0 };
        Self { interval: Duration::try_from_secs_f64(interval).unwrap_or_default() }
    }

    /// Time between two calls; zero means no limit.
    pub fn interval(self) -> Duration {
        self.interval
    }

    /// Whole calls per second, at least 1; `None` without a limit.
    pub fn calls_a_second(self) -> Option<u32> {
        let nanoseconds = self.interval.as_nanos();
        (nanoseconds > 0).then(|| {
            // Allows for the interval's rounding to nanoseconds: three times a third of a second is
            // a second.
            u32::try_from((1_000_000_500 / nanoseconds).max(1)).unwrap_or(u32::MAX)
        })
    }

    /// The minimum duration of this number of calls; zero without a limit.
    pub fn time_of(self, calls: u64) -> Duration {
        self.interval.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX))
    }
}

/// The bounds of an adaptive rate, in calls a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateBounds {
    /// The rate of a key that has not been used yet.
    pub start: f64,
    /// The rate is never higher.
    pub max: f64,
}

/// The rate at which calls were granted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrantedRate {
    /// When they were granted.
    pub at: DateTime<Utc>,
    /// Calls a second.
    pub rate: f64,
    /// How often the rate had been cut before.
    pub cuts: i64,
}

/// How the calls of a key are paced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// At a rate that the configuration fixes.
    Fixed(CallRate),
    /// At a rate that follows from the vendor's answers.
    Adaptive(RateBounds),
}

/// One value for list calls and one for detail calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByCall<T> {
    list: T,
    detail: T,
}

impl<T> ByCall<T> {
    /// The values of both.
    pub fn iter(&self) -> impl Iterator<Item = (Call, &T)> {
        [(Call::List, &self.list), (Call::Detail, &self.detail)].into_iter()
    }
}

impl<T> Index<Call> for ByCall<T> {
    type Output = T;

    fn index(&self, kind: Call) -> &T {
        match kind {
            Call::List => &self.list,
            Call::Detail => &self.detail,
        }
    }
}

impl<T> IndexMut<Call> for ByCall<T> {
    fn index_mut(&mut self, kind: Call) -> &mut T {
        match kind {
            Call::List => &mut self.list,
            Call::Detail => &mut self.detail,
        }
    }
}

/// The known latency of a kind of call, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct KnownLatency {
    /// The latency without congestion; `None` before the first answers.
    pub baseline: Option<f64>,
    /// Set while the latency is too high.
    pub slow: Option<SlowLatency>,
}

/// A latency that is too high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowLatency {
    /// The highest latency in seconds around the time when it was last judged.
    pub latency: f64,
    /// When it was last judged.
    pub judged_at: DateTime<Utc>,
    /// The last cuts in a row that did not change it.
    pub without_effect: u32,
}

/// Why a shared rate last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateCause {
    /// The vendor answered in time.
    Healthy,
    /// The vendor refused calls with 429 or 503.
    Refused,
    /// Calls had no answer in time.
    TimedOut,
    /// Answers took more than twice as long as usual.
    Slow,
}

impl RateCause {
    /// All causes.
    const ALL: [Self; 4] = [Self::Healthy, Self::Refused, Self::TimedOut, Self::Slow];

    /// The word in tables and for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Slow => "slow",
        }
    }

    /// The cause that a word stands for.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// The adaptive rate of a key, shared by all its processes.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedRate {
    /// Calls a second.
    pub rate: f64,
    /// The rate at which the vendor last refused calls or slowed down; `None` if it never did.
    pub refused: Option<f64>,
    /// How often the rate was cut.
    pub cuts: i64,
    /// When a process last reported answers.
    pub adjusted_at: DateTime<Utc>,
    /// When the rate last changed.
    pub changed_at: DateTime<Utc>,
    /// Why the rate last changed.
    pub cause: RateCause,
    /// The usual latencies.
    pub latencies: ByCall<KnownLatency>,
}

impl SharedRate {
    /// The rate of a key that has not been used yet.
    pub fn new(bounds: &RateBounds, now: DateTime<Utc>) -> Self {
        Self {
            rate: bounds.start.min(bounds.max),
            refused: None,
            cuts: 0,
            adjusted_at: now,
            changed_at: now,
            cause: RateCause::Healthy,
            latencies: ByCall::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_be_a_fraction() {
        for (calls, milliseconds, whole, time_of_ten) in [
            (5.0, 200, Some(5), 2000),
            (3.0, 333, Some(3), 3333),
            (0.4, 2500, Some(1), 25_000),
            (0.01, 100_000, Some(1), 1_000_000),
            (0.0, 0, None, 0),
        ] {
            let rate = CallRate::per_second(calls);
            assert_eq!(rate.interval().as_millis(), milliseconds, "{calls}");
            assert_eq!(rate.calls_a_second(), whole, "{calls}");
            assert_eq!(rate.time_of(10).as_millis(), time_of_ten, "{calls}");
        }
    }
}
