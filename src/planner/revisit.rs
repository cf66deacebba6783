//! When a day is looked at again: a function of its age, of what stands on it, and of when it was
//! last read.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveTime, Utc};

use super::{Settings, cost::calls_of_days};
use crate::domain::{Day, DayState, Lane};

/// The lane in which a day is due now; `None`: it can wait.
pub(super) fn due(
    settings: &Settings,
    cycle: Duration,
    state: &DayState,
    now: DateTime<Utc>,
) -> Option<Lane> {
    due_times(settings, cycle, state, now).find(|(_, at)| *at <= now).map(|(lane, _)| lane)
}

/// When a day is looked at next, and why; without a change until then.
pub(super) fn next(
    settings: &Settings,
    cycle: Duration,
    state: &DayState,
    now: DateTime<Utc>,
) -> Option<(Lane, DateTime<Utc>)> {
    due_times(settings, cycle, state, now).min_by_key(|(_, at)| *at)
}

/// The reasons to look at a day, the most urgent first, with the time from which each counts.
fn due_times(
    settings: &Settings,
    cycle: Duration,
    state: &DayState,
    now: DateTime<Utc>,
) -> impl Iterator<Item = (Lane, DateTime<Utc>)> {
    let begin = state.day.and_time(NaiveTime::MIN).and_utc();
    let end = begin + Duration::days(1);
    let is_final = state.as_of.is_some_and(|as_of| as_of > end + settings.settle);
    let as_of = state.as_of.unwrap_or(begin);
    let is_recent = now - begin < settings.recent
        || state.changed_at.is_some_and(|changed_at| now - changed_at < settings.recent);
    let revisit = unsettled_spacing(settings, now - begin);
    [
        (!is_final).then_some((Lane::Backfill, end.min(now))),
        state.approved_at.filter(|approved_at| *approved_at >= as_of).map(|at| (Lane::Audit, at)),
        state.unsettled.then_some((Lane::Unsettled, as_of + revisit)),
        is_recent.then_some((Lane::Unsettled, as_of + settings.recent_every)),
        Some((Lane::Audit, as_of + cycle - early(cycle, state.day))),
    ]
    .into_iter()
    .flatten()
}

/// How long a record may wait for its next read: as long as its day, if it stood there alone.
pub(super) fn of_record(
    settings: &Settings,
    cycle: Duration,
    age: Duration,
    unsettled: bool,
    changed_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Duration {
    let is_recent =
        age < settings.recent || changed_at.is_some_and(|changed_at| now - changed_at < settings.recent);
    let unsettled = unsettled.then(|| unsettled_spacing(settings, age));
    let recent = is_recent.then_some(settings.recent_every);
    [unsettled, recent].into_iter().flatten().fold(cycle, Duration::min)
}

/// How long a day with unsettled records may wait: the older it is, the longer.
fn unsettled_spacing(settings: &Settings, age: Duration) -> Duration {
    let part = i32::try_from(settings.unsettled_part.max(1)).unwrap_or(i32::MAX);
    (age / part).clamp(settings.unsettled_min, settings.unsettled_max.max(settings.unsettled_min))
}

/// How long a whole cycle through history takes: as short as its daily calls allow, but not shorter
/// than a day.
pub(super) fn cycle(settings: &Settings, counts: &BTreeMap<Day, u32>) -> Duration {
    let days = counts.keys().next().zip(counts.keys().next_back());
    let Some((first, last)) = days.filter(|_| settings.cycle_daily_calls > 0) else {
        return settings.cycle;
    };
    let calls = calls_of_days(settings, counts, *first, *last);
    let minutes_a_day = 24 * 60;
    let minutes = i64::from(calls) * minutes_a_day / i64::from(settings.cycle_daily_calls);
    Duration::minutes(minutes).max(Duration::days(1)).min(settings.cycle)
}

/// Days that were read together need not stay together for ever: some come up to a fifth of the
/// cycle early, blocks of a month alike.
fn early(cycle: Duration, day: Day) -> Duration {
    use chrono::Datelike as _;
    let block = day.num_days_from_ce() / 30;
    cycle / 5 * (block.rem_euclid(8)) / 8
}
