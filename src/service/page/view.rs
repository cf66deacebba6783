//! The whole page as a value.

use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    heat_map::Cell,
    project::{self, Project},
    warnings::{self, Severity, Warning},
    words::{self, Moment},
};
use crate::{
    service::board::{Check, KnownState, Outage},
    status::words::{outcome, run_counts},
    warehouse::RunReport,
};

/// What the page knows.
pub(super) struct Facts<'f> {
    pub(super) known: Option<&'f KnownState>,
    pub(super) outage: Option<&'f Outage>,
    pub(super) liveness: &'f [Check],
    /// The age of the state.
    pub(super) age: TimeDelta,
    /// Whether the browser reloads the page.
    pub(super) reloads: bool,
}

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "page.html")]
pub(super) struct Page {
    title: String,
    verdict: Verdict,
    warnings: Vec<Warning>,
    reloads: bool,
    reload_seconds: u32,
    state: Option<State>,
    version: &'static str,
}

/// The state of the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    read_at: Moment,
    /// PostgreSQL does not answer: the state is the last known one.
    is_old: bool,
    projects: Vec<Project>,
    runs: Vec<Run>,
    daemon_seen_at: Option<Moment>,
}

/// The conclusion in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    /// The class in the style sheet: `good`, `busy`, `notice`, `warning` or `error`.
    class: &'static str,
    headline: String,
    text: String,
}

/// A run of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    number: i64,
    command: String,
    started_at: Moment,
    /// How long it took; empty while it runs.
    took: String,
    outcome: String,
    /// The class in the style sheet: `good`, `bad` or `plain`.
    class: &'static str,
    counts: String,
}

impl Page {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let now = facts.known.map_or(DateTime::UNIX_EPOCH, |known| known.read_at + facts.age);
        let warnings = warnings::all(facts.known, facts.outage, facts.liveness, now);
        let state = facts.known.map(|known| State::of(known, facts));
        let verdict = Verdict::of(facts, &warnings);
        Self {
            title: format!("{} – argos-sync", verdict.headline),
            verdict,
            warnings,
            reloads: facts.reloads,
            reload_seconds: super::RELOAD_SECONDS,
            state,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl State {
    fn of(known: &KnownState, facts: &Facts<'_>) -> Self {
        let now = known.read_at + facts.age;
        let report = &known.report;
        let projects = report.projects.iter().zip(&report.calls).zip(&report.configured);
        let projects = projects.map(|((report, calls), is_configured)| {
            Project::of(&project::Facts {
                known,
                report,
                calls,
                is_configured: *is_configured,
                liveness: facts.liveness,
                now,
            })
        });
        Self {
            read_at: Moment::of(known.read_at, now),
            is_old: facts.outage.is_some(),
            projects: projects.collect(),
            runs: report.runs.iter().map(|run| Run::of(run, now)).collect(),
            daemon_seen_at: report.daemon_seen_at.map(|at| Moment::of(at, now)),
        }
    }
}

impl Verdict {
    fn of(facts: &Facts<'_>, warnings: &[Warning]) -> Self {
        let verdict = |class, headline: &str, text: String| Self {
            class,
            headline: headline.to_owned(),
            text,
        };
        let worst = warnings.iter().map(|warning| warning.severity).min();
        let all = i64::try_from(warnings.len()).unwrap_or(i64::MAX);
        let found = words::count(all, "warning");
        match (facts.known, facts.outage, worst) {
            (None, Some(_), _) => verdict(
                "error",
                "PostgreSQL does not answer",
                "No state was read since the start of the daemon.".to_owned(),
            ),
            (None, None, _) => verdict(
                "busy",
                "Starting",
                "The state of the warehouse is not known yet. It is read once PostgreSQL answers."
                    .to_owned(),
            ),
            (Some(_), Some(_), _) => {
                let age = words::duration(facts.age);
                let text = format!("This is the last known state; it is {age} old.");
                verdict("error", "PostgreSQL does not answer", text)
            }
            (Some(_), None, Some(Severity::Error)) => {
                verdict("error", "An operator must act", format!("{found}, the most severe first."))
            }
            (Some(_), None, Some(Severity::Warning)) => {
                verdict("warning", "Needs attention", format!("{found}, the most severe first."))
            }
            (Some(known), None, Some(Severity::Notice)) => {
                let count = words::count(all, "notice");
                verdict("notice", "Nothing is urgent", format!("{count}. {}", progress(known)))
            }
            (Some(known), None, None) => match pending(known) {
                (0, 0) if known.report.projects.is_empty() => {
                    verdict("busy", "No project has been synced yet", String::new())
                }
                (0, 0) => verdict("good", "All is well", progress(known)),
                _ => verdict("busy", "Nothing waits for an operator", progress(known)),
            },
        }
    }
}

/// The days since `sync.since` that are not read yet and the due detail calls, of all configured
/// projects.
fn pending(known: &KnownState) -> (i64, i64) {
    known.report.configured_projects().fold((0, 0), |(days, details), (project, _)| {
        (days + project.unread_days().max(0), details + project.details_due)
    })
}

/// The pending work in one sentence.
fn progress(known: &KnownState) -> String {
    let (days, details) = pending(known);
    let days = (days > 0).then(|| words::count(days, "day") + " not read yet");
    let details = (details > 0).then(|| words::count(details, "detail call") + " due");
    let parts: Vec<_> = [days, details].into_iter().flatten().collect();
    if parts.is_empty() {
        "Every day is read, and no detail call is due.".to_owned()
    } else {
        format!("{}.", parts.join(", "))
    }
}

impl Run {
    fn of(run: &RunReport, now: DateTime<Utc>) -> Self {
        let counts =
            run_counts(run).map(|(what, count)| format!("{} {what}", words::number(count)));
        let counts: Vec<_> = counts.collect();
        let took = run.ended_at.map(|ended_at| words::duration(ended_at - run.started_at));
        Self {
            number: run.run_id,
            command: run.command.clone(),
            started_at: Moment::of(run.started_at, now),
            took: took.unwrap_or_default(),
            outcome: outcome(run.outcome.as_deref()).to_owned(),
            class: match run.outcome.as_deref() {
                Some("complete" | "complete_empty") => "good",
                Some("failed" | "blocked" | "empty_unverified") => "bad",
                _ => "plain",
            },
            counts: counts.join(", "),
        }
    }
}
