//! `run`: runs the daemon, the work that is due now, or a backfill.

use chrono::Datelike as _;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    StreamArgument,
    daemon::daemon,
    exit::{ExitStatus, Failed},
    open::{self, Opened},
    print, progress_bar, signal, verify,
};
use crate::{
    config::Config,
    domain::{Day, ProjectName, Window},
    sync::{BackfillRequest, Conclusion, Ended, ProjectOutcome, Verify, World, run_due},
    warehouse::{RunId, Tally, WarehouseError},
};

/// The earliest year of a backfill. The vendor did not exist before.
const FIRST_YEAR: i32 = 2000;

/// Longest name of a job, in characters.
const JOB_NAME_MAX: usize = 200;

/// Arguments of `run`.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[derive(Debug, clap::Args)]
pub(super) struct RunOptions {
    /// Do all work that is due now, then exit.
    #[arg(long, conflicts_with = "backfill")]
    once: bool,
    /// Read these days (inclusive), then exit. Resumes an unfinished backfill of the same days, or
    /// shares it with the processes that work on it.
    #[arg(long, value_name = "FROM..TO", value_parser = backfill_days)]
    backfill: Option<Window>,
    /// Backfill this stream only.
    #[arg(long, requires = "backfill")]
    stream: Option<StreamArgument>,
    /// Sync this project only.
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
    /// Restart an unfinished backfill from its first day.
    #[arg(long, requires = "backfill")]
    restart: bool,
    /// First repair rows of these days that differ from the stored raw items, as `verify --repair`
    /// does. Without this option, an item with an unchanged digest leaves its rows untouched.
    #[arg(long, requires = "backfill")]
    repair: bool,
    /// Drop the unfinished backfill of these days instead. What it has read stays.
    #[arg(
        long,
        requires = "backfill",
        conflicts_with_all = ["restart", "repair", "job", "workers"]
    )]
    cancel: bool,
    /// Name of the job that requests the backfill, such as the uid of a Kubernetes Job. Processes
    /// of one name share its work, and once it is complete, they have nothing to do.
    #[arg(long, value_name = "NAME", requires = "backfill", value_parser = job_name)]
    job: Option<String>,
    /// End with 0 instead of 65 if nothing failed and the rest waits for the budget or for another
    /// process.
    #[arg(long, requires = "once")]
    waiting_is_ok: bool,
    /// Concurrent windows for each project, overrides `sync.workers`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
}

/// Parses days such as `2024-01-01..2024-12-31`, both included.
pub(super) fn days(text: &str) -> Result<Window, String> {
    let day = |text: &str| {
        text.parse::<Day>()
            .map_err(|_no_day| format!("`{text}` is not a valid day such as 2024-12-31"))
    };
    let (from, last) =
        text.split_once("..").ok_or("expected two days, such as 2024-01-01..2024-12-31")?;
    let (from, last) = (day(from)?, day(last)?);
    Window::new(from, Window::day(last).to())
        .map_err(|_empty| "the last day is before the first".to_owned())
}

/// Parses the days of a backfill. Returns an error for days before [`FIRST_YEAR`] and for days
/// after tomorrow (UTC).
pub(super) fn backfill_days(text: &str) -> Result<Window, String> {
    let window = days(text)?;
    let newest = crate::sync::host_time().date_naive() + chrono::Days::new(2);
    if window.from().year() < FIRST_YEAR {
        return Err(format!("the API has no submission from before {FIRST_YEAR}"));
    }
    if window.to() > newest {
        return Err("the last day is in the future; the daemon reads new days by itself".to_owned());
    }
    Ok(window)
}

/// Parses the name of a job: 1 to 200 characters without control characters.
fn job_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().count() > JOB_NAME_MAX || text.chars().any(char::is_control)
    {
        return Err(format!("expected 1 to {JOB_NAME_MAX} characters without control characters"));
    }
    Ok(text.to_owned())
}

/// Runs the daemon, the work that is due now, or a backfill.
pub(super) async fn run(config: &Config, options: &RunOptions) -> Result<ExitStatus, Failed> {
    let stop = signal::listen()?;
    let mut config = config.clone();
    if let Some(name) = &options.project {
        config.projects.retain(|project| project.name == *name);
        if config.projects.is_empty() {
            return Err(Failed::new(ExitStatus::Usage, format!("there is no [project.{name}]")));
        }
    }
    if let Some(workers) = options.workers {
        config.projects.iter_mut().for_each(|project| project.workers = workers.into());
    }
    let is_daemon = !options.once && options.backfill.is_none();
    if config.sync.planner.since.is_none() && options.backfill.is_none() {
        return Err(Failed::new(
            ExitStatus::Config,
            "`sync.since` is missing: set the first day of the warehouse, such as since = \
             \"2024-01-01\"",
        ));
    }
    log_start(&config);
    if is_daemon {
        return daemon(config, &stop).await;
    }
    let opened = tokio::select! {
        () = stop.cancelled() => return Ok(ExitStatus::Interrupted),
        opened = open::migrated(&config) => opened?,
    };
    let result = work(&config, options, &opened, &stop).await;
    opened.close().await?;
    result
}

