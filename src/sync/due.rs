//! What is due now: the fresh days, history that was never read, single calls.

use super::{
    Project, World, backfill,
    outcome::{Ended, Failure, ProjectOutcome},
    run::run_projects,
    writing::insist,
};
use crate::{
    planner,
    warehouse::{RunId, WarehouseError},
};

/// Does all that is due now in the given projects.
pub async fn run_due<'p>(
    world: &World,
    projects: impl Iterator<Item = &'p Project>,
) -> Result<(RunId, Ended), WarehouseError> {
    run_due_until(world, projects, &|| false).await
}

/// Does what is due now, and yields what takes long once it is asked to: fresh days come first in the next round.
pub(super) async fn run_due_until<'p>(
    world: &World,
    projects: impl Iterator<Item = &'p Project>,
    yields: &dyn Fn() -> bool,
) -> Result<(RunId, Ended), WarehouseError> {
    let work = async |project, run| due(world, project, run, yields).await;
    run_projects(world, "run", projects, work).await
}

async fn due(
    world: &World,
    project: &Project,
    run: RunId,
    yields: &dyn Fn() -> bool,
) -> Result<(ProjectOutcome, Option<String>), Failure> {
    let reading = async || world.warehouse.coverage(project.name(), project.stream()).await;
    let covered = insist(world, reading).await?;
    let now = insist(world, async || world.warehouse.now().await).await?;
    let tasks = planner::due(&world.settings.planner, &covered, now);
    let tasks = tasks.into_iter().map(|task| (task.lane, task.window)).collect();
    let read = backfill::read_windows(world, project, run, None, tasks, yields).await?;
    backfill::finish(world, project, run, read, yields).await
}
