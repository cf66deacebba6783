//! The adaptive rate of a key: how many calls a second the vendor accepts, judged by its answers.
//!
//! Pure. All processes of a key share one [`SharedRate`] in PostgreSQL, and report their answers
//! when they take their next calls.
//!
//! The rate starts low and grows quickly until the vendor refuses calls or slows down. It is then
//! cut to 70%, returns within ten seconds to 95% of the rate that was refused, and probes slowly
//! above it. Only answers to calls that were granted after the last cut count, so that one
//! congestion causes one cut, however many processes see it.
//!
//! A rate is limited instead of the number of calls in flight, because the vendor's limits are
//! rates, and because calls in flight of several processes cannot be counted together. Known faults
//! of limiters by latency are avoided: refused calls have no latency, an unused rate does not grow,
//! and a latency that does not fall with the rate becomes the new baseline.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{
    ByCall, GrantedRate, KnownLatency, RateBounds, RateCause, SharedRate, SlowLatency,
};

/// The rate is never cut below this, in calls a second.
const FLOOR: f64 = 0.1;
/// Part of the refused rate that remains after a cut.
const CUT: f64 = 0.7;
/// Part of the refused rate that is reached again within [`RETURN_SECONDS`].
const RETURN: f64 = 0.95;
const RETURN_SECONDS: f64 = 10.0;
/// Growth a second above that, as a part of the refused rate.
const PROBE: f64 = 0.00125;
/// Additional growth a second above the refused rate, as a part of the distance from it: the vendor
/// accepts more than before.
const PROBE_ABOVE: f64 = 0.05;
/// Growth factor a second while no limit is known.
const GROWTH: f64 = 1.25;
/// Part of the granted calls that must have been answered for the rate to grow. An unused rate
/// proves nothing.
const USE_MIN: f64 = 0.5;
/// Time that a report can cover, in seconds.
const REPORT_SECONDS_MAX: f64 = 2.0;
/// Latency above this multiple of the baseline is congestion.
const SLOW: f64 = 2.0;
/// Fewest answers whose latency counts.
const LATENCY_ANSWERS_MIN: u32 = 10;
/// Time after a cut until calls queued at the vendor are done and the latency shows its effect.
const SETTLE: TimeDelta = TimeDelta::seconds(5);
/// A latency between these multiples of the one before the cut did not react to it.
const UNCHANGED: (f64, f64) = (0.8, 1.25);
/// A latency above this multiple of the highest one around the cut is cut again after
/// [`GROWS_AFTER`] instead of [`SETTLE`]: the vendor still queues calls.
const GROWS: f64 = 1.5;
const GROWS_AFTER: TimeDelta = TimeDelta::seconds(1);
/// Time for which a high latency counts without answers to calls of its kind.
const FORGET: TimeDelta = TimeDelta::seconds(60);
/// Number of cuts in a row without a reaction that show that a latency does not depend on the rate.
const CUTS_WITHOUT_EFFECT: u32 = 2;
/// How fast the baseline follows a lower latency at each report, and a higher one each second, as a
/// part of the difference. If it rose faster, a queue that grows slowly would go unnoticed.
const FOLLOW_DOWN: f64 = 0.2;
const FOLLOW_UP: f64 = 0.002;

/// Answers to calls of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Latencies {
    answers: u32,
    /// The sum of the logarithms of the latencies in seconds. Their mean is less sensitive to a few
    /// slow answers than the mean of the latencies.
    logarithms: f64,
}

impl Latencies {
    /// Adds an answer in time, whatever its status except a refusal.
    ///
    /// `latency` is the time from sending one attempt to the last byte of its answer.
    pub fn add(&mut self, latency: Duration) {
        self.answers += 1;
        self.logarithms += latency.as_secs_f64().max(0.001).ln();
    }

    /// Takes the answers if there are enough to judge their latency. Otherwise they wait for more.
    pub fn take(&mut self) -> Option<Self> {
        (self.answers >= LATENCY_ANSWERS_MIN).then(|| std::mem::take(self))
    }

    /// The typical latency in seconds.
    pub fn typical(&self) -> f64 {
        (self.logarithms / f64::from(self.answers.max(1))).exp()
    }
}

/// The answers that a process received since its last report.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AnswerReport {
    /// The grant of the newest calls that were refused with 429 or 503.
    pub refused: Option<GrantedRate>,
    /// The grant of the newest calls without an answer in time.
    pub timed_out: Option<GrantedRate>,
    /// The grant of the newest calls that were answered in time.
    pub answered: Option<GrantedRate>,
    /// The number of calls that were answered in time.
    pub answers: u32,
    /// Their latencies and earlier ones, if there are enough to judge them.
    pub latencies: ByCall<Option<Latencies>>,
}

/// Adjusts a key's rate to the answers that a process reports.
#[must_use]
pub fn adjust(
    before: &SharedRate,
    report: &AnswerReport,
    bounds: &RateBounds,
    now: DateTime<Utc>,
) -> SharedRate {
    let after = judged(before, report, bounds, now);
    let is_changed = after.rate.total_cmp(&before.rate).is_ne();
    if is_changed { SharedRate { changed_at: now, ..after } } else { after }
}

