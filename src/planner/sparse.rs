//! Detail calls for records whose list items omit members. Each record is read on the schedule of
//! its age and state; together they use at most half of the guaranteed detail calls.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveTime, Utc};

use super::{Budget, PlanSettings, revisit};
use crate::domain::{Day, Lane, Ledger, SparseRecord};

/// Unused calls expire after this time, so that calls stay spread out after an outage.
const KEPT: Duration = Duration::hours(1);

/// When records that lists show only in part are read, and with how many calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetailSchedule {
    settings: PlanSettings,
    /// Duration of a cycle of lists through all history.
    cycle: Duration,
    /// Calls per day, at least 1; `None` means no limit.
    calls_per_day: Option<u64>,
    /// Time for one call per record: the number of records divided by the calls per day.
    turn: Duration,
}

impl DetailSchedule {
    /// The schedule for `records` sparse records.
    pub fn new(settings: &PlanSettings, ledger: &Ledger, budget: &Budget, records: u64) -> Self {
        let read = ledger.days.iter().filter(|state| state.as_of.is_some());
        let counts: BTreeMap<Day, u32> = read.map(|state| (state.day, state.records)).collect();
        let calls_per_day = budget.is_limited().then(|| (budget.share(Lane::Detail) / 2).max(1));
        let turn = calls_per_day.map_or_else(Duration::zero, |calls| time_of(records, calls));
        Self { settings: *settings, cycle: revisit::cycle(settings, &counts), calls_per_day, turn }
    }

    /// The longest time between two reads of a record.
    pub fn longest(&self) -> Duration {
        self.cycle.max(self.turn)
    }

    /// How long before its time a record may be read. Unused calls are lost, so records that come
    /// due together would delay each other. If calls are short, none is unused.
    pub fn ahead(&self) -> Duration {
        if self.is_short_of_calls() { self.turn } else { self.turn / 5 }
    }

    /// Duration of a cycle of lists through all history.
    pub(super) fn cycle(&self) -> Duration {
        self.cycle
    }

    /// Whether the calls per day decide how often records are read, instead of their age and state.
    pub fn is_short_of_calls(&self) -> bool {
        self.turn > self.cycle
    }

    /// A next read that is further ahead than this was stored while a clock was ahead or fewer
    /// calls were allowed, and is computed again.
    pub fn too_late(&self) -> Duration {
        self.longest() + self.longest() / 10
    }

    /// Most calls per day; `None` means no limit.
    pub fn calls_per_day(&self) -> Option<u64> {
        self.calls_per_day
    }

    /// The latest time of a record's next read.
    ///
    /// Records that were read together spread out: each is read up to a fifth of its interval
    /// early. A record whose last read is unknown gets any time within its interval from now on. A
    /// last read in the future was stored while the clock was ahead and is ignored.
    pub fn next(&self, record: &SparseRecord, now: DateTime<Utc>) -> DateTime<Utc> {
        let age = now - record.day.and_time(NaiveTime::MIN).and_utc();
        let interval = revisit::of_record(
            &self.settings,
            self.cycle,
            age,
            record.unsettled,
            record.changed_at.map(|at| now - at),
        );
        match record.read_at.filter(|read_at| *read_at <= now) {
            Some(read_at) => read_at + (interval - part(interval / 5, &record.id)).max(self.turn),
            None => now + part(interval.max(self.turn), &record.id),
        }
    }

