//! When a day is looked at again: a function of its age, of what stands on it, and of when it was last read.

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
    let begin = state.day.and_time(NaiveTime::MIN).and_utc();
    let end = begin + Duration::days(1);
    let Some(as_of) = state.as_of.filter(|as_of| *as_of > end + settings.settle) else {
        return Some(Lane::Backfill);
    };
    let waited = now - as_of;
    if state.approved_at.is_some_and(|approved_at| approved_at >= as_of) {
        return Some(Lane::Audit);
    }
    if state.unsettled && waited >= unsettled_spacing(settings, now - begin) {
        return Some(Lane::Unsettled);
    }
    let moved = state.moved_at.is_some_and(|moved_at| now - moved_at < settings.recent);
    if (moved || now - begin < settings.recent) && waited >= settings.recent_every {
        return Some(Lane::Unsettled);
    }
    (waited >= cycle - early(cycle, state.day)).then_some(Lane::Audit)
}

/// How long a day with unsettled records may wait: the older it is, the longer.
fn unsettled_spacing(settings: &Settings, age: Duration) -> Duration {
    let part = i32::try_from(settings.unsettled_part.max(1)).unwrap_or(i32::MAX);
    (age / part).clamp(settings.unsettled_min, settings.unsettled_max.max(settings.unsettled_min))
}

/// How long a whole cycle through history takes: as short as its daily calls allow, but not shorter than a day.
pub(super) fn cycle(settings: &Settings, counts: &BTreeMap<Day, u32>) -> Duration {
    let days = counts.keys().next().zip(counts.keys().next_back());
    let Some((first, last)) = days else { return settings.cycle };
    let calls = calls_of_days(settings, counts, *first, *last);
    let minutes_a_day = 24 * 60;
    let minutes = i64::from(calls) * minutes_a_day / i64::from(settings.cycle_daily_calls.max(1));
    Duration::minutes(minutes).max(Duration::days(1)).min(settings.cycle)
}

/// Days that were read together need not stay together for ever: some come up to a fifth of the cycle early, blocks of a
/// month alike.
fn early(cycle: Duration, day: Day) -> Duration {
    use chrono::Datelike as _;
    let block = day.num_days_from_ce() / 30;
    cycle / 5 * (block.rem_euclid(8)) / 8
}
