//! The calls of a project: rate, budget by lane, and their recent course.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, Utc};

use super::{
    sparkline::{Point, Sparkline},
    words,
};
use crate::{
    domain::{CallRate, Lane},
    service::trend::Sample,
    status::report::CallsToday,
};

/// The calls of a project as the page shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Calls {
    /// Calls a second, with one decimal; `None` if nothing is known.
    pub(super) rate: Option<String>,
    /// Where the rate comes from.
    pub(super) rate_source: String,
    pub(super) lanes: Vec<LaneCalls>,
    pub(super) total: LaneCalls,
    pub(super) has_budget: bool,
    pub(super) sparklines: Vec<Sparkline>,
    /// The end of a pause that the vendor asked for.
    pub(super) paused_until: Option<words::Moment>,
}

/// Today's calls of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LaneCalls {
    pub(super) lane: &'static str,
    pub(super) calls: String,
    /// The calls guaranteed to the lane, or the limit of all lanes; `None` without a limit.
    pub(super) guaranteed: Option<String>,
    /// Width of the bar in percent: of the guaranteed calls, or of all calls without a limit.
    pub(super) percent: String,
}

impl Calls {
    pub(super) fn of(today: &CallsToday, samples: &[Sample], now: DateTime<Utc>) -> Self {
        let limit = today.limit.map(u64::from);
        let lanes = Lane::ALL.into_iter().map(|lane| {
            let calls = today.by_lane.get(lane.as_str()).copied().unwrap_or_default();
            let guaranteed = today.guaranteed.map(|guaranteed| guaranteed[lane]);
            LaneCalls::of(lane.as_str(), calls, guaranteed, today.total)
        });
        let rate = Rate::of(today, samples);
        let paused_until = today.rate.as_ref().and_then(|rate| rate.paused_until);
        Self {
            rate: rate.as_ref().map(|rate| format!("{:.1}", rate.per_second)),
            rate_source: rate.map_or_else(String::new, |rate| rate.source),
            lanes: lanes.collect(),
            total: LaneCalls::of("all", today.total, limit, today.total),
            has_budget: limit.is_some(),
            sparklines: sparklines(samples),
            paused_until: paused_until.map(|until| words::Moment::of(until, now)),
        }
    }
}

impl LaneCalls {
    fn of(lane: &'static str, calls: u64, guaranteed: Option<u64>, all: u64) -> Self {
        Self {
            lane,
            calls: words::number(calls),
            guaranteed: guaranteed.map(words::number),
            percent: words::percent(calls, guaranteed.unwrap_or(all)),
        }
    }
}

/// The rate of a project's calls.
struct Rate {
    per_second: f64,
    source: String,
}

impl Rate {
    /// The adaptive or the fixed rate, otherwise the average of the samples.
    fn of(today: &CallsToday, samples: &[Sample]) -> Option<Self> {
        if let Some(rate) = &today.rate
            && let Some(per_second) = rate.calls_per_second
        {
            let source = rate.last_change().map_or_else(
                || "adaptive".to_owned(),
                |(at, why)| format!("since {}: {why}", words::exact(at)),
            );
            return Some(Self { per_second, source });
        }
        if let Some(per_second) = today.fixed_rate {
            return Some(Self { per_second, source: "set in the configuration".to_owned() });
        }
        let (first, last) = (samples.first()?, samples.last()?);
        let calls = last.calls_today.checked_sub(first.calls_today).filter(|calls| *calls > 0)?;
        let seconds = u32::try_from((last.at - first.at).num_seconds()).ok()?;
        let per_second = f64::from(u32::try_from(calls).ok()?) / f64::from(seconds.max(1));
        let time = words::largest_unit(last.at - first.at);
        Some(Self { per_second, source: format!("average of the last {time}") })
    }
}

/// Returns the expected time of these calls, by the rate and by the calls per day; `None` if
/// neither is known. Other lanes may use calls meanwhile.
pub(super) fn expected_time(
    calls: u64,
    today: &CallsToday,
    samples: &[Sample],
    now: DateTime<Utc>,
) -> Option<Duration> {
    let by_rate =
        Rate::of(today, samples).map(|rate| CallRate::per_second(rate.per_second).time_of(calls));
    let by_budget = today.limit.map(|limit| budget_time(calls, today.total, limit.into(), now));
    by_rate.max(by_budget)
}

