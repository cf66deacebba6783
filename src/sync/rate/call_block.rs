//! The calls that a lane holds: their pacing, when they become stale, and how many to take next.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    domain::{Day, GrantedRate},
    warehouse::{Block, Unused},
};

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
}

/// When a call may be made, and the rate at which it was granted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slot {
    pub(super) at: Instant,
    pub(super) granted: GrantedRate,
}

#[derive(Debug)]
struct Held {
    day: Day,
    granted: GrantedRate,
    interval: Duration,
    start: Instant,
    calls: u32,
    used: u32,
}

impl CallBlock {
    /// Creates a state without calls.
    pub(super) fn new() -> Self {
        Self { held: None, next_size: 1 }
    }

    /// How many calls to take next.
    pub(super) fn next_size(&self) -> u32 {
        self.next_size
    }

    /// Holds a block that was just taken from the budget.
    pub(super) fn hold(&mut self, block: &Block, now: Instant) {
        self.held = Some(Held {
            day: block.day(),
            granted: block.granted(),
            interval: block.interval.to_std().unwrap_or_default(),
            start: now + block.wait.to_std().unwrap_or_default(),
            calls: block.calls,
            used: 0,
        });
    }

    /// Uses one call. `None` if there is none, or only stale ones.
    pub(super) fn take_slot(&mut self, now: Instant) -> Option<Slot> {
        let held = self.held.as_mut()?;
        let end = held.start + held.interval * held.calls;
        if held.used >= held.calls || now >= end + STALE_AFTER {
            return None;
        }
        let at = held.start + held.interval * held.used;
        held.used += 1;
        Some(Slot { at, granted: held.granted })
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
        let size = if unused == 0 { held.calls.saturating_mul(2) } else { held.used };
        self.next_size = size.max(1);
        (unused > 0).then_some(Unused { day: held.day, calls: unused })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn block(calls: u32, interval_milliseconds: i64, wait_seconds: i64) -> Block {
        Block {
            calls,
            interval: TimeDelta::milliseconds(interval_milliseconds),
            wait: TimeDelta::seconds(wait_seconds),
            taken_at: DateTime::UNIX_EPOCH,
            cuts: 0,
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn take(call_block: &mut CallBlock, now: Instant) -> Option<Instant> {
        call_block.take_slot(now).map(|slot| slot.at)
    }

    #[test]
    fn calls_are_paced_from_the_blocks_start_on() {
        let (mut call_block, now) = (CallBlock::new(), Instant::now());
        assert_eq!(take(&mut call_block, now), None);
        call_block.hold(&block(3, 200, 4), now);
        let slots: Vec<_> = (0..4).map(|_| take(&mut call_block, now)).collect();
        let at = |milliseconds| Some(now + Duration::from_millis(milliseconds));
        assert_eq!(slots, [at(4000), at(4200), at(4400), None]);
    }

    #[test]
    fn each_block_has_its_own_pace() {
        let (mut call_block, now) = (CallBlock::new(), Instant::now());
        for (interval, rate) in [(200, 5.0), (2500, 0.4)] {
            call_block.hold(&block(2, interval, 0), now);
            let granted = GrantedRate { at: DateTime::UNIX_EPOCH, rate, cuts: 0 };
            let second = now + Duration::from_millis(interval.unsigned_abs());
            let slots: Vec<_> = (0..3).map(|_| call_block.take_slot(now)).collect();
            assert_eq!(
                slots,
                [Some(Slot { at: now, granted }), Some(Slot { at: second, granted }), None]
            );
        }
    }

    #[test]
    fn stale_calls_are_given_back_and_the_next_block_is_smaller() {
        let (mut call_block, now) = (CallBlock::new(), Instant::now());
        call_block.hold(&block(5, 200, 0), now);
        assert!(call_block.take_slot(now + 2 * SECOND).is_some());
        assert!(call_block.take_slot(now + 2 * SECOND).is_some());
        assert_eq!(call_block.take_slot(now + 3 * SECOND), None);
        let day = DateTime::UNIX_EPOCH.date_naive();
        assert_eq!(call_block.return_unused(), Some(Unused { day, calls: 3 }));
        assert_eq!(call_block.next_size(), 2);
        assert_eq!(call_block.return_unused(), None, "only once");
    }

    #[test]
    fn blocks_double_while_they_are_used_up() {
        let (mut call_block, now) = (CallBlock::new(), Instant::now());
        let mut sizes = Vec::new();
        // As many calls as the rate allows in a second.
        for calls_max in [9, 9, 9, 9, 9, 9] {
            sizes.push(call_block.next_size());
            call_block.hold(&block(call_block.next_size().min(calls_max), 0, 0), now);
            while call_block.take_slot(now).is_some() {}
            assert_eq!(call_block.return_unused(), None);
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 18]);
    }

    #[test]
    fn what_was_not_made_can_be_used_again() {
        let (mut call_block, now) = (CallBlock::new(), Instant::now());
        call_block.hold(&block(1, 0, 0), now);
        assert!(call_block.take_slot(now).is_some());
        call_block.put_back(1);
        assert!(call_block.take_slot(now).is_some());
        assert_eq!(call_block.return_unused(), None);
    }
}
