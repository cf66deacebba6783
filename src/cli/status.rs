//! `status`: how fresh and how complete the warehouse is.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    exit::{ExitStatus, Failed},
    open, print,
};
use crate::{
    config::Config,
    warehouse::{BlockedDay, CallsReport, Outcome, ProjectReport, RunReport, SchemaState},
};

/// How to show it.
#[derive(Debug, clap::Args)]
pub(super) struct StatusOptions {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// The last runs that are shown.
const RUNS: i64 = 5;

/// Blocked days of a project that are told one by one.
const BLOCKED_DAYS: usize = 10;

/// Where everything stands.
struct Standing {
    /// `sync.since`.
    since: Option<chrono::NaiveDate>,
    projects: Vec<ProjectReport>,
    /// In the order of the projects.
    calls: Vec<CallsToday>,
    blocked_days: Vec<BlockedDay>,
    runs: Vec<RunReport>,
}

impl Standing {
    /// Whether a person should look: what is still being read, or will be tried again at the next bell, is not wrong.
    fn is_wrong(&self) -> bool {
        !self.blocked_days.is_empty()
            || self.projects.iter().any(|project| {
                project.blocked_at.is_some()
                    || project.empty_unproven > 0
                    || project.alarms > 0
                    || project.last_outcome.as_deref() == Some(Outcome::Failed.as_str())
            })
    }
}

/// Shows where every project stands.
pub(super) async fn status(config: &Config, options: &StatusOptions) -> Result<ExitStatus, Failed> {
    let opened = open::database(config).await?;
    let reports = async {
        if opened.warehouse.schema_state().await? == SchemaState::Missing {
            return Ok(None);
        }
        let since = config.sync.planner.since;
        let projects = opened.warehouse.project_reports(since).await?;
        let calls = opened.warehouse.calls_reports().await?;
        Ok(Some(Standing {
            since,
            calls: projects.iter().map(|project| calls_today(config, project, &calls)).collect(),
            projects,
            blocked_days: opened.warehouse.blocked_days().await?,
            runs: opened.warehouse.run_reports(RUNS).await?,
        }))
    };
    let reports: Result<_, crate::warehouse::WarehouseError> = reports.await;
    opened.close().await?;
    let Some(standing) = reports? else {
        return Err(Failed::new(
            ExitStatus::Wrong,
            "the database holds no warehouse yet: `argos-sync migrate`, or any run, makes one",
        ));
    };
    if options.json {
        print::data(&as_json(&standing)?);
    } else {
        print::data(&as_text(&standing));
    }
    Ok(if standing.is_wrong() { ExitStatus::Wrong } else { ExitStatus::Done })
}

/// What a project has had of the present UTC day's calls.
#[derive(Serialize)]
struct CallsToday {
    total: u64,
    /// `None`: there is no limit, or the project is not in this configuration.
    limit: Option<u32>,
    by_lane: BTreeMap<&'static str, u64>,
}

fn calls_today(config: &Config, project: &ProjectReport, calls: &[CallsReport]) -> CallsToday {
    let calls = calls.iter().find(|calls| calls.project == project.project);
    let by_lane = calls.map(|calls| calls.calls).unwrap_or_default();
    let configured = config.projects.iter().find(|known| known.name.as_str() == project.project);
    CallsToday {
        total: by_lane.iter().map(|(_, calls)| calls).sum(),
        limit: configured.map(|known| known.budget.calls_per_day).filter(|limit| *limit > 0),
        by_lane: by_lane.iter().map(|(lane, calls)| (lane.as_str(), *calls)).collect(),
    }
}

fn calls_as_text(name: &str, calls: &CallsToday) -> String {
    let limit = calls.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let lanes = calls.by_lane.iter().filter(|(_, calls)| **calls > 0);
    let lanes: Vec<_> = lanes.map(|(lane, calls)| format!("{lane} {calls}")).collect();
    let lanes = if lanes.is_empty() { String::new() } else { format!(": {}", lanes.join(", ")) };
    format!("{name}: {}{limit} calls today{lanes}\n", calls.total)
}

/// What is covered since the day the warehouse reaches back to, and what a backfill or `fetch` asked for besides.
fn coverage_as_text(project: &ProjectReport, since: chrono::NaiveDate) -> String {
    let ProjectReport { project: name, days_since: days, covered_days_since: covered, .. } =
        project;
    let older = match (project.covered_days_before, project.records_before) {
        (0, 0) => String::new(),
        (days, records) => {
            format!("; before that, {days} days are covered, and there are {records} records")
        }
    };
    format!(
        "{name}: {covered} of {days} days from `sync.since` ({since}) to yesterday are covered{older}\n"
    )
}

fn as_text(standing: &Standing) -> String {
    let Standing { since, projects, calls, blocked_days, runs } = standing;
    if projects.is_empty() {
        return "no project was synced yet\n".to_owned();
    }
    let day = |day: Option<chrono::NaiveDate>| day.map_or("-".to_owned(), |day| day.to_string());
    let rows: Vec<_> = projects
        .iter()
        .map(|project| {
            vec![
                project.project.clone(),
                project.stream.clone(),
                project.records.to_string(),
                day(project.covered_from),
                day(project.covered_to),
                project.covered_days.to_string(),
                time(project.newest_as_of),
                project.details_due.to_string(),
                project.quarantined.to_string(),
                project.passes_open.to_string(),
            ]
        })
        .collect();
    let head = [
        "project",
        "stream",
        "records",
        "covered from",
        "to",
        "days",
        "newest as of (UTC)",
        "details due",
        "quarantined",
        "open passes",
    ];
    let mut text = print::table(&head, &rows);
    text.push('\n');
    text.extend(
        projects.iter().zip(calls).map(|(project, calls)| calls_as_text(&project.project, calls)),
    );
    text.extend(projects.iter().filter_map(|project| Some(coverage_as_text(project, (*since)?))));
    for project in projects {
        let name = &project.project;
        let mut tell = |line: std::fmt::Arguments<'_>| {
            let _infallible = writeln!(text, "\n{name} {line}");
        };
        if let Some(reason) = &project.blocked_reason {
            tell(format_args!("is blocked since {}: {reason}", time(project.blocked_at)));
        }
        if project.empty_unproven > 0 {
            tell(format_args!(
                "has {} windows that came back empty, unproven",
                project.empty_unproven
            ));
        }
        if project.alarms > 0 {
            tell(format_args!(
                "misses more records than can be believed, and deletes none of them: see `argos-sync deletions list`"
            ));
        }
        if let Some(error) = &project.last_error {
            tell(format_args!("has an open pass that last failed with: {error}"));
        }
        // What else may have gone wrong is told above.
        if let (Some(outcome @ ("partial" | "failed")), Some(trouble)) =
            (project.last_outcome.as_deref(), &project.last_trouble)
        {
            tell(format_args!(
                "last ended {outcome} at {}: {trouble}",
                time(project.last_ended_at)
            ));
        }
        let days: Vec<_> = blocked_days.iter().filter(|day| day.project == *name).collect();
        for BlockedDay { day, ended_at, error, .. } in days.iter().take(BLOCKED_DAYS) {
            let error = error.as_deref().unwrap_or("no reason was noted");
            tell(format_args!("could not read {day}, given up at {}: {error}", time(*ended_at)));
        }
        if let Some(more) = days.len().checked_sub(BLOCKED_DAYS).filter(|more| *more > 0) {
            tell(format_args!("could not read {more} more days: see status --json"));
        }
    }
    text + "\n" + &runs_as_text(runs)
}

fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or("-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
}

fn runs_as_text(runs: &[RunReport]) -> String {
    let rows: Vec<_> = runs
        .iter()
        .map(|run| {
            vec![
                run.run_id.to_string(),
                run.command.clone(),
                time(Some(run.started_at)),
                in_words(run.outcome.as_deref()).to_owned(),
                run.received.to_string(),
                run.inserted.to_string(),
                run.updated.to_string(),
                run.unchanged.to_string(),
                run.quarantined.to_string(),
                run.duplicate.to_string(),
                run.skipped.to_string(),
            ]
        })
        .collect();
    let head = [
        "run",
        "command",
        "started (UTC)",
        "outcome",
        "received",
        "inserted",
        "updated",
        "unchanged",
        "quarantined",
        "duplicate",
        "skipped",
    ];
    print::table(&head, &rows)
}

/// An outcome as it is kept, in words; none: the run goes on.
fn in_words(outcome: Option<&str>) -> &str {
    match outcome {
        None => "running",
        Some("complete_empty") => "complete and empty",
        Some("empty_unproven") => "empty, unproven",
        Some(word) => word,
    }
}

/// What `--json` prints; a shape of its own, so that reports can change without breaking programs.
#[derive(Serialize)]
struct StatusJson<'a> {
    projects: Vec<ProjectJson<'a>>,
    blocked_days: Vec<BlockedDayJson<'a>>,
    runs: Vec<RunJson<'a>>,
}