/// The shortest time in which the calls per day allow these calls. `made`: today's calls.
fn budget_time(calls: u64, made: u64, limit: u64, now: DateTime<Utc>) -> Duration {
    let left = limit.saturating_sub(made);
    let Some(over @ 1..) = calls.checked_sub(left) else { return Duration::ZERO };
    let tomorrow = now.date_naive().checked_add_days(Days::new(1)).unwrap_or(now.date_naive());
    let to_midnight = tomorrow.and_time(NaiveTime::MIN).and_utc() - now;
    let days = (over - 1).checked_div(limit).unwrap_or_default();
    let days = Duration::from_hours(24).saturating_mul(u32::try_from(days).unwrap_or(u32::MAX));
    to_midnight.to_std().unwrap_or_default().saturating_add(days)
}

fn sparklines(samples: &[Sample]) -> Vec<Sparkline> {
    let due = samples
        .iter()
        .map(|sample| Point { at: sample.at, value: words::unsigned(sample.details_due) });
    let due: Vec<_> = due.collect();
    let rates: Vec<_> = samples.windows(2).filter_map(calls_a_minute).collect();
    [Sparkline::of("Calls a minute", &rates), Sparkline::of("Detail calls due", &due)]
        .into_iter()
        .flatten()
        .collect()
}

/// The calls a minute between two samples.
fn calls_a_minute(pair: &[Sample]) -> Option<Point> {
    let [before, after] = pair else { return None };
    let seconds = u64::try_from((after.at - before.at).num_seconds()).ok().filter(|it| *it > 0)?;
    // The count starts again at midnight, and unused calls are returned.
    let is_same_day = before.at.date_naive() == after.at.date_naive();
    let base = if is_same_day { before.calls_today } else { 0 };
    let calls = after.calls_today.saturating_sub(base);
    Some(Point { at: after.at, value: calls.saturating_mul(60) / seconds })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;

    use super::*;

    fn today(total: u64, limit: Option<u32>, fixed_rate: Option<f64>) -> CallsToday {
        CallsToday {
            total,
            limit,
            by_lane: BTreeMap::new(),
            rate: None,
            fixed_rate,
            guaranteed: None,
        }
    }

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
    }

    fn sample(at: DateTime<Utc>, calls_today: u64) -> Sample {
        Sample { at, calls_today, details_due: 0 }
    }

    #[test]
    fn the_expected_time_follows_from_rate_and_budget() {
        let hours = |hours| Some(Duration::from_hours(hours));
        for (calls, made, limit, rate, expected) in [
            (7200, 0, None, Some(2.0), hours(1)),
            (7200, 0, None, None, None),
            (0, 0, Some(100), None, hours(0)),
            (100, 0, Some(100), None, hours(0)),
            // The rest of the day is 4 hours.
            (101, 0, Some(100), None, hours(4)),
            (100, 1, Some(100), None, hours(4)),
            (201, 0, Some(100), None, hours(28)),
            (100, 500, Some(100), None, hours(4)),
            (7200, 0, Some(10_000), Some(2.0), hours(1)),
            (7200, 0, Some(7000), Some(2.0), hours(4)),
        ] {
            let time = expected_time(calls, &today(made, limit, rate), &[], at(20));
            assert_eq!(time, expected, "{calls} calls, {made} of {limit:?} made, {rate:?}");
        }
    }

    #[test]
    fn a_rate_that_is_not_set_is_measured() {
        let samples = [sample(at(8), 100), sample(at(9), 7300)];
        let calls = Calls::of(&today(7300, None, None), &samples, at(9));
        assert_eq!(calls.rate.as_deref(), Some("2.0"));
        assert_eq!(calls.rate_source, "average of the last 60 min");
        let calls = Calls::of(&today(7300, None, Some(5.0)), &samples, at(9));
        assert_eq!(calls.rate.as_deref(), Some("5.0"));
        let calls = Calls::of(&today(0, None, None), &[], at(9));
        assert_eq!(calls.rate, None);
    }

    #[test]
    fn the_calls_a_minute_continue_over_midnight() {
        for (before, after, value) in [
            ((at(1), 100), (at(2), 700), Some(10)),
            ((at(23), 5000), (at(24), 120), Some(2)),
            // Unused calls were returned.
            ((at(1), 100), (at(2), 90), Some(0)),
            ((at(1), 100), (at(1), 100), None),
        ] {
            let pair = [sample(before.0, before.1), sample(after.0, after.1)];
            assert_eq!(calls_a_minute(&pair).map(|point| point.value), value);
        }
    }
}
