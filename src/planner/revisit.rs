//! When a day is read again. This depends on its age, the state of its records, and its last read.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveTime, Utc};

use super::{PlanSettings, cost::calls_of_days};
use crate::domain::{Day, DayState, Lane};

/// How often days that are expected to change are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revisit {
    /// A day with unsettled records is read again after its age divided by this, at least 1.
    pub unsettled_age_divisor: i32,
    /// The shortest time between two reads of a day with unsettled records.
    pub unsettled_interval_min: Duration,
    /// The longest time between two reads of a day with unsettled records.
    pub unsettled_interval_max: Duration,
    /// A day is active up to this age, and for this time after one of its records has changed.
    pub active_age: Duration,
    /// The longest time between two reads of an active day.
    pub active_interval: Duration,
}

impl Revisit {
    /// The values that the promises in `docs/staleness.md` rest on.
    pub const PUBLISHED: Self = Self {
        unsettled_age_divisor: 48,
        unsettled_interval_min: Duration::minutes(15),
        unsettled_interval_max: Duration::hours(24),
        active_age: Duration::days(14),
        active_interval: Duration::hours(6),
    };

    /// Whether a day of this age, whose records last changed `since_change` ago, is active.
    fn is_active(&self, age: Duration, since_change: Option<Duration>) -> bool {
        age < self.active_age || since_change.is_some_and(|since| since < self.active_age)
    }

    /// The time between two reads of a day with unsettled records: longer for older days.
    fn unsettled_interval(&self, age: Duration) -> Duration {
        let longest = self.unsettled_interval_max.max(self.unsettled_interval_min);
        (age / self.unsettled_age_divisor.max(1)).clamp(self.unsettled_interval_min, longest)
    }
}

/// Returns the lane in which a day is due now; `None` if it can wait.
pub(super) fn due(
    settings: &PlanSettings,
    cycle: Duration,
    state: &DayState,
    now: DateTime<Utc>,
) -> Option<Lane> {
    due_times(settings, cycle, state, now).find(|(_, at)| *at <= now).map(|(lane, _)| lane)
}

/// Returns when a day is read next, and in which lane, if nothing changes until then.
pub(super) fn next(
    settings: &PlanSettings,
    cycle: Duration,
    state: &DayState,
    now: DateTime<Utc>,
) -> Option<(Lane, DateTime<Utc>)> {
    due_times(settings, cycle, state, now).min_by_key(|(_, at)| *at)
}

/// The reasons to read a day, the most urgent first, with the time from which each applies.
fn due_times(
    settings: &PlanSettings,
    cycle: Duration,
    state: &DayState,
    now: DateTime<Utc>,
) -> impl Iterator<Item = (Lane, DateTime<Utc>)> {
    let begin = state.day.and_time(NaiveTime::MIN).and_utc();
    let end = begin + Duration::days(1);
    let is_final = state.as_of.is_some_and(|as_of| as_of > end + settings.settle);
    let as_of = state.as_of.unwrap_or(begin);
    let age = now - begin;
    let revisit = &settings.revisit;
    let is_active = revisit.is_active(age, state.changed_at.map(|at| now - at));
    let interval = revisit.unsettled_interval(age);
    [
        (!is_final).then_some((Lane::Backfill, end.min(now))),
        state.approved_at.filter(|approved_at| *approved_at >= as_of).map(|at| (Lane::Audit, at)),
        state.unsettled.then_some((Lane::Unsettled, as_of + interval)),
        is_active.then_some((Lane::Unsettled, as_of + revisit.active_interval)),
        Some((Lane::Audit, as_of + cycle - early(cycle, state.day))),
    ]
    .into_iter()
    .flatten()
}

/// How long a record may wait for its next read: as long as a day that holds only this record.
pub(super) fn of_record(
    settings: &PlanSettings,
    cycle: Duration,
    age: Duration,
    unsettled: bool,
    since_change: Option<Duration>,
) -> Duration {
    let revisit = &settings.revisit;
    let unsettled = unsettled.then(|| revisit.unsettled_interval(age));
    let active = revisit.is_active(age, since_change).then_some(revisit.active_interval);
    [unsettled, active].into_iter().flatten().fold(cycle, Duration::min)
}

/// The duration of a whole cycle through history: as short as the calls per day allow, but at least
/// one day.
pub(super) fn cycle(settings: &PlanSettings, counts: &BTreeMap<Day, u32>) -> Duration {
    let days = counts.keys().next().zip(counts.keys().next_back());
    let Some((first, last)) = days.filter(|_| settings.cycle_calls_per_day > 0) else {
        return settings.cycle;
    };
    let calls = calls_of_days(settings, counts, *first, *last);
    let minutes_a_day = 24 * 60;
    let minutes = i64::from(calls) * minutes_a_day / i64::from(settings.cycle_calls_per_day);
    Duration::minutes(minutes).max(Duration::days(1)).min(settings.cycle)
}

/// How much earlier than the cycle a day is read, up to a fifth of it. Blocks of 30 days share a
/// value, so that days that were read together spread out.
fn early(cycle: Duration, day: Day) -> Duration {
    use chrono::Datelike as _;
    let block = day.num_days_from_ce() / 30;
    cycle / 5 * (block.rem_euclid(8)) / 8
}