fn judged(
    before: &SharedRate,
    report: &AnswerReport,
    bounds: &RateBounds,
    now: DateTime<Utc>,
) -> SharedRate {
    let after_cut =
        |granted: Option<GrantedRate>| granted.filter(|granted| granted.cuts >= before.cuts);
    if let Some(granted) = after_cut(report.refused) {
        return cut(before, granted, RateCause::Refused, bounds, now);
    }
    if let Some(granted) = after_cut(report.timed_out) {
        return cut(before, granted, RateCause::TimedOut, bounds, now);
    }
    let mut after = SharedRate { adjusted_at: now, ..before.clone() };
    let mut effect = Effect::Healthy;
    for (kind, latencies) in report.latencies.iter() {
        if let (Some(latencies), Some(granted)) = (latencies, report.answered) {
            let latency = latencies.typical();
            let since = before.adjusted_at;
            effect = effect.max(after.latencies[kind].judge(latency, granted.at, since, now));
        }
    }
    let is_slow = |rate: &SharedRate| rate.latencies.iter().any(|(_, known)| known.is_slow(now));
    if effect == Effect::Healthy && is_slow(&after) {
        effect = Effect::Unsettled;
    }
    match (effect, report.answered) {
        (Effect::Congested, Some(granted)) => {
            let cut = cut(&after, granted, RateCause::Slow, bounds, now);
            // Calls that were queued before the first of several cuts prove nothing about a lower
            // rate.
            let refused = if is_slow(before) { before.refused } else { cut.refused };
            return SharedRate { refused, ..cut };
        }
        // The calls that the vendor has queued are done before the rate grows again.
        (Effect::Unsettled, _) => {}
        _ if is_used(before, report, now) => {
            after.rate = grown(before, seconds(before.adjusted_at, now));
            after.cause = RateCause::Healthy;
        }
        _ => {}
    }
    after.rate = after.rate.max(FLOOR).min(bounds.max);
    after
}

/// What a latency indicates about the rate, in order of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// The latency is not high, or does not depend on the rate.
    Healthy,
    /// The latency is high, and the last cut has not shown its effect yet.
    Unsettled,
    /// The rate is too high.
    Congested,
}

impl KnownLatency {
    /// Whether the latency was too high when it was last judged. Forgotten if no calls of this kind
    /// were answered since.
    fn is_slow(&self, now: DateTime<Utc>) -> bool {
        self.slow.is_some_and(|slow| now < slow.judged_at + FORGET)
    }

    /// Compares a latency with the usual one, and remembers it. `since` is the time of the report
    /// before.
    fn judge(
        &mut self,
        latency: f64,
        granted_at: DateTime<Utc>,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Effect {
        let Some(baseline) = self.baseline else {
            self.baseline = Some(latency);
            return Effect::Healthy;
        };
        if latency <= baseline * SLOW {
            let follow =
                if latency < baseline { FOLLOW_DOWN } else { FOLLOW_UP * seconds(since, now) };
            self.baseline = Some(baseline + (latency - baseline) * follow);
            self.slow = None;
            return Effect::Healthy;
        }
        let slow = |without_effect| Some(SlowLatency { latency, judged_at: now, without_effect });
        let Some(before) = self.slow else {
            self.slow = slow(0);
            return Effect::Congested;
        };
        let change = latency / before.latency;
        if granted_at <= before.judged_at + GROWS_AFTER {
            let latency = latency.max(before.latency);
            self.slow = Some(SlowLatency { latency, ..before });
            return Effect::Unsettled;
        }
        if change > GROWS {
            self.slow = slow(0);
            return Effect::Congested;
        }
        if granted_at <= before.judged_at + SETTLE {
            return Effect::Unsettled;
        }
        if change < UNCHANGED.0 {
            self.slow = slow(0);
            return Effect::Unsettled;
        }
        if change > UNCHANGED.1 {
            self.slow = slow(0);
            return Effect::Congested;
        }
        if before.without_effect + 1 < CUTS_WITHOUT_EFFECT {
            self.slow = slow(before.without_effect + 1);
            return Effect::Congested;
        }
        *self = Self { baseline: Some(latency), slow: None };
        Effect::Healthy
    }
}

fn cut(
    before: &SharedRate,
    granted: GrantedRate,
    cause: RateCause,
    bounds: &RateBounds,
    now: DateTime<Utc>,
) -> SharedRate {
    SharedRate {
        rate: before.rate.min(granted.rate * CUT).max(FLOOR).min(bounds.max),
        refused: Some(granted.rate),
        cuts: before.cuts + 1,
        adjusted_at: now,
        cause,
        ..before.clone()
    }
}

/// Whether the calls of the time since the last report were made.
fn is_used(before: &SharedRate, report: &AnswerReport, now: DateTime<Utc>) -> bool {
    let possible = before.rate * seconds(before.adjusted_at, now);
    report.answers > 0 && f64::from(report.answers) >= possible * USE_MIN
}

/// The rate after this time without congestion.
fn grown(before: &SharedRate, seconds: f64) -> f64 {
    let rate = before.rate;
    match before.refused {
        Some(refused) if rate < refused * RETURN => {
            let a_second = refused * (RETURN - CUT) / RETURN_SECONDS;
            (rate + a_second * seconds).min(refused * RETURN)
        }
        Some(refused) => {
            let above = (rate - refused).max(0.0);
            rate + (refused * PROBE + above * PROBE_ABOVE) * seconds
        }
        None => rate * GROWTH.powf(seconds),
    }
}

/// The seconds that a report covers.
fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64().clamp(0.0, REPORT_SECONDS_MAX)
}

#[cfg(test)]
mod tests;
