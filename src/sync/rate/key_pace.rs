//! The pace of a key in this process: gathers what the answers show about the vendor's limits, and
//! applies it when the next calls are taken.

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tokio::time::Instant;

use crate::{
    client::{self, Admission, AttemptOutcome},
    domain::{ByCall, Call, CallRate, GrantedRate, KeyId, Lane, Pace, ProjectName, SharedRate},
    planner::{self, AnswerReport, Budget, Latencies},
    sync::settings::ProjectSettings,
    warehouse::{BlockDecision, StoredRate, Warehouse, WarehouseError},
};

/// Two calls that fail with 503 or a timeout within this time show congestion. One may be due to
/// its record.
const COINCIDENCE: Duration = Duration::from_mins(1);

/// Calls in flight, as a multiple of those that the vendor needs at the current rate and the usual
/// latency. The reserve is for slow answers; the limit keeps a slow vendor's queue short.
const IN_FLIGHT: u128 = 3;
/// Calls in flight while no latency is known, and at least.
const IN_FLIGHT_FIRST: usize = 8;
const IN_FLIGHT_MIN: usize = 4;

/// Most calls of a block. Limits the calls that a crash loses.
const BLOCK_MAX: u32 = 250;
/// A block also holds at most the calls of this part of a second. Limits the time that others wait,
/// and the calls that are still made at the old rate after a cut.
const BLOCKS_A_SECOND: u32 = 4;

/// The pace of a key.
#[derive(Debug)]
pub(in crate::sync) struct KeyPace {
    /// The project whose calls are paced here.
    pub(super) project: ProjectName,
    pace: Pace,
    in_flight_max: usize,
    api_key: SecretString,
    /// Identifies the key in tables, once the database's secret is known.
    key_id: OnceLock<KeyId>,
    feedback: Mutex<Feedback>,
}

/// What the answers of this process show.
#[derive(Debug, Default)]
struct Feedback {
    report: AnswerReport,
    latencies: ByCall<Latencies>,
    /// When a call last failed with 503 or a timeout.
    failed_at: Option<Instant>,
    paused_until: Option<Instant>,
    /// The time between two calls when calls were last taken; zero without a limit.
    interval: Duration,
    /// The last latency of detail calls.
    latency: Option<Duration>,
}

/// The feedback that accompanies a request for calls.
#[derive(Debug)]
pub(super) struct TakenFeedback {
    pub(super) report: AnswerReport,
    paused_until: Option<Instant>,
}

impl TakenFeedback {
    /// The time that the vendor asked to wait, counted from now.
    pub(super) fn pause(&self, now: Instant) -> Option<TimeDelta> {
        let left = self.paused_until?.saturating_duration_since(now);
        TimeDelta::from_std(left).ok().filter(|left| !left.is_zero())
    }
}

impl KeyPace {
    pub(in crate::sync) fn new(settings: &ProjectSettings) -> Self {
        Self {
            project: settings.name.clone(),
            pace: settings.pace,
            in_flight_max: settings.calls_in_flight_max,
            api_key: settings.client.api_key.clone(),
            key_id: OnceLock::new(),
            feedback: Mutex::default(),
        }
    }

    /// How many detail calls should be in flight at a time.
    pub(in crate::sync) fn in_flight(&self) -> usize {
        let feedback = self.feedback();
        let wanted = match feedback.latency {
            None => IN_FLIGHT_FIRST,
            Some(_) if feedback.interval.is_zero() => self.in_flight_max,
            Some(latency) => {
                let wanted =
                    (IN_FLIGHT * latency.as_nanos()).div_ceil(feedback.interval.as_nanos());
                usize::try_from(wanted).unwrap_or(usize::MAX)
            }
        };
        wanted.max(IN_FLIGHT_MIN).min(self.in_flight_max)
    }

    /// Returns the key's id in tables, derived from the database's secret.
    pub(in crate::sync) fn key_under(&self, secret: &SecretSlice<u8>) -> &KeyId {
        self.key_id.get_or_init(|| client::key_id(&self.api_key, secret.expose_secret()))
    }

    /// Returns the key's id in tables. Reads the database's secret at first.
    pub(super) async fn key(&self, warehouse: &Warehouse) -> Result<&KeyId, WarehouseError> {
        match self.key_id.get() {
            Some(known) => Ok(known),
            None => Ok(self.key_under(&warehouse.key_secret().await?)),
        }
    }

