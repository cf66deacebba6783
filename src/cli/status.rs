//! `status`: shows the freshness and completeness of the warehouse.

use super::{
    exit::{ExitStatus, Failed},
    open, print,
};
use crate::{
    config::Config,
    status::{
        clocks,
        json::as_json,
        report::{CallsToday, StatusReport},
        samples::sample_as_text,
        sparse::{Schedules, Sparse},
        words,
    },
    warehouse::{
        BackfillReport, BlockedDay, ProjectReport, RunReport, SchemaState, WarehouseError,
    },
};
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct StatusOptions {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 if the newest data of a project are older than this, such as 30m, 2h or 1d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    max_age: Option<TimeDelta>,
}

/// Parses a duration: a number with the unit s, m, h or d.
fn age(text: &str) -> Result<TimeDelta, String> {
    let wrong = || "expected a number and a unit: 90s, 30m, 2h or 1d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok());
    let number = i64::from(number.ok_or_else(wrong)?);
    match unit {
        's' => Ok(TimeDelta::seconds(number)),
        'm' => Ok(TimeDelta::minutes(number)),
        'h' => Ok(TimeDelta::hours(number)),
        'd' => Ok(TimeDelta::days(number)),
        _ => Err(wrong()),
    }
}

/// Advice about a project of the warehouse that this configuration does not contain.
pub(super) const UNCONFIGURED_ADVICE: &str = "its rows are not updated, unless another \
     configuration contains it; see `argos-sync project --help`";

/// Most blocked days of a project that are shown one by one.
const BLOCKED_DAYS: usize = 10;

/// Prints the state of the warehouse. Returns `Wrong` if an operator must act. Fails with `Wrong`
/// if there is no warehouse.
pub(super) async fn status(config: &Config, options: &StatusOptions) -> Result<ExitStatus, Failed> {
    let opened = open::database(config).await?;
    let report = async {
        match opened.warehouse.schema_state().await? {
            SchemaState::Missing => return Ok(None),
            SchemaState::Unreleased => return Err(WarehouseError::UnreleasedSchema),
            SchemaState::Older(_) | SchemaState::Current | SchemaState::Newer => {}
        }
        let read =
            StatusReport::read(&opened.warehouse, config, options.max_age, Schedules::Computed);
        read.await.map(Some)
    };
    let report: Result<_, WarehouseError> = report.await;
    opened.close().await?;
    let Some(report) = report? else {
        return Err(Failed::new(
            ExitStatus::Wrong,
            "the database has no warehouse yet: `argos-sync migrate` or any run creates one",
        ));
    };
    if options.json {
        print::document(&as_json(&report))?;
    } else {
        print::stdout(&as_text(&report));
    }
    Ok(if report.is_wrong() { ExitStatus::Wrong } else { ExitStatus::Done })
}

fn calls_as_text(name: &str, calls: &CallsToday) -> String {
    let limit = calls.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let lanes = calls.by_lane.iter().filter(|(_, calls)| **calls > 0);
    let lanes: Vec<_> = lanes.map(|(lane, calls)| format!("{lane} {calls}")).collect();
    let lanes = if lanes.is_empty() { String::new() } else { format!(": {}", lanes.join(", ")) };
    format!("{name}: {}{limit} calls today{lanes}\n", calls.total)
}

/// Returns a line about the covered days since `sync.since`, and about earlier ones that a backfill
/// or `fetch` has read.
fn coverage_as_text(project: &ProjectReport, since: chrono::NaiveDate) -> String {
    let ProjectReport { project: name, days_since: days, covered_days_since: covered, .. } =
        project;
    let older = match (project.covered_days_before, project.records_before) {
        (0, 0) => String::new(),
        (days, records) => {
            format!("; before that, {days} days with {records} records are covered")
        }
    };
    format!(
        "{name}: {covered} of {days} days from `sync.since` ({since}) to yesterday are \
         covered{older}\n"
    )
}

/// Returns one row for each project, for a terminal of 80 columns.
fn projects_as_text(projects: &[ProjectReport]) -> String {
    let rows: Vec<_> = projects
        .iter()
        .map(|project| {
            vec![
                project.project.clone(),
                project.stream.clone(),
                project.records.to_string(),
                project.covered_days.to_string(),
                time(project.newest_as_of),
                queue(project.details_due, project.is_details_due_estimated),
                project.quarantined.to_string(),
                project.passes_open.to_string(),
            ]
        })
        .collect();
    let head = [
        "project",
        "stream",
        "records",
        "days",
        "newest as of (UTC)",
        "due",
        "quarantined",
        "open",
    ];
    print::table(&head, &rows)
}

/// Returns the length of a queue; `~` marks an estimate.
fn queue(length: i64, is_estimated: bool) -> String {
    let mark = if is_estimated { "~" } else { "" };
    format!("{mark}{length}")
}

/// Returns a line with the first and the last covered day.
fn days_as_text(project: &ProjectReport) -> String {
    match (project.covered_from, project.covered_to) {
        (Some(from), Some(to)) => format!("{}: days from {from} to {to}\n", project.project),
        _ => format!("{}: no day is covered yet\n", project.project),
    }
}

