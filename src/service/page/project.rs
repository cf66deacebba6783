//! One project as the page shows it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    calls::Calls,
    heat_map::HeatMap,
    history,
    words::{self, Moment},
    work::{self, Backfill, Line},
};
use crate::{
    service::{
        board::{Check, KnownState},
        trend::Sample,
    },
    status::{report::CallsToday, samples, words::outcome as outcome_in_words},
    warehouse::ProjectReport,
};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) stream: String,
    pub(super) labels: Vec<Label>,
    pub(super) newest: Freshness,
    pub(super) oldest: Freshness,
    pub(super) coverage: Coverage,
    pub(super) records: String,
    pub(super) details_due: String,
    /// Such as `12 deleted by the vendor`.
    pub(super) deleted: String,
    pub(super) heat_map: HeatMap,
    pub(super) pending: Vec<Line>,
    pub(super) findings: Vec<Line>,
    pub(super) calls: Calls,
    pub(super) backfills: Vec<Backfill>,
    pub(super) notes: Vec<String>,
}

/// A state of a project beside its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// The class in the style sheet: `good`, `bad` or `plain`.
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// The age of data compared with its promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Freshness {
    /// `None` if no day was read.
    pub(super) at: Option<Moment>,
    /// Whether the promise is kept: `in time` or `late`; empty without a promise.
    pub(super) state: &'static str,
    /// The class in the style sheet.
    pub(super) class: &'static str,
    /// Such as `promised within 10 min`.
    pub(super) promise: String,
    /// The age in percent of the promise, at most 100.
    pub(super) percent: String,
}

/// The days that were read since `sync.since`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) covered: String,
    /// Such as `of 334 days from 2026-01-01 to yesterday`; empty without `sync.since`.
    pub(super) of: String,
    /// Such as `of 334`; empty without `sync.since`.
    pub(super) short: String,
    pub(super) is_complete: bool,
    pub(super) percent: String,
}

/// What the page knows about a project.
pub(super) struct Facts<'f> {
    pub(super) known: &'f KnownState,
    pub(super) report: &'f ProjectReport,
    pub(super) calls: &'f CallsToday,
    pub(super) is_configured: bool,
    pub(super) liveness: &'f [Check],
    pub(super) now: DateTime<Utc>,
}

impl Project {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let Facts { known, report, calls, now, .. } = *facts;
        let name = report.project.as_str();
        let promise = |time| facts.is_configured.then_some(time);
        let days = history::days_of(known, name);
        let samples: Vec<Sample> = known.trends.of(name).copied().collect();
        Self {
            name: name.to_owned(),
            stream: report.stream.clone(),
            labels: labels(facts),
            newest: Freshness::of(report.newest_as_of, promise(known.promises.newest), now),
            oldest: Freshness::of(report.oldest_as_of, promise(known.promises.oldest), now),
            coverage: Coverage::of(report, known.report.since),
            records: words::number(report.records),
            details_due: work::queue(report),
            deleted: format!("{} deleted by the vendor", words::number(report.deleted)),
            heat_map: HeatMap::of(&days),
            pending: work::pending(known, report, calls, &samples, &days, now),
            findings: work::findings(known, report),
            calls: Calls::of(calls, &samples, now),
            backfills: work::backfills(known, name, &days, now),
            notes: notes(facts),
        }
    }
}

fn labels(facts: &Facts<'_>) -> Vec<Label> {
    let Facts { report, is_configured, liveness, .. } = *facts;
    let label = |class, text: &str| Label { class, text: text.to_owned() };
    let mut labels = Vec::new();
    if !is_configured {
        labels.push(label("plain", "not in this configuration"));
    }
    if report.blocked_at.is_some() {
        labels.push(label("bad", "key refused"));
    }
    if report.paused_at.is_some() {
        labels.push(label("plain", "paused"));
    }
    let is_own = |check: &&Check| {
        check.project.as_ref().is_some_and(|project| project.as_str() == report.project)
    };
    match liveness.iter().find(is_own) {
        Some(Check { problem: None, .. }) => labels.push(label("good", "loop is running")),
        Some(Check { problem: Some(_), .. }) => labels.push(label("bad", "loop has stopped")),
        None => {}
    }
    labels
}

