//! A round of due work: recent and unsettled days, then their detail calls, then requested
//! backfills, then the rest of history, then the remaining detail calls.

use std::{collections::VecDeque, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{finish::finish, run::run_projects};
use crate::{
    domain::Lane,
    planner::{self, Task},
    sync::{
        clocks,
        details::{drain, sparse, workers::WantedCalls},
        job::Job,
        lists::{hints, queue::WantedWindows, windows::read_windows},
        outcome::{Conclusion, Ended, Failure},
        plan_input::PlanInput,
        project::Project,
        world::World,
    },
    warehouse::{Backfill, DAEMON, DetailMode, Priority, RunId, WarehouseError},
};

/// A backfill is not over while a detail call that failed is retried within this time: more than
/// the longest time between two attempts.
const RETRIED_WITHIN: Duration = Duration::from_hours(24);

/// Does all work that is due now in the given projects.
pub async fn run_due<'p>(
    world: &World,
    projects: impl Iterator<Item = &'p Project>,
) -> Result<(RunId, Ended), WarehouseError> {
    run_due_until(world, projects, &CancellationToken::new()).await
}

/// Does the work that is due now. Yields before long work once the next round is due, so that it
/// can read recent days first.
pub(super) async fn run_due_until<'p>(
    world: &World,
    projects: impl Iterator<Item = &'p Project>,
    yields: &CancellationToken,
) -> Result<(RunId, Ended), WarehouseError> {
    let work = async |job: Job<'_>| due(job, yields).await;
    let command = if world.is_daemon { DAEMON } else { "run --once" };
    run_projects(world, command, projects, work).await
}

async fn due(job: Job<'_>, yields: &CancellationToken) -> Result<Conclusion, Failure> {
    let Job { world, project, .. } = job;
    let plan_input = PlanInput::of(world, project).await?;
    let (urgent, mut rest): (VecDeque<Task>, VecDeque<Task>) =
        plan_input.tasks().into_iter().partition(|task| is_urgent(task.lane));
    let mut windows = read_windows(job, WantedWindows::Tasks(urgent), yields).await?;
    // The vendor's first answer may show that a new day has already begun there.
    let clocks = clocks::read(world, project).await?;
    clocks::report(world, project, &clocks).await?;
    if let Some(task) = plan_input.missed(&clocks) {
        let tasks = VecDeque::from([task]);
        windows = windows.then(read_windows(job, WantedWindows::Tasks(tasks), yields).await?);
    }
    if let Some(schedule) = sparse::schedule(world, project, &plan_input).await? {
        hints::follow(world, project, &plan_input, &schedule).await?;
    }
    // Recent changes must not wait for years of history. Failed calls are retried below.
    match drain::drain(job, WantedCalls::UpTo(Priority::News), &CancellationToken::new()).await {
        Ok(()) | Err(Failure::Client(_)) => {}
        Err(failure) => return Err(failure),
    }
    let backfills = open_backfills(world, project).await?;
    for backfill in &backfills {
        if !yields.is_cancelled() {
            let wanted = WantedWindows::Backfill(backfill);
            windows = windows.and(read_windows(job, wanted, yields).await?);
        }
    }
    if !rest.is_empty() {
        // Older days may prove the date filter for recent ones.
        rest.extend(windows.unverified.drain(..).map(|(task, _)| task));
        windows = windows.then(read_windows(job, WantedWindows::Tasks(rest), yields).await?);
    }
    advance_cycle(world, project).await?;
    let end = finish(job, windows.end(project), None, yields).await?;
    end_backfills(world, project, &backfills).await?;
    Ok(end)
}

/// The backfills that a daemon works on: all that have not ended. A command with an end of its own
/// does not, because a backfill can take hours.
async fn open_backfills(world: &World, project: &Project) -> Result<Vec<Backfill>, WarehouseError> {
    if world.is_daemon {
        world.warehouse.open_backfills(project.name(), project.stream()).await
    } else {
        Ok(Vec::new())
    }
}

/// Ends the backfills whose windows are read and whose detail calls are made, by whichever process.
async fn end_backfills(
    world: &World,
    project: &Project,
    backfills: &[Backfill],
) -> Result<(), WarehouseError> {
    for backfill in backfills {
        // In this order, because the calls of a window are due before it is removed.
        if !world.warehouse.is_backfill_read(backfill).await? {
            continue;
        }
        let days = Some(backfill.days);
        let left = world.warehouse.details_left(&project.scope, days, RETRIED_WITHIN).await?;
        if left.count() == 0 {
            world.warehouse.end_backfill(backfill).await?;
        }
    }
    Ok(())
}

fn is_urgent(lane: Lane) -> bool {
    match lane {
        Lane::Recent | Lane::Unsettled | Lane::Detail => true,
        Lane::Backfill | Lane::Audit => false,
    }
}

/// Makes as many records of the slow cycle due as should have been requested by now, because lists
/// do not show everything.
async fn advance_cycle(world: &World, project: &Project) -> Result<(), WarehouseError> {
    if project.scope.details == DetailMode::Never {
        return Ok(());
    }
    let cycle = world.warehouse.cycle(&project.scope).await?;
    let length = world.settings.planner.detail_cycle;
    let due = planner::cycle_due(cycle.records, cycle.done, cycle.now - cycle.started_at, length);
    let mut left = due;
    while left > 0 {
        let (count, is_through) =
            world.warehouse.advance_cycle(&project.scope, left, length).await?;
        if is_through || world.stop.is_cancelled() {
            break;
        }
        left = left.saturating_sub(count);
    }
    Ok(())
}
