//! A run: all projects side by side, each with its own end.

use std::time::Duration;

use futures_util::future::join_all;
use tracing::{debug, error, info, warn};

use super::{
    Project, World,
    heartbeat::with_heartbeat,
    holder,
    outcome::{Ended, Failure, ProjectOutcome},
    probe,
    writing::insist,
};
use crate::{
    client::Remedy,
    warehouse::{self, ProjectEnd, RunId, Warehouse, WarehouseError},
};

/// A run renews its row so often: a fifth of its lease.
const HEARTBEAT: Duration = Duration::from_mins(1);

/// Runs the same work for every project, and notes how it ended.
pub(super) async fn run_projects<'p>(
    world: &World,
    command: &str,
    projects: impl Iterator<Item = &'p Project>,
    work: impl AsyncFn(&'p Project, RunId) -> Result<(ProjectOutcome, Option<String>), Failure>,
) -> Result<(RunId, Ended), WarehouseError> {
    let run =
        insist(world, async || world.warehouse.begin_run(command, &world.holder).await).await?;
    insist(world, async || free_gone_holders(&world.warehouse).await).await?;
    let work = &work;
    let running = projects.map(|project| async move {
        let registering = async || world.warehouse.register(project.name(), &project.kind).await;
        let result = match insist(world, registering).await {
            Ok(()) => match probe::recall(world, project).await {
                Ok(()) => work(project, run).await,
                Err(failure) => Err(failure),
            },
            Err(error) => Err(error.into()),
        };
        project.give_calls_back(world).await;
        let (outcome, why) = conclude(world, project, result).await?;
        Ok((project.name().clone(), outcome, why))
    });
    let projects =
        with_heartbeat(HEARTBEAT, join_all(running), async || renew(world, run).await).await;
    let projects: Result<Vec<_>, WarehouseError> = projects.into_iter().collect();
    let ended = Ended { projects: projects? };
    let outcome = ended.worst().into();
    let ends: Vec<_> = ended
        .projects
        .iter()
        .map(|(project, outcome, why)| ProjectEnd {
            project,
            outcome: (*outcome).into(),
            trouble: why.as_deref(),
        })
        .collect();
    insist(world, async || world.warehouse.end_run(run, outcome, &ends).await).await?;
    Ok((run, ended))
}

/// Tells that the run goes on. Where that fails, whatever the run does fails too, and says so.
async fn renew(world: &World, run: RunId) {
    if let Err(error) = world.warehouse.renew_run(run).await {
        debug!(%error, run = run.0, "the run was not renewed");
    }
}

/// Frees claims of processes of this machine that are gone, and ends their runs.
pub async fn free_gone_holders(warehouse: &Warehouse) -> Result<(), WarehouseError> {
    for gone in warehouse.holders().await?.into_iter().filter(|holder| holder::is_gone(holder)) {
        info!("freeing the claims of a process that is gone");
        warehouse.free(&gone).await?;
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