/// Logs what will run. The address of the database contains no secret.
fn log_start(config: &Config) {
    let projects: Vec<_> = config.projects.iter().map(|project| project.name.as_str()).collect();
    let since = config.sync.planner.since.map(|since| since.to_string());
    info!(
        version = env!("CARGO_PKG_VERSION"),
        configuration = config.file(),
        database = config.database_address(),
        projects = projects.join(", "),
        since,
        "argos-sync is starting"
    );
}

async fn work(
    config: &Config,
    options: &RunOptions,
    opened: &Opened,
    stop: &CancellationToken,
) -> Result<ExitStatus, Failed> {
    let world = open::world(config, &opened.warehouse, stop)?;
    let ended = match options.backfill {
        Some(window) => {
            let backfill = BackfillRequest {
                window,
                stream: options.stream.map(Into::into),
                project: options.project.clone(),
                restart: options.restart,
                job: options.job.clone(),
            };
            if !world.projects.iter().any(|project| backfill.wants(project)) {
                return Err(Failed::new(
                    ExitStatus::Usage,
                    "no configured project has that stream",
                ));
            }
            if options.cancel {
                return cancel(&world, &backfill).await;
            }
            if options.repair {
                let wanted: Vec<_> =
                    world.projects.iter().filter(|project| backfill.wants(project)).collect();
                let how = Verify { days: Some(window), repairs: true };
                if verify::compare(&world, &wanted, how).await? == ExitStatus::Interrupted {
                    return Ok(ExitStatus::Interrupted);
                }
            }
            progress_bar::watch(&world.progress, backfill.run(&world)).await
        }
        None => run_due(&world, world.projects.iter()).await,
    };
    if options.waiting_is_ok
        && matches!(&ended, Ok((_, ended)) if ended.worst() == ProjectOutcome::InProgress)
    {
        conclude(&world, ended).await?;
        return Ok(ExitStatus::Done);
    }
    conclude(&world, ended).await
}

/// Drops the unfinished backfill of each included project, and prints whether there was one.
async fn cancel(world: &World, backfill: &BackfillRequest) -> Result<ExitStatus, Failed> {
    for project in world.projects.iter().filter(|project| backfill.wants(project)) {
        let (name, stream) = (project.name(), project.stream());
        let was_open = world.warehouse.cancel_backfill(name, stream, backfill.window).await?;
        let what = if was_open {
            "cancelled; days that were read stay"
        } else {
            "there is no unfinished backfill of these days"
        };
        print::stdout(&format!("{name}: {what}\n"));
    }
    Ok(ExitStatus::Done)
}

/// Prints the outcome and the counts of each project. Returns the exit status of the worst outcome.
pub(super) async fn conclude(
    world: &World,
    ended: Result<(RunId, Ended), WarehouseError>,
) -> Result<ExitStatus, Failed> {
    let (run, ended) = ended?;
    let mut rows = Vec::new();
    for (name, Conclusion { outcome, reason }) in &ended.projects {
        let tally = match world.projects.iter().find(|project| project.name() == name) {
            Some(project) => world.warehouse.run_tally(run, project.scope()).await?,
            None => Tally::default(),
        };
        let counts = [
            tally.received,
            tally.inserted,
            tally.updated,
            tally.unchanged,
            tally.quarantined,
            tally.duplicate,
            tally.skipped,
        ];
        let mut row = vec![name.to_string(), words(*outcome).to_owned()];
        row.extend(counts.iter().map(i64::to_string));
        rows.push(row);
        if let Some(reason) = reason {
            print::failure(&format!("{name}: {reason}"));
        }
    }
    let head = [
        "project",
        "outcome",
        "received",
        "inserted",
        "updated",
        "unchanged",
        "quarantined",
        "duplicate",
        "skipped",
    ];
    print::stdout(&print::table(&head, &rows));
    Ok(ended.worst().into())
}

/// Returns an outcome in words.
pub(super) fn words(outcome: ProjectOutcome) -> &'static str {
    match outcome {
        ProjectOutcome::Complete => "complete",
        ProjectOutcome::CompleteEmpty => "complete and empty",
        ProjectOutcome::EmptyUnverified => "empty, unverified",
        ProjectOutcome::InProgress => "in progress",
        ProjectOutcome::Partial => "partial",
        ProjectOutcome::Blocked => "blocked",
        ProjectOutcome::Misconfigured => "misconfigured",
        ProjectOutcome::Failed => "failed",
        ProjectOutcome::Interrupted => "interrupted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_days_are_included() {
        assert_eq!(days("2024-01-01..2024-12-31").unwrap().len_days(), 366);
        assert_eq!(days("2024-01-01..2024-01-01").unwrap().len_days(), 1);
        for bad in ["2024-01-01", "2024-01-02..2024-01-01", "2024-02-30..2024-03-01", "a..b", ""] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
