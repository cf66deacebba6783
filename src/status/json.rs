//! The output of `status --json`.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    clocks::WrongClock,
    report::{CallsToday, StatusReport},
    samples::SampleJson,
    sparse::{self, Sparse},
};
use crate::warehouse::BackfillReport;

/// The output of `status --json`. It is separate from the reports, so that they can change without
/// breaking programs that read it.
#[derive(Serialize)]
pub(crate) struct StatusJson<'a> {
    projects: Vec<ProjectJson<'a>>,
    blocked_days: Vec<BlockedDayJson<'a>>,
    backfills: Vec<BackfillJson<'a>>,
    verification: Vec<SampleJson<'a>>,
    runs: Vec<RunJson<'a>>,
    wrong_clocks: &'a [WrongClock],
    daemon_seen_at: Option<DateTime<Utc>>,
    /// The projects whose newest data are older than `--max-age`.
    too_old: &'a [String],
}

#[derive(Serialize)]
struct ProjectJson<'a> {
    project: &'a str,
    stream: &'a str,
    /// Whether this configuration contains the project.
    configured: bool,
    records: i64,
    deleted: i64,
    covered_from: Option<chrono::NaiveDate>,
    covered_to: Option<chrono::NaiveDate>,
    covered_days: i64,
    since: Option<chrono::NaiveDate>,
    days_since: Option<i64>,
    covered_days_since: Option<i64>,
    covered_days_before_since: Option<i64>,
    records_before_since: Option<i64>,
    oldest_as_of: Option<DateTime<Utc>>,
    newest_as_of: Option<DateTime<Utc>>,
    details_due: i64,
    /// `details_due` is an estimate.
    details_due_estimated: bool,
    quarantined: i64,
    open_passes: i64,
    empty_unverified_windows: i64,
    suspects: i64,
    deletion_alarms: i64,
    drift_paths: i64,
    claims: i64,
    paused_at: Option<DateTime<Utc>>,
    blocked_at: Option<DateTime<Utc>>,
    blocked_reason: Option<&'a str>,
    open_pass_error: Option<&'a str>,
    calls_today: &'a CallsToday,
    last_outcome: Option<&'a str>,
    last_ended_at: Option<DateTime<Utc>>,
    last_run_error: Option<&'a str>,
    sparse: sparse::SparseJson,
}

#[derive(Serialize)]
struct BlockedDayJson<'a> {
    project: &'a str,
    stream: &'a str,
    day: chrono::NaiveDate,
    ended_at: Option<DateTime<Utc>>,
    error: Option<&'a str>,
}

/// An unfinished backfill. `to` is the last day.
#[derive(Serialize)]
struct BackfillJson<'a> {
    project: &'a str,
    stream: &'a str,
    from: chrono::NaiveDate,
    to: chrono::NaiveDate,
    requested_at: DateTime<Utc>,
    windows_left: i64,
}

#[derive(Serialize)]
struct RunJson<'a> {
    run: i64,
    command: &'a str,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    outcome: Option<&'a str>,
    received: i64,
    inserted: i64,
    updated: i64,
    unchanged: i64,
    quarantined: i64,
    duplicate: i64,
    skipped: i64,
}

pub(crate) fn as_json(report: &StatusReport) -> StatusJson<'_> {
    let projects = report
        .projects
        .iter()
        .zip(&report.calls)
        .zip(&report.configured)
        .map(|((project, calls_today), configured)| ProjectJson {
            project: &project.project,
            stream: &project.stream,
            configured: *configured,
            records: project.records,
            deleted: project.deleted,
            covered_from: project.covered_from,
            covered_to: project.covered_to,
            covered_days: project.covered_days,
            since: report.since,
            days_since: report.since.map(|_| project.days_since),
            covered_days_since: report.since.map(|_| project.covered_days_since),
            covered_days_before_since: report.since.map(|_| project.covered_days_before),
            records_before_since: report.since.map(|_| project.records_before),
            oldest_as_of: project.oldest_as_of,
            newest_as_of: project.newest_as_of,
            details_due: project.details_due,
            details_due_estimated: project.is_details_due_estimated,
            quarantined: project.quarantined,
            open_passes: project.passes_open,
            empty_unverified_windows: project.empty_unverified,
            suspects: project.suspects,
            deletion_alarms: project.alarms,
            drift_paths: project.drift_paths,
            claims: project.claims,
            paused_at: project.paused_at,
            blocked_at: project.blocked_at,
            blocked_reason: project.blocked_reason.as_deref(),
            open_pass_error: project.open_pass_error.as_deref(),
            calls_today,
            last_outcome: project.last_outcome.as_deref(),
            last_ended_at: project.last_ended_at,
            last_run_error: project.last_run_error.as_deref(),
            sparse: report
                .sparse
                .iter()
                .find(|sparse| sparse.project() == project.project)
                .map_or_else(sparse::SparseJson::default, Sparse::as_json),
        })
        .collect();
    let blocked_days = blocked_days(report);
    let runs = runs(report);
    let verification = report.samples.iter().map(SampleJson::of).collect();
    StatusJson {
        projects,
        blocked_days,
        backfills: report.backfills.iter().map(BackfillJson::of).collect(),
        verification,
        runs,
        wrong_clocks: &report.wrong_clocks,
        daemon_seen_at: report.daemon_seen_at,
        too_old: &report.too_old,
    }
}

fn blocked_days(report: &StatusReport) -> Vec<BlockedDayJson<'_>> {
    report
        .blocked_days
        .iter()
        .map(|blocked| BlockedDayJson {
            project: &blocked.project,
            stream: &blocked.stream,
            day: blocked.day,
            ended_at: blocked.ended_at,
            error: blocked.error.as_deref(),
        })
        .collect()
}

impl<'a> BackfillJson<'a> {
    fn of(backfill: &'a BackfillReport) -> Self {
        Self {
            project: &backfill.project,
            stream: &backfill.stream,
            from: backfill.days.from(),
            to: backfill.days.last(),
            requested_at: backfill.requested_at,
            windows_left: backfill.windows_left,
        }
    }
}

fn runs(report: &StatusReport) -> Vec<RunJson<'_>> {
    report
        .runs
        .iter()
        .map(|run| RunJson {
            run: run.run_id,
            command: &run.command,
            started_at: run.started_at,
            ended_at: run.ended_at,
            outcome: run.outcome.as_deref(),
            received: run.received,
            inserted: run.inserted,
            updated: run.updated,
            unchanged: run.unchanged,
            quarantined: run.quarantined,
            duplicate: run.duplicate,
            skipped: run.skipped,
        })
        .collect()
}
