//! `plan`: prints the calls of the next round or of a backfill without making them.

use std::{fmt::Write as _, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    exit::{ExitStatus, Failed},
    open, print, run,
};
use crate::{
    config::Config,
    domain::{CallRate, Lane, Pace, Stream, Window},
    planner::{self, Cost, ListCost, Task},
    status::sparse::{self, Schedules, Sparse},
    sync::{PlanInput, Project, World},
    warehouse::{DetailMode, RateReport},
};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct PlanOptions {
    /// Plan a backfill of these days (inclusive) instead of the next round.
    #[arg(long, value_name = "FROM..TO", value_parser = run::backfill_days)]
    backfill: Option<Window>,
    /// This project only.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

/// Prints the planned calls of each project, their duration at the current rate and at its limit,
/// and their share of the calls per day.
pub(super) async fn plan(config: &Config, options: &PlanOptions) -> Result<ExitStatus, Failed> {
    let opened = open::current(config).await?;
    let told = async {
        let world = open::world(config, &opened.warehouse, &CancellationToken::new())?;
        let projects: Vec<&Project> = match &options.project {
            None => world.projects.iter().collect(),
            Some(name) => vec![open::project_named(&world, Some(name))?],
        };
        let sparse = sparse::of_all(config, &opened.warehouse, Schedules::Computed).await?;
        let rates = opened.warehouse.rate_reports().await?;
        let mut rows = Vec::new();
        let mut notes = String::new();
        for project in projects {
            let sparse = sparse.iter().find(|sparse| sparse.project() == project.name().as_str());
            let due = sparse.filter(|_| options.backfill.is_none()).map_or(0, Sparse::due);
            let planned = Planned::of(&world, project, options.backfill, due).await?;
            rows.extend(planned.rows(&Limits::of(config, project, &rates)));
            planned.note(project, &mut notes);
            notes.extend(sparse.map(Sparse::as_text));
        }
        Ok::<_, Failed>(print::table(&HEAD, &rows) + &notes)
    };
    let told = told.await;
    opened.close().await?;
    print::stdout(&told?);
    Ok(ExitStatus::Done)
}

const HEAD: [&str; 8] =
    ["project", "lane", "passes", "calls", "minutes", "at the limit", "of a day's calls", "what"];

/// A project's name and the limits of its calls.
struct Limits {
    project: String,
    /// The current call rate; an interval of zero means no limit.
    rate: CallRate,
    /// The highest call rate.
    rate_max: CallRate,
    /// Maximum calls per day; 0 means no limit.
    calls_per_day: u32,
}

impl Limits {
    fn of(config: &Config, project: &Project, rates: &[RateReport]) -> Self {
        let configured = config.projects.iter().find(|known| known.name == *project.name());
        let (rate, rate_max) = match configured.map(|known| known.pace) {
            Some(Pace::Adaptive(bounds)) => {
                let known = rates.iter().find(|known| known.project == project.name().as_str());
                let current = known.and_then(|known| known.calls_per_second);
                let current = current.unwrap_or(bounds.start).min(bounds.max);
                (CallRate::per_second(current), CallRate::per_second(bounds.max))
            }
            Some(Pace::Fixed(rate)) => (rate, rate),
            None => (CallRate::per_second(0.0), CallRate::per_second(0.0)),
        };
        Self {
            project: project.name().to_string(),
            rate,
            rate_max,
            calls_per_day: configured.map_or(0, |known| known.budget.calls_per_day),
        }
    }

    /// The minimum duration of this number of calls because of the calls per day.
    fn budget_time(&self, calls: u64) -> Duration {
        let days = calls.saturating_sub(1).checked_div(u64::from(self.calls_per_day));
        Duration::from_hours(24 * days.unwrap_or_default())
    }

    /// Returns a row of the table.
    fn row(&self, lane: &str, passes: &str, calls: u64, what: &str) -> Vec<String> {
        let minutes = |rate: CallRate| {
            let is_limited = !rate.interval().is_zero();
            let time = rate.time_of(calls).max(self.budget_time(calls));
            if is_limited { minutes(time) } else { "-".to_owned() }
        };
        let (now, at_limit) = (minutes(self.rate), minutes(self.rate_max));
        let share = match self.calls_per_day {
            0 => "-".to_owned(),
            calls_per_day => percent(calls, calls_per_day),
        };
        let calls = calls.to_string();
        let cells = [&self.project, lane, passes, &calls, &now, &at_limit, &share, what];
        cells.map(str::to_owned).to_vec()
    }
}

/// The cost of a project's plan.
struct Planned {
    cost: Cost,
    /// Number of detail calls: those already due, those due by schedule, and those expected for new
    /// records.
    details: u64,
}

impl Planned {
    async fn of(
        world: &World,
        project: &Project,
        backfill: Option<Window>,
        scheduled: u64,
    ) -> Result<Self, Failed> {
        let plan_input = PlanInput::of(world, project).await?;
        let tasks = match backfill {
            None => plan_input.tasks(),
            Some(days) => {
                let windows = project.backfill_windows(days, plan_input.settings.window_days);
                windows.into_iter().map(Task::of_backfill).collect()
            }
        };
        let cost = planner::cost(&plan_input.settings, &plan_input.ledger, &tasks);
        let now = Duration::ZERO;
        let left = world.warehouse.details_left(project.scope(), backfill, now).await?;
        let mut details = u64::try_from(left.count()).unwrap_or_default() + scheduled;
        if project.stream() == Stream::Submission && project.scope().details != DetailMode::Never {
            details += cost.expected_records;
        }
        Ok(Self { cost, details })
    }

    fn rows(&self, limits: &Limits) -> Vec<Vec<String>> {
        let of_lane = |(lane, list): (&Lane, &ListCost)| {
            limits.row(lane.as_str(), &list.passes.to_string(), u64::from(list.calls), "lists")
        };
        let mut rows: Vec<_> = self.cost.lists.iter().map(of_lane).collect();
        if self.details > 0 {
            rows.push(limits.row(Lane::Detail.as_str(), "", self.details, "detail calls"));
        }
        let total = u64::from(self.cost.calls()) + self.details;
        rows.push(limits.row("", "", total, "all"));
        rows
    }

    fn note(&self, project: &Project, notes: &mut String) {
        let days = self.cost.unknown_days;
        if days == 0 {
            return;
        }
        let (name, expected) = (project.name(), self.cost.expected_records);
        let _infallible = match expected {
            0 => writeln!(
                notes,
                "{name}: {days} days were never read; the number of their records is unknown, so \
                 this needs at least one call for each pass, and a detail call for each submission"
            ),
            _ => writeln!(
                notes,
                "{name}: {days} days were never read; {expected} records are expected there, \
                 estimated from the other days"
            ),
        };
    }
}

/// Formats a duration as minutes with one decimal, rounded up.
fn minutes(time: Duration) -> String {
    let tenths = time.as_millis().div_ceil(6000);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Formats the share of a day's calls as percent with two decimals, rounded down.
fn percent(calls: u64, calls_per_day: u32) -> String {
    let hundredths = calls.saturating_mul(10_000) / u64::from(calls_per_day);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}