    /// How many calls may be used now, and the time from which they count.
    ///
    /// A stored time in the future was written while the clock was ahead and is ignored.
    pub fn allowance(
        &self,
        until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> (u64, DateTime<Utc>) {
        let Some(calls) = self.calls_per_day else { return (u64::MAX, now) };
        let kept_from = now - KEPT - time_of(1, calls);
        let from = until.filter(|until| *until <= now).map_or(kept_from, |at| at.max(kept_from));
        let passed = u128::try_from((now - from).num_milliseconds()).unwrap_or_default();
        let allowed = u128::from(calls) * passed / MILLISECONDS_A_DAY;
        (u64::try_from(allowed).unwrap_or(u64::MAX), from)
    }

    /// The time up to which calls are used after `drawn` calls, counted from `from`.
    pub fn until(&self, from: DateTime<Utc>, drawn: u64) -> DateTime<Utc> {
        self.calls_per_day.map_or(from, |calls| from + time_of(drawn, calls))
    }
}

const MILLISECONDS_A_DAY: u128 = 86_400_000;
/// A hundred years stand in for "never".
const MILLISECONDS_MAX: i64 = 100 * 366 * 86_400_000;

/// The time for `count` calls at `calls_per_day`, rounded up to a millisecond.
pub(super) fn time_of(count: u64, calls_per_day: u64) -> Duration {
    let time = (u128::from(count) * MILLISECONDS_A_DAY).div_ceil(u128::from(calls_per_day.max(1)));
    Duration::milliseconds(i64::try_from(time).unwrap_or(MILLISECONDS_MAX).min(MILLISECONDS_MAX))
}

/// A part of the time, constant for each id and spread evenly over ids.
fn part(time: Duration, id: &str) -> Duration {
    const PARTS: u64 = 1 << 16;
    // FNV-1a. Without the last step, ids that differ only in their last bytes would get similar
    // values.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let share = i64::try_from((mixed >> 32) % PARTS).unwrap_or_default();
    let parts = i64::try_from(PARTS).unwrap_or(i64::MAX);
    Duration::seconds(
        time.num_seconds() / parts * share + time.num_seconds() % parts * share / parts,
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        domain::{ByLane, DayState},
        planner::Revisit,
    };

    pub(in crate::planner) fn at(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::days(day)
    }

    pub(in crate::planner) fn settings() -> PlanSettings {
        PlanSettings {
            since: None,
            settle: Duration::hours(1),
            window_days: 30,
            page_size: 2000,
            revisit: Revisit::PUBLISHED,
            cycle: Duration::days(30),
            cycle_calls_per_day: 100,
            detail_cycle: Duration::days(180),
        }
    }

    /// A hundred days of history with ten records each.
    pub(in crate::planner) fn read_days() -> Ledger {
        let read = |day| DayState { as_of: Some(at(100)), records: 10, ..DayState::unread(day) };
        let days = (0..100).map(|day| read(at(day).date_naive())).collect();
        Ledger { days, unfiltered_as_of: None }
    }

    /// A schedule with this number of records and calls per day, two fifths of them for detail
    /// calls.
    pub(in crate::planner) fn schedule(records: u64, calls_per_day: u32) -> DetailSchedule {
        let shares = ByLane::of(|lane| if lane == Lane::Detail { 40 } else { 10 });
        DetailSchedule::new(&settings(), &read_days(), &Budget { calls_per_day, shares }, records)
    }

    fn record(number: usize, day: i64) -> SparseRecord {
        SparseRecord {
            id: format!("s{number}"),
            day: at(day).date_naive(),
            unsettled: false,
            changed_at: None,
            read_at: Some(at(100)),
        }
    }

    #[test]
    fn a_record_is_read_as_often_as_its_day_would_be() {
        let schedule = schedule(1000, 200_000);
        let old = record(1, 3);
        let hours = Duration::hours;
        for (record, least, most) in [
            (old.clone(), hours(19), hours(24)),
            (SparseRecord { day: at(90).date_naive(), ..old.clone() }, hours(4), hours(6)),
            (SparseRecord { changed_at: Some(at(95)), ..old.clone() }, hours(4), hours(6)),
            (
                SparseRecord { unsettled: true, day: at(98).date_naive(), ..old.clone() },
                Duration::minutes(45),
                hours(1),
            ),
            (SparseRecord { read_at: None, ..old }, Duration::zero(), hours(24)),
        ] {
            let wait = schedule.next(&record, at(100)) - at(100);
            assert!(wait >= least && wait <= most, "{record:?}: {wait}");
        }
        assert_eq!(schedule.longest(), hours(24));
    }

    #[test]
    fn what_was_read_together_is_read_apart_later() {
        let schedule = schedule(1000, 0);
        for (read_at, from, to) in [(Some(at(100)), 19.2, 24.0), (None, 0.0, 24.0)] {
            let hours = |number| {
                let known = SparseRecord { read_at, ..record(number, 3) };
                (schedule.next(&known, at(100)) - at(100)).as_seconds_f64() / 3600.0
            };
            let mut parts = [0; 8];
            for number in 0..800 {
                let part = (hours(number) - from) / (to - from) * 8.0;
                parts[(0..8)
                    .rfind(|start| f64::from(*start) <= part)
                    .map_or(0, |start| usize::try_from(start).unwrap())] += 1;
            }
            assert!(parts.iter().all(|count| (60..=140).contains(count)), "{parts:?}");
        }
    }

    /// Rounds every five minutes for forty days. No day has more calls than its share, and no
    /// record waits longer than promised plus one round.
    #[test]
    fn the_promise_holds_with_few_calls_and_with_many() {
        let round = Duration::minutes(5);
        for (records, calls_per_day, longest) in [
            (300, 200_000, Duration::days(1)),
            // Half of 40%: twenty calls per day, so a turn takes fifteen days.
            (300, 100, Duration::days(15)),
            (300, 0, Duration::days(1)),
        ] {
            let schedule = schedule(records, calls_per_day);
            assert_eq!(schedule.longest(), longest);
            let mut read_at: Vec<Option<DateTime<Utc>>> = vec![None; 300];
            let mut next: Vec<DateTime<Utc>> = (0..300)
                .map(|number| {
                    schedule.next(&SparseRecord { read_at: None, ..record(number, 1) }, at(100))
                })
                .collect();
            let (mut until, mut of_day) = (None, BTreeMap::<Day, u64>::new());
            for step in 0..40 * 288 {
                let now = at(100) + Duration::minutes(5 * step);
                let (allowed, from) = schedule.allowance(until, now);
                let mut due: Vec<usize> =
                    (0..300).filter(|number| next[*number] <= now + schedule.ahead()).collect();
                due.sort_by_key(|number| next[*number]);
                due.truncate(usize::try_from(allowed).unwrap_or(usize::MAX));
                until = Some(schedule.until(from, u64::try_from(due.len()).unwrap()));
                for number in due {
                    let waited = now - read_at[number].unwrap_or_else(|| at(100));
                    assert!(waited <= longest + round, "{waited} with {calls_per_day}");
                    read_at[number] = Some(now);
                    let known = SparseRecord { read_at: Some(now), ..record(number, 1) };
                    next[number] = schedule.next(&known, now);
                    *of_day.entry(now.date_naive()).or_default() += 1;
                }
            }
            assert!(read_at.iter().all(Option::is_some));
            let most = of_day.values().max().copied().unwrap();
            assert!(calls_per_day != 100 || most <= 21, "{most} calls on a day");
        }
    }

    #[test]
    fn calls_that_an_outage_left_over_are_not_made_at_once() {
        let schedule = schedule(100_000, 200_000);
        assert_eq!(schedule.calls_per_day(), Some(40_000));
        let (allowed, from) = schedule.allowance(Some(at(99)), at(100));
        let kept_from = at(100) - Duration::hours(1) - Duration::milliseconds(2160);
        assert_eq!((allowed, from), (1667, kept_from));
        let ahead = schedule.allowance(Some(at(101)), at(100));
        assert_eq!(ahead, (allowed, from), "the clock was ahead");
        let until = schedule.until(from, allowed);
        assert!(schedule.allowance(Some(until), at(100)).0 <= 1);
    }
}
