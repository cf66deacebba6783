//! The limits of the vendor: how many calls a second it accepts, and how fast it answers them.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// The limits of a project's key. The default has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct TrafficLimits {
    /// Calls a second above which calls are refused with 429; 0 means no limit. A burst of a
    /// second's calls is accepted.
    pub calls_per_second: u32,
    /// The `Retry-After` of such a refusal in seconds; without the header when absent.
    pub retry_after_seconds: Option<u32>,
    /// Calls a second that the vendor can serve; further ones queue. 0 means no limit. While the
    /// queue takes longer than a second, it serves half as many.
    pub capacity_per_second: u32,
    /// Every call with a number divisible by this takes five times the latency; 0 means none.
    pub slow_every: u64,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It is answered after this time, in addition to the latency.
    After(Duration),
    /// It is refused.
    Refused,
}

/// The traffic of a project.
#[derive(Debug, Default)]
pub(super) struct Traffic(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Calls that are accepted at once, at `seen_at`.
    tokens: f64,
    seen_at: Option<Instant>,
    busy_until: Option<Instant>,
    refused: u64,
}

impl Traffic {
    /// Accepts or refuses a call.
    pub(super) fn admit(&self, limits: &TrafficLimits, now: Instant) -> Admitted {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if limits.calls_per_second > 0 {
            let burst = f64::from(limits.calls_per_second);
            let passed = state.seen_at.map(|seen_at| now.saturating_duration_since(seen_at));
            state.tokens = passed
                .map_or(burst, |passed| (state.tokens + passed.as_secs_f64() * burst).min(burst));
            state.seen_at = Some(now);
            if state.tokens < 1.0 {
                state.refused += 1;
                return Admitted::Refused;
            }
            state.tokens -= 1.0;
        }
        if limits.capacity_per_second == 0 {
            return Admitted::After(Duration::ZERO);
        }
        let free_at = state.busy_until.map_or(now, |busy_until| busy_until.max(now));
        let is_overloaded = free_at > now + Duration::from_secs(1);
        let time = if is_overloaded { 2.0 } else { 1.0 } / f64::from(limits.capacity_per_second);
        let end = free_at + Duration::from_secs_f64(time);
        state.busy_until = Some(end);
        Admitted::After(end - now)
    }

    /// The number of calls refused so far.
    pub(super) fn refused(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_a_second_is_accepted_and_then_the_rate() {
        let (traffic, start) = (Traffic::default(), Instant::now());
        let limits = TrafficLimits { calls_per_second: 4, ..TrafficLimits::default() };
        let accepted = |milliseconds: u64| {
            let at = start + Duration::from_millis(milliseconds);
            traffic.admit(&limits, at) == Admitted::After(Duration::ZERO)
        };
        let at_once: Vec<_> = (0..5).map(|_| accepted(0)).collect();
        assert_eq!(at_once, [true, true, true, true, false]);
        assert!(!accepted(200));
        assert!(accepted(450));
        assert!(!accepted(451));
        assert_eq!(traffic.refused(), 3);
    }

    #[test]
    fn calls_above_the_capacity_queue_and_a_long_queue_is_slower_still() {
        let (traffic, now) = (Traffic::default(), Instant::now());
        let limits = TrafficLimits { capacity_per_second: 10, ..TrafficLimits::default() };
        let waits: Vec<_> = (0..13)
            .map(|_| match traffic.admit(&limits, now) {
                Admitted::After(time) => time.as_millis(),
                Admitted::Refused => 0,
            })
            .collect();
        assert_eq!(waits, [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1300, 1500]);
        assert_eq!(traffic.refused(), 0);
    }
}
