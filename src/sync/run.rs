//! A run: all projects side by side, each with its own end.

use futures_util::future::join_all;
use tracing::{error, info, warn};

use super::{
    Project, World, holder,
    outcome::{Ended, Failure, ProjectOutcome},
    writing::insist,
};
use crate::{
    client::Remedy,
    warehouse::{self, RunId, WarehouseError},
};

/// Runs the same work for every project, and notes how it ended.
pub(super) async fn run_projects<'p>(
    world: &World,
    command: &str,
    projects: impl Iterator<Item = &'p Project>,
    work: impl AsyncFn(&'p Project, RunId) -> Result<(ProjectOutcome, Option<String>), Failure>,
) -> Result<(RunId, Ended), WarehouseError> {
    let run = insist(world, async || world.warehouse.begin_run(command).await).await?;
    free_the_gone(world).await?;
    let work = &work;
    let running = projects.map(|project| async move {
        let registering = async || world.warehouse.register(project.name(), &project.kind).await;
        let result = match insist(world, registering).await {
            Ok(()) => work(project, run).await,
            Err(error) => Err(error.into()),
        };
        project.give_calls_back(world).await;
        let (outcome, why) = conclude(world, project, result).await?;
        Ok((project.name().clone(), outcome, why))
    });
    let projects: Result<Vec<_>, WarehouseError> = join_all(running).await.into_iter().collect();
    let ended = Ended { projects: projects? };
    let outcome = ended.worst().into();
    insist(world, async || world.warehouse.end_run(run, outcome).await).await?;
    Ok((run, ended))
}

/// Frees claims of processes of this machine that are gone.
async fn free_the_gone(world: &World) -> Result<(), WarehouseError> {
    let holders = insist(world, async || world.warehouse.holders().await).await?;
    for gone in holders.into_iter().filter(|holder| holder::is_gone(holder)) {
        info!("freeing the claims of a process that is gone");
        insist(world, async || world.warehouse.free(&gone).await).await?;
    }
    Ok(())
}

/// Turns a failure into an outcome with a sentence for the operator.
async fn conclude(
    world: &World,
    project: &Project,
    result: Result<(ProjectOutcome, Option<String>), Failure>,
) -> Result<(ProjectOutcome, Option<String>), WarehouseError> {
    let failure = match result {
        Ok(end) => {
            insist(world, async || world.warehouse.unblock(project.name()).await).await?;
            return Ok(end);
        }
        Err(failure) => failure,
    };
    match failure {
        Failure::Interrupted | Failure::Warehouse(WarehouseError::NoTime) => {
            Ok((ProjectOutcome::Interrupted, None))
        }
        Failure::Warehouse(fault) if fault.remedy() != warehouse::Remedy::CallPerson => {
            warn!(project = %project.name(), error = %fault, advice = fault.advice(), "the project stopped");
            Ok((ProjectOutcome::Partial, Some(format!("{fault}; {}", fault.advice()))))
        }
        Failure::Warehouse(fault) => {
            error!(project = %project.name(), error = %fault, advice = fault.advice(), "the project failed");
            let outcome = if fault.is_of_setup() {
                ProjectOutcome::Misconfigured
            } else {
                ProjectOutcome::Failed
            };
            Ok((outcome, Some(format!("{fault}; {}", fault.advice()))))
        }
        Failure::Client(fault) => {
            let why = format!("{fault}; {}", fault.advice());
            error!(project = %project.name(), error = %fault, advice = fault.advice(), "the project stopped");
            if fault.remedy() == Remedy::BlockProject {
                let reason = fault.to_string();
                let blocking = async || world.warehouse.block(project.name(), &reason).await;
                insist(world, blocking).await?;
                return Ok((ProjectOutcome::Blocked, Some(why)));
            }
            Ok((ProjectOutcome::Partial, Some(why)))
        }
    }
}
