//! The call rate of an API key.

use std::time::Duration;

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