impl Freshness {
    /// `promise`: the highest age; `None` if this configuration does not contain the project.
    fn of(at: Option<DateTime<Utc>>, promise: Option<TimeDelta>, now: DateTime<Utc>) -> Self {
        let moment = at.map(|at| Moment::of(at, now));
        let Some(promise) = promise else {
            let (state, class) = ("", "plain");
            let (promise, percent) = ("not promised here".to_owned(), "0.0".to_owned());
            return Self { at: moment, state, class, promise, percent };
        };
        let age = at.map_or(TimeDelta::MAX, |at| now - at);
        let milliseconds = |time: TimeDelta| words::unsigned(time.num_milliseconds());
        let (state, class) = if age <= promise { ("in time", "good") } else { ("late", "bad") };
        Self {
            at: moment,
            state,
            class,
            promise: format!("promised within {}", words::duration(promise)),
            percent: words::percent(milliseconds(age), milliseconds(promise)),
        }
    }
}

impl Coverage {
    /// The class in the style sheet.
    pub(super) fn class(&self) -> &'static str {
        if self.is_complete { "good" } else { "plain" }
    }

    fn of(report: &ProjectReport, since: Option<chrono::NaiveDate>) -> Self {
        let (covered, days) = match since {
            Some(_) => (report.covered_days_since, report.days_since),
            None => (report.covered_days, report.covered_days),
        };
        let of = since
            .map(|since| format!("of {} from {since} to yesterday", words::count(days, "day")));
        let short = since.map(|_| format!("of {}", words::number(days)));
        Self {
            covered: words::number(covered),
            of: of.unwrap_or_default(),
            short: short.unwrap_or_default(),
            is_complete: covered >= days,
            percent: match days {
                0 => "100.0".to_owned(),
                days => words::percent(words::unsigned(covered), words::unsigned(days)),
            },
        }
    }
}

/// Returns facts that need no decision.
fn notes(facts: &Facts<'_>) -> Vec<String> {
    let Facts { known, report, .. } = *facts;
    let mut notes = Vec::new();
    if let Some(error) = &report.open_pass_error {
        let text = format!("A window that is still open last failed with: {error}");
        notes.push(words::sentence(&text));
    }
    if let (Some(outcome @ ("partial" | "in_progress")), Some(reason)) =
        (report.last_outcome.as_deref(), &report.last_run_error)
    {
        let outcome = outcome_in_words(Some(outcome));
        let text = format!("The last run ended {outcome}, the next one continues: {reason}");
        notes.push(words::sentence(&text));
    }
    let sparse = known.report.sparse.iter().filter(|it| it.project() == report.project);
    notes.extend(sparse.map(|sparse| words::sentence(&sparse.as_clause())));
    let of_project = known.report.samples.iter().filter(|it| it.project == report.project);
    notes.extend(of_project.filter_map(samples::bound).map(|bound| words::sentence(&bound)));
    if report.covered_days_before > 0 || report.records_before > 0 {
        let days = words::count(report.covered_days_before, "day");
        let records = words::count(report.records_before, "record");
        notes.push(format!("Before `sync.since`, {days} with {records} are covered."));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::page::fixtures;

    #[test]
    fn a_promise_is_kept_up_to_its_time() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let promise = TimeDelta::minutes(10);
        for (age, state, percent) in [
            (Some(0), "in time", "0.0"),
            (Some(5), "in time", "50.0"),
            (Some(10), "in time", "100.0"),
            (Some(11), "late", "100.0"),
            // A clock is ahead.
            (Some(-5), "in time", "0.0"),
            (None, "late", "100.0"),
        ] {
            let at = age.map(|minutes| now - TimeDelta::minutes(minutes));
            let freshness = Freshness::of(at, Some(promise), now);
            assert_eq!((freshness.state, freshness.percent.as_str()), (state, percent));
            assert_eq!(freshness.promise, "promised within 10 min");
            assert_eq!(Freshness::of(at, None, now).state, "", "not configured");
        }
    }

    #[test]
    fn coverage_counts_the_days_since_the_first_day_of_the_warehouse() {
        let known = fixtures::first_backfill();
        let report = &known.report.projects[0];
        let coverage = Coverage::of(report, known.report.since);
        assert_eq!(coverage.covered, "30");
        assert_eq!(coverage.of, "of 90 days from 2026-09-01 to yesterday");
        assert_eq!((coverage.is_complete, coverage.percent.as_str()), (false, "33.3"));
        let coverage = Coverage::of(report, None);
        assert_eq!((coverage.covered.as_str(), coverage.of.as_str()), ("31", ""));
        assert!(coverage.is_complete);
    }
}