fn as_text(report: &StatusReport) -> String {
    let StatusReport {
        since,
        projects,
        calls,
        configured,
        blocked_days,
        backfills,
        samples,
        runs,
        wrong_clocks,
        sparse,
        daemon_seen_at,
        too_old,
    } = report;
    if projects.is_empty() {
        return "no project has been synced yet\n".to_owned();
    }
    let mut text = projects_as_text(projects);
    text.push('\n');
    text.extend(projects.iter().map(days_as_text));
    text.extend(
        projects.iter().zip(calls).map(|(project, calls)| calls_as_text(&project.project, calls)),
    );
    let rates = projects.iter().zip(calls).filter_map(|(project, calls)| {
        calls.rate.as_ref().map(|rate| rate.as_text(&project.project))
    });
    text.extend(rates);
    text.extend(sparse.iter().map(Sparse::as_text));
    if let Some(since) = since {
        text.push('\n');
        text.extend(projects.iter().map(|project| coverage_as_text(project, *since)));
    }
    for (project, is_configured) in projects.iter().zip(configured) {
        text.push_str(&notes_as_text(project, *is_configured, blocked_days));
    }
    text.extend(backfills.iter().map(backfill_as_text));
    for project in too_old {
        let _infallible = writeln!(
            text,
            "\n{project} has data older than --max-age: check that the daemon is running, and read \
             its log"
        );
    }
    text.extend(samples.iter().map(sample_as_text));
    for clock in wrong_clocks {
        let _infallible = writeln!(text, "\n{}; {}", clock.text, clocks::ADVICE);
    }
    let _infallible = match daemon_seen_at {
        Some(_) => writeln!(text, "\nthe daemon was last active at {} UTC", time(*daemon_seen_at)),
        None => writeln!(text, "\nno daemon has run"),
    };
    text + "\n" + &runs_as_text(runs)
}

/// Returns notes about a project for the operator, one line each.
fn notes_as_text(
    project: &ProjectReport,
    is_configured: bool,
    blocked_days: &[BlockedDay],
) -> String {
    let mut text = String::new();
    let name = &project.project;
    let mut tell = |line: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "\n{name} {line}");
    };
    if !is_configured {
        let ended = last_run(project.last_ended_at);
        tell(format_args!("is not in this configuration; {ended}: {UNCONFIGURED_ADVICE}"));
    }
    if project.paused_at.is_some() {
        let since = time(project.paused_at);
        tell(format_args!("is paused since {since} UTC: `argos-sync resume {name}` continues"));
    }
    if let Some(reason) = &project.blocked_reason {
        tell(format_args!("is blocked since {}: {reason}", time(project.blocked_at)));
    }
    if project.empty_unverified > 0 {
        tell(format_args!(
            "has {} empty, unverified windows: {}",
            project.empty_unverified,
            words::empty_reason(project)
        ));
    }
    if project.alarms > 0 {
        tell(format_args!(
            "misses implausibly many records and deletes none of them: see `argos-sync deletions \
             list`"
        ));
    }
    if let Some(error) = &project.open_pass_error {
        tell(format_args!("has an open pass that last failed with: {error}"));
    }
    // The notes above cover other problems.
    if let (Some(outcome @ ("partial" | "failed" | "in_progress")), Some(reason)) =
        (project.last_outcome.as_deref(), &project.last_run_error)
    {
        let outcome = words::outcome(Some(outcome));
        tell(format_args!("last ended {outcome} at {}: {reason}", time(project.last_ended_at)));
    }
    let days: Vec<_> = blocked_days.iter().filter(|day| day.project == *name).collect();
    for BlockedDay { day, ended_at, error, .. } in days.iter().take(BLOCKED_DAYS) {
        let error = error.as_deref().unwrap_or("no reason was recorded");
        tell(format_args!("could not read {day}, abandoned at {}: {error}", time(*ended_at)));
    }
    if let Some(more) = days.len().checked_sub(BLOCKED_DAYS).filter(|more| *more > 0) {
        tell(format_args!("could not read {more} more days: see status --json"));
    }
    text
}

/// Returns a line about an unfinished backfill.
fn backfill_as_text(backfill: &BackfillReport) -> String {
    let BackfillReport { project, days, requested_at, windows_left, .. } = backfill;
    format!(
        "\n{project} has an unfinished backfill of {days}, requested at {} UTC: {windows_left} \
         windows are left; a daemon continues it, and `run --backfill {days} --cancel` drops it\n",
        time(Some(*requested_at)),
    )
}

fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or("-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
}

/// Returns two lines for each run, for a terminal of 80 columns: its outcome, and its counts above
/// zero.
fn runs_as_text(runs: &[RunReport]) -> String {
    let rows: Vec<_> = runs
        .iter()
        .map(|run| {
            vec![
                run.run_id.to_string(),
                time(Some(run.started_at)),
                words::outcome(run.outcome.as_deref()).to_owned(),
                run.command.clone(),
            ]
        })
        .collect();
    let table = print::table(&["run", "started (UTC)", "outcome", "command"], &rows);
    let counts = [String::new()].into_iter().chain(runs.iter().map(counts_as_text));
    table.lines().zip(counts).flat_map(|(row, counts)| [row.to_owned() + "\n", counts]).collect()
}

fn counts_as_text(run: &RunReport) -> String {
    let counts = words::run_counts(run).map(|(what, count)| format!("{count} {what}"));
    let counts: Vec<_> = counts.collect();
    if counts.is_empty() { String::new() } else { format!("     {}\n", counts.join(", ")) }
}

/// Returns a clause about the end of a project's last run.
pub(super) fn last_run(ended_at: Option<DateTime<Utc>>) -> String {
    match ended_at {
        None => "it has no finished run".to_owned(),
        Some(_) => format!("its last run ended at {} UTC", time(ended_at)),
    }
}
