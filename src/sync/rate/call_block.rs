//! The calls that a lane holds: their pacing, when they become stale, and how many to take next.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    domain::CallRate,
    warehouse::{Block, Unused},
};

/// Most calls of a block, which also holds at most a second's calls. Limits the calls that a crash
/// loses and the time that others wait.
const BLOCK_MAX: u32 = 250;

/// Calls not made this long after their time are given back, because that time then belongs to
/// others.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// The block a lane holds, and the size of the next one.
///
/// Blocks double while they are used up. A lane with one call in flight thus does not keep a
/// second's calls from the others.
#[derive(Debug)]
pub(super) struct CallBlock {
    held: Option<Held>,
    next_size: u32,
    size_max: u32,
    interval: Duration,
}

#[derive(Debug)]
struct Held {
    day: crate::domain::Day,
    start: Instant,
    calls: u32,
    used: u32,
}

impl CallBlock {
    /// Creates a state without calls.
    pub(super) fn new(rate: CallRate) -> Self {
        let size_max = rate.calls_a_second().map_or(BLOCK_MAX, |calls| calls.min(BLOCK_MAX));
        Self { held: None, next_size: 1, size_max, interval: rate.interval() }
    }

    /// Time between two calls.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// How many calls to take next.
    pub(super) fn next_size(&self) -> u32 {
        self.next_size
    }

    /// Holds a block that was just taken from the budget.
    pub(super) fn hold(&mut self, block: &Block, now: Instant) {
        let wait = block.wait.to_std().unwrap_or_default();
        self.held = Some(Held { day: block.day(), start: now + wait, calls: block.calls, used: 0 });
    }

    /// Uses one call and returns when it may be made. `None` if there is none, or only stale ones.
    pub(super) fn take_slot(&mut self, now: Instant) -> Option<Instant> {
        let held = self.held.as_mut()?;
        let end = held.start + self.interval * held.calls;
        if held.used >= held.calls || now >= end + STALE_AFTER {
            return None;
        }
        let slot = held.start + self.interval * held.used;
        held.used += 1;
        Some(slot)
    }

    /// Returns calls to the block that were used but not made.
    pub(super) fn put_back(&mut self, calls: u32) {
        if let Some(held) = &mut self.held {
            held.calls = held.calls.saturating_add(calls);
        }
    }

    /// Releases the block and returns its unused calls.
    pub(super) fn return_unused(&mut self) -> Option<Unused> {
        let held = self.held.take()?;
        let unused = held.calls - held.used;
        let size = if unused == 0 { self.next_size.saturating_mul(2) } else { held.used };
        self.next_size = size.clamp(1, self.size_max);
        (unused > 0).then_some(Unused { day: held.day, calls: unused })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::domain::Spending;

    fn block(calls: u32, wait_seconds: i64) -> Block {
        Block {
            calls,
            wait: TimeDelta::seconds(wait_seconds),
            taken_at: DateTime::UNIX_EPOCH,
            spending: Spending::default(),
        }
    }

    fn call_block(calls_per_second: f64) -> CallBlock {
        CallBlock::new(CallRate::per_second(calls_per_second))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn calls_are_paced_from_the_blocks_start_on() {
        let (mut call_block, now) = (call_block(5.0), Instant::now());
        assert_eq!(call_block.take_slot(now), None);
        call_block.hold(&block(3, 4), now);
        let slots: Vec<_> = (0..4).map(|_| call_block.take_slot(now)).collect();
        let at = |milliseconds| Some(now + Duration::from_millis(milliseconds));
        assert_eq!(slots, [at(4000), at(4200), at(4400), None]);
    }

    #[test]
    fn a_rate_of_less_than_one_a_second_is_kept_with_blocks_of_one() {
        let (mut call_block, now) = (call_block(0.4), Instant::now());
        for turn in 0..3 {
            assert_eq!(call_block.next_size(), 1, "{turn}");
            call_block.hold(&block(1, 0), now);
            assert_eq!((call_block.take_slot(now), call_block.take_slot(now)), (Some(now), None));
            assert_eq!(call_block.return_unused(), None);
        }
        assert_eq!(call_block.interval(), Duration::from_millis(2500));
    }

    #[test]
    fn stale_calls_are_given_back_and_the_next_block_is_smaller() {
        let (mut call_block, now) = (call_block(5.0), Instant::now());
        call_block.hold(&block(5, 0), now);
        assert!(call_block.take_slot(now + 2 * SECOND).is_some());
        assert!(call_block.take_slot(now + 2 * SECOND).is_some());
        assert_eq!(call_block.take_slot(now + 3 * SECOND), None);
        let day = DateTime::UNIX_EPOCH.date_naive();
        assert_eq!(call_block.return_unused(), Some(Unused { day, calls: 3 }));
        assert_eq!(call_block.next_size(), 2);
        assert_eq!(call_block.return_unused(), None, "only once");
    }

    #[test]
    fn blocks_double_while_they_are_used_up_and_hold_a_second_at_most() {
        for (rate, max) in [(5.0, 5), (100_000.0, 250), (0.0, 250)] {
            let (mut call_block, now) = (call_block(rate), Instant::now());
            let mut sizes = Vec::new();
            for _ in 0..12 {
                sizes.push(call_block.next_size());
                call_block.hold(&block(call_block.next_size(), 0), now);
                while call_block.take_slot(now).is_some() {}
                assert_eq!(call_block.return_unused(), None);
            }
            assert_eq!(sizes[..3], [1, 2, 4]);
            assert_eq!(sizes[11], max);
        }
    }

    #[test]
    fn what_was_not_made_can_be_used_again() {
        let (mut call_block, now) = (call_block(0.0), Instant::now());
        call_block.hold(&block(1, 0), now);
        assert!(call_block.take_slot(now).is_some());
        call_block.put_back(1);
        assert!(call_block.take_slot(now).is_some());
        assert_eq!(call_block.return_unused(), None);
    }
}