    /// Records the outcome of an attempt.
    pub(super) fn note(
        &self,
        admission: &Admission,
        outcome: AttemptOutcome,
        wait: Option<Duration>,
        now: Instant,
    ) {
        let mut feedback = self.feedback();
        if let Some(wait) = wait {
            feedback.paused_until = feedback.paused_until.max(Some(now + wait));
        }
        let granted = admission.granted;
        match outcome {
            AttemptOutcome::Answered { call, latency } => {
                feedback.report.answers = feedback.report.answers.saturating_add(1);
                newest(&mut feedback.report.answered, granted);
                if let Some(latency) = latency {
                    feedback.latencies[call].add(latency);
                }
            }
            AttemptOutcome::Refused => newest(&mut feedback.report.refused, granted),
            AttemptOutcome::Unavailable => {
                if feedback.fails_again(now) {
                    newest(&mut feedback.report.refused, granted);
                }
            }
            AttemptOutcome::TimedOut => {
                if feedback.fails_again(now) {
                    newest(&mut feedback.report.timed_out, granted);
                }
            }
            AttemptOutcome::Other => {}
        }
    }

    /// Takes the feedback recorded since the last time.
    pub(super) fn take(&self) -> TakenFeedback {
        let mut feedback = self.feedback();
        let mut report = std::mem::take(&mut feedback.report);
        for call in [Call::List, Call::Detail] {
            report.latencies[call] = feedback.latencies[call].take();
        }
        let latency = report.latencies[Call::Detail]
            .map(|latencies| Duration::from_secs_f64(latencies.typical()));
        feedback.latency = latency.or(feedback.latency);
        TakenFeedback { report, paused_until: feedback.paused_until.take() }
    }

    /// Records taken feedback again that could not be stored.
    pub(super) fn put_back(&self, taken: &TakenFeedback) {
        let TakenFeedback { report, paused_until } = *taken;
        let mut feedback = self.feedback();
        feedback.paused_until = feedback.paused_until.max(paused_until);
        feedback.report.answers = feedback.report.answers.saturating_add(report.answers);
        let noted = &mut feedback.report;
        for (grant, older) in [
            (&mut noted.refused, report.refused),
            (&mut noted.timed_out, report.timed_out),
            (&mut noted.answered, report.answered),
        ] {
            if let Some(older) = older {
                newest(grant, older);
            }
        }
    }

    /// Decides how many of the `wanted` calls a lane gets, and at which pace.
    pub(super) fn decide(
        &self,
        budget: &Budget,
        (lane, wanted): (Lane, u32),
        report: &AnswerReport,
        stored: &StoredRate<'_>,
    ) -> BlockDecision {
        let StoredRate { shared, spending, now } = *stored;
        let (rate, shared) = match self.pace {
            Pace::Fixed(rate) => (rate, None),
            Pace::Adaptive(bounds) => {
                let shared = shared.map_or_else(
                    || SharedRate::new(&bounds, now),
                    |shared| planner::adjust(shared, report, &bounds, now),
                );
                (CallRate::per_second(shared.rate), Some(shared))
            }
        };
        let interval = rate.interval();
        self.feedback().interval = interval;
        let calls_max = rate.calls_a_second().map(|calls| (calls / BLOCKS_A_SECOND).max(1));
        let calls_max = calls_max.map_or(BLOCK_MAX, |calls| calls.min(BLOCK_MAX));
        BlockDecision {
            grant: budget.grant(spending, lane, wanted.min(calls_max)),
            interval: TimeDelta::from_std(interval).unwrap_or_default(),
            shared,
        }
    }

