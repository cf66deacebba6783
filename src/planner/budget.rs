//! Divides the calls of a UTC day among the lanes. Each lane has a share, and unused calls are lent
//! to the others.
//!
//! A lane may use its whole share, early or evenly over the day. The part that it does not use in
//! time lapses: halfway through the day at least half of its share is still guaranteed, and the
//! others may use the rest. Lapsed calls do not come back; otherwise two lanes could be promised
//! the same call.

use crate::domain::{ByLane, Grant, Lane, Spending};

const DAY_SECONDS: u64 = 86_400;

/// Minimum time before another attempt; a shorter one would yield only a few calls.
const ASK_AGAIN_SECONDS: u32 = 60;

/// The calls of a project per UTC day, and the share of each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Calls per day, counting every HTTP attempt; 0 means no limit.
    pub calls_per_day: u32,
    /// The guaranteed share of each lane in percent; at most 100 together.
    pub shares: ByLane<u32>,
}

impl Budget {
    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.calls_per_day > 0
    }

    /// Decides how many of the `wanted` calls a lane gets now.
    ///
    /// The lane gets at least its own guaranteed calls, whatever the others have used. It never
    /// gets calls that are still guaranteed to others, and all lanes together never get more than
    /// the day's calls.
    pub fn grant(&self, spending: &Spending, lane: Lane, wanted: u32) -> Grant {
        if !self.is_limited() {
            return Grant { calls: wanted, lapsed: 0 };
        }
        let available = self.available(spending, lane, spending.seconds_left);
        Grant {
            calls: u32::try_from(available).unwrap_or(u32::MAX).min(wanted),
            lapsed: self.lapsed(spending, lane, spending.seconds_left),
        }
    }

    /// Seconds until a lane that got no call gets one, if no other lane requests calls; at most
    /// until the end of the day.
    pub fn seconds_until_more(&self, spending: &Spending, lane: Lane) -> u32 {
        let now = spending.seconds_left;
        // The available calls increase as the day passes.
        let (mut without, mut with) = (now, 0);
        while without - with > 1 {
            let middle = with + (without - with) / 2;
            if self.available(spending, lane, middle) > 0 {
                with = middle;
            } else {
                without = middle;
            }
        }
        (now - with).max(ASK_AGAIN_SECONDS).min(now.max(1))
    }

    /// Calls available to a lane when `seconds_left` of the day remain, if no calls are taken until
    /// then.
    fn available(&self, spending: &Spending, lane: Lane, seconds_left: u32) -> u64 {
        let others = Lane::ALL.into_iter().filter(|other| *other != lane);
        let promised: u64 = others.map(|other| self.sure_of(spending, other, seconds_left)).sum();
        u64::from(self.calls_per_day).saturating_sub(spending.taken()).saturating_sub(promised)
    }

    /// Calls still guaranteed to a lane.
    fn sure_of(&self, spending: &Spending, lane: Lane, seconds_left: u32) -> u64 {
        let gone = spending.lanes[lane].taken + self.lapsed(spending, lane, seconds_left);
        self.share(lane).saturating_sub(gone)
    }

    /// Calls of a lane's share that have lapsed. The guarantee never exceeds the part of the share
    /// that corresponds to the rest of the day.
    fn lapsed(&self, spending: &Spending, lane: Lane, seconds_left: u32) -> u64 {
        let (spent, share) = (spending.lanes[lane], self.share(lane));
        let rest = (share * u64::from(seconds_left).min(DAY_SECONDS)).div_ceil(DAY_SECONDS);
        spent.lapsed.max((share - rest).saturating_sub(spent.taken))
    }

    /// Calls per day guaranteed to a lane.
    pub fn share(&self, lane: Lane) -> u64 {
        u64::from(self.calls_per_day) * u64::from(self.shares[lane].min(100)) / 100
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Spent;

    const DAY: u32 = 86_400;

    fn shares(percent: [u32; 5]) -> ByLane<u32> {
        let mut percent = percent.into_iter();
        ByLane::of(|_| percent.next().unwrap())
    }

    fn budget(calls_per_day: u32) -> Budget {
        Budget { calls_per_day, shares: shares([10, 20, 40, 20, 10]) }
    }

    /// Takes the available calls and records them as the warehouse does.
    fn take(budget: &Budget, spending: &mut Spending, lane: Lane, wanted: u32) -> u32 {
        let Grant { calls, lapsed } = budget.grant(spending, lane, wanted);
        let spent = &mut spending.lanes[lane];
        *spent = Spent { taken: spent.taken + u64::from(calls), lapsed };
        calls
    }

    #[test]
    fn at_the_start_of_a_day_each_lane_has_its_share_and_no_more() {
        let mut spending = Spending { seconds_left: DAY, ..Spending::default() };
        assert_eq!(take(&budget(1000), &mut spending, Lane::Backfill, 9999), 200);
        assert_eq!(take(&budget(1000), &mut spending, Lane::Backfill, 1), 0);
        assert_eq!(take(&budget(1000), &mut spending, Lane::Recent, 30), 30);
        assert_eq!(take(&budget(1000), &mut spending, Lane::Recent, 9999), 70);
    }

    #[test]
    fn what_nobody_asked_for_is_lent_while_the_day_passes() {
        let mut spending = Spending { seconds_left: DAY / 2, ..Spending::default() };
        // Half of the other lanes' 800 calls has lapsed.
        assert_eq!(take(&budget(1000), &mut spending, Lane::Backfill, 9999), 600);
        // The other half is still guaranteed, and a lane does not get calls guaranteed to another.
        assert_eq!(take(&budget(1000), &mut spending, Lane::Detail, 9999), 200);
        assert_eq!(take(&budget(1000), &mut spending, Lane::Recent, 9999), 50);
        spending.seconds_left = 0;
        assert_eq!(take(&budget(1000), &mut spending, Lane::Backfill, 9999), 150);
        assert_eq!(take(&budget(1000), &mut spending, Lane::Recent, 1), 0);
    }

    #[test]
    fn calls_outside_all_shares_are_for_whoever_comes_first() {
        let budget = Budget { calls_per_day: 100, shares: shares([10, 0, 0, 0, 0]) };
        let mut spending = Spending { seconds_left: DAY, ..Spending::default() };
        assert_eq!(take(&budget, &mut spending, Lane::Audit, 999), 90);
        assert_eq!(take(&budget, &mut spending, Lane::Recent, 999), 10);
    }

    #[test]
    fn without_a_limit_everything_wanted_is_granted() {
        let mut spending = Spending::default();
        spending.lanes[Lane::Detail].taken = u64::MAX / 2;
        assert_eq!(budget(0).grant(&spending, Lane::Detail, 7).calls, 7);
    }

    #[test]
    fn more_comes_when_others_lend_and_at_the_end_of_the_day_at_the_latest() {
        let mut spending = Spending { seconds_left: DAY, ..Spending::default() };
        take(&budget(10), &mut spending, Lane::Backfill, 2);
        // The first call to lapse is one of the four of detail calls, after a quarter of the day.
        assert_eq!(budget(10).seconds_until_more(&spending, Lane::Backfill), DAY / 4);
        spending.seconds_left -= DAY / 4;
        assert_eq!(budget(10).grant(&spending, Lane::Backfill, 9).calls, 1);
        spending.lanes[Lane::Detail].taken = 8;
        assert_eq!(budget(10).seconds_until_more(&spending, Lane::Backfill), spending.seconds_left);
    }

    fn lanes() -> impl Strategy<Value = Lane> {
        (0usize..5).prop_map(|number| Lane::ALL[number])
    }

    /// Requests: lane, number of calls, and seconds until the next request.
    fn days() -> impl Strategy<Value = Vec<(Lane, u32, u32)>> {
        proptest::collection::vec((lanes(), 1u32..400, 0u32..20_000), 0..40)
    }

    fn budgets() -> impl Strategy<Value = Budget> {
        (1u32..2000, proptest::array::uniform5(0u32..=20))
            .prop_map(|(calls_per_day, percent)| Budget { calls_per_day, shares: shares(percent) })
    }

    proptest! {
        #[test]
        fn the_days_calls_are_never_exceeded_and_all_lent_at_its_end(
            budget in budgets(), day in days(), last in lanes(),
        ) {
            let mut spending = Spending { seconds_left: DAY, ..Spending::default() };
            for (lane, wanted, later) in day {
                spending.seconds_left = spending.seconds_left.saturating_sub(later);
                take(&budget, &mut spending, lane, wanted);
                prop_assert!(spending.taken() <= u64::from(budget.calls_per_day));
            }
            spending.seconds_left = 0;
            take(&budget, &mut spending, last, u32::MAX);
            prop_assert_eq!(spending.taken(), u64::from(budget.calls_per_day));
        }

        #[test]
        fn a_lane_always_gets_its_part_of_the_rest_of_the_day(
            budget in budgets(), day in days(), sure in lanes(),
        ) {
            let mut spending = Spending { seconds_left: DAY, ..Spending::default() };
            for (lane, wanted, later) in day.into_iter().filter(|(lane, ..)| *lane != sure) {
                spending.seconds_left = spending.seconds_left.saturating_sub(later);
                take(&budget, &mut spending, lane, wanted);
                let part = budget.share(sure) * u64::from(spending.seconds_left) / DAY_SECONDS;
                let granted = budget.grant(&spending, sure, u32::MAX).calls;
                prop_assert!(u64::from(granted) >= part);
            }
        }

        #[test]
        fn a_lane_that_takes_evenly_gets_its_whole_share(budget in budgets(), day in days(), even in lanes()) {
            let mut spending = Spending { seconds_left: DAY, ..Spending::default() };
            for (lane, wanted, later) in day {
                let after = spending.seconds_left.saturating_sub(later);
                let due = budget.share(even) * u64::from(DAY - after) / DAY_SECONDS;
                let due = due.saturating_sub(spending.lanes[even].taken);
                take(&budget, &mut spending, even, u32::try_from(due).unwrap());
                spending.seconds_left = after;
                if lane != even {
                    take(&budget, &mut spending, lane, wanted);
                }
            }
            take(&budget, &mut spending, even, u32::MAX);
            prop_assert!(spending.lanes[even].taken >= budget.share(even));
        }

        #[test]
        fn after_the_wait_there_is_more_or_a_new_day(budget in budgets(), day in days(), asks in lanes()) {
            let mut spending = Spending { seconds_left: DAY, ..Spending::default() };
            for (lane, wanted, later) in day {
                spending.seconds_left = spending.seconds_left.saturating_sub(later);
                take(&budget, &mut spending, lane, wanted);
            }
            while budget.grant(&spending, asks, 1).calls == 1 {
                take(&budget, &mut spending, asks, u32::MAX);
            }
            let wait = budget.seconds_until_more(&spending, asks);
            prop_assert!(wait >= 1 && wait <= spending.seconds_left.max(1));
            spending.seconds_left = spending.seconds_left.saturating_sub(wait);
            prop_assert!(spending.seconds_left == 0 || budget.grant(&spending, asks, 1).calls == 1);
        }
    }
}