#[derive(Serialize)]
struct ProjectJson<'a> {
    project: &'a str,
    stream: &'a str,
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
    quarantined: i64,
    open_passes: i64,
    empty_unproven_windows: i64,
    suspects: i64,
    deletion_alarms: i64,
    blocked_at: Option<DateTime<Utc>>,
    blocked_reason: Option<&'a str>,
    last_error: Option<&'a str>,
    calls_today: &'a CallsToday,
    last_outcome: Option<&'a str>,
    last_ended_at: Option<DateTime<Utc>>,
    last_trouble: Option<&'a str>,
}

#[derive(Serialize)]
struct BlockedDayJson<'a> {
    project: &'a str,
    stream: &'a str,
    day: chrono::NaiveDate,
    ended_at: Option<DateTime<Utc>>,
    error: Option<&'a str>,
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

fn as_json(standing: &Standing) -> Result<String, Failed> {
    let projects = standing
        .projects
        .iter()
        .zip(&standing.calls)
        .map(|(project, calls_today)| ProjectJson {
            project: &project.project,
            stream: &project.stream,
            records: project.records,
            deleted: project.deleted,
            covered_from: project.covered_from,
            covered_to: project.covered_to,
            covered_days: project.covered_days,
            since: standing.since,
            days_since: standing.since.map(|_| project.days_since),
            covered_days_since: standing.since.map(|_| project.covered_days_since),
            covered_days_before_since: standing.since.map(|_| project.covered_days_before),
            records_before_since: standing.since.map(|_| project.records_before),
            oldest_as_of: project.oldest_as_of,
            newest_as_of: project.newest_as_of,
            details_due: project.details_due,
            quarantined: project.quarantined,
            open_passes: project.passes_open,
            empty_unproven_windows: project.empty_unproven,
            suspects: project.suspects,
            deletion_alarms: project.alarms,
            blocked_at: project.blocked_at,
            blocked_reason: project.blocked_reason.as_deref(),
            last_error: project.last_error.as_deref(),
            calls_today,
            last_outcome: project.last_outcome.as_deref(),
            last_ended_at: project.last_ended_at,
            last_trouble: project.last_trouble.as_deref(),
        })
        .collect();
    let blocked_days = standing
        .blocked_days
        .iter()
        .map(|blocked| BlockedDayJson {
            project: &blocked.project,
            stream: &blocked.stream,
            day: blocked.day,
            ended_at: blocked.ended_at,
            error: blocked.error.as_deref(),
        })
        .collect();
    let runs = standing
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
        .collect();
    let mut text = serde_json::to_string_pretty(&StatusJson { projects, blocked_days, runs })
        .map_err(|error| Failed::new(ExitStatus::Fault, format!("no JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}