    fn feedback(&self) -> MutexGuard<'_, Feedback> {
        self.feedback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feedback {
    /// Notes a failure that may be due to one record. Returns whether another call failed before.
    fn fails_again(&mut self, now: Instant) -> bool {
        let before = self.failed_at.replace(now);
        before.is_some_and(|before| now.saturating_duration_since(before) < COINCIDENCE)
    }
}

fn newest(grant: &mut Option<GrantedRate>, other: GrantedRate) {
    if grant.is_none_or(|grant| (grant.cuts, grant.at) < (other.cuts, other.at)) {
        *grant = Some(other);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::domain::{RateBounds, ReadNumber, Spending};

    const SECOND: Duration = Duration::from_secs(1);

    fn key_pace(pace: Pace) -> KeyPace {
        KeyPace {
            project: "main".parse().unwrap(),
            pace,
            in_flight_max: 64,
            api_key: "key".into(),
            key_id: OnceLock::new(),
            feedback: Mutex::default(),
        }
    }

    fn adaptive() -> KeyPace {
        key_pace(Pace::Adaptive(RateBounds { start: 5.0, max: 50.0 }))
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn granted(second: i64) -> GrantedRate {
        GrantedRate { at: at(second), rate: 10.0, cuts: 0 }
    }

    fn admission(second: i64) -> Admission {
        Admission { read: ReadNumber(1), granted: granted(second) }
    }

    #[test]
    fn one_record_that_cannot_be_served_is_no_congestion() {
        use AttemptOutcome::{Other, Refused, TimedOut, Unavailable};
        for (outcomes, refused, timed_out) in [
            (&[Refused] as &[_], true, false),
            (&[Unavailable], false, false),
            (&[TimedOut], false, false),
            (&[Other, Other, Other], false, false),
            (&[Unavailable, Unavailable], true, false),
            (&[TimedOut, Unavailable], true, false),
            (&[Unavailable, TimedOut], false, true),
        ] {
            let (pace, now) = (adaptive(), Instant::now());
            for outcome in outcomes {
                pace.note(&admission(1), *outcome, None, now);
            }
            let report = pace.take().report;
            let found = (report.refused.is_some(), report.timed_out.is_some());
            assert_eq!(found, (refused, timed_out), "{outcomes:?}");
        }
        let (pace, now) = (adaptive(), Instant::now());
        pace.note(&admission(1), Unavailable, None, now);
        pace.note(&admission(1), Unavailable, None, now + 61 * SECOND);
        assert_eq!(pace.take().report.refused, None, "long after another one");
    }

    #[test]
    fn a_report_names_the_newest_grants_and_is_taken_once() {
        let (pace, now) = (adaptive(), Instant::now());
        let answered = AttemptOutcome::Answered { call: Call::Detail, latency: Some(SECOND) };
        for second in [2, 3, 1] {
            pace.note(&admission(second), answered, None, now);
            pace.note(&admission(second), AttemptOutcome::Refused, None, now);
        }
        let report = pace.take().report;
        assert_eq!((report.answered, report.refused), (Some(granted(3)), Some(granted(3))));
        assert_eq!((report.answers, report.latencies[Call::Detail]), (3, None));
        assert_eq!(pace.take().report, AnswerReport::default());
        // Latencies wait until they are enough to tell one.
        for _ in 0..7 {
            pace.note(&admission(4), answered, None, now);
        }
        let latencies = pace.take().report.latencies[Call::Detail].unwrap();
        assert!((latencies.typical() - 1.0).abs() < 1e-9, "{latencies:?}");
    }

    #[test]
    fn the_longest_pause_that_the_vendor_asked_for_counts() {
        let (pace, now) = (adaptive(), Instant::now());
        assert_eq!(pace.take().pause(now), None);
        for seconds in [3, 30, 10] {
            pace.note(&admission(1), AttemptOutcome::Refused, Some(seconds * SECOND), now);
        }
        let taken = pace.take();
        assert_eq!(taken.pause(now + 10 * SECOND), Some(TimeDelta::seconds(20)));
        assert_eq!(taken.pause(now + 31 * SECOND), None);
        assert_eq!(pace.take().pause(now), None, "stored once");
    }

    #[test]
    fn the_calls_in_flight_follow_from_rate_and_latency() {
        let pace = adaptive();
        assert_eq!(pace.in_flight(), 8);
        for (rate, latency_milliseconds, in_flight) in
            [(5.0, 80, 4), (50.0, 80, 12), (50.0, 400, 60), (50.0, 5000, 64), (0.0, 80, 64)]
        {
            let pace = key_pace(Pace::Fixed(CallRate::per_second(rate)));
            let latency = Some(Duration::from_millis(latency_milliseconds));
            let answered = AttemptOutcome::Answered { call: Call::Detail, latency };
            for _ in 0..10 {
                pace.note(&admission(1), answered, None, Instant::now());
            }
            let report = pace.take().report;
            let stored = StoredRate { shared: None, spending: &Spending::default(), now: at(0) };
            let budget = Budget { calls_per_day: 0, shares: crate::domain::ByLane::default() };
            let decision = pace.decide(&budget, (Lane::Detail, 100), &report, &stored);
            assert_eq!(decision.shared, None, "a fixed rate");
            assert_eq!(pace.in_flight(), in_flight, "{rate} {latency_milliseconds}");
        }
    }

    #[test]
    fn a_block_holds_the_calls_of_a_quarter_of_a_second_and_at_least_one() {
        let budget = Budget { calls_per_day: 0, shares: crate::domain::ByLane::default() };
        let stored = StoredRate { shared: None, spending: &Spending::default(), now: at(0) };
        for (pace, calls, milliseconds) in [
            (adaptive(), 1, 200),
            (key_pace(Pace::Fixed(CallRate::per_second(50.0))), 12, 20),
            (key_pace(Pace::Fixed(CallRate::per_second(0.4))), 1, 2500),
            (key_pace(Pace::Fixed(CallRate::per_second(100_000.0))), 250, 0),
            (key_pace(Pace::Fixed(CallRate::per_second(0.0))), 250, 0),
        ] {
            let decision =
                pace.decide(&budget, (Lane::Recent, 1000), &AnswerReport::default(), &stored);
            assert_eq!(decision.grant.calls, calls);
            assert_eq!(decision.interval.num_milliseconds(), milliseconds);
        }
    }
}
