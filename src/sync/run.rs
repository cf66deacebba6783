//! A run: all projects side by side, each with its own end.

use std::time::Duration;

use futures_util::future::join_all;
use tracing::{debug, error, info, warn};

use super::{
    Project, World, account,
    account::NotBound,
    heartbeat::with_heartbeat,
    holder,
    outcome::{Ended, Failure, ProjectOutcome},
    probe,
    writing::{adopt_server, insist},
};
use crate::{
    client::Remedy,
    warehouse::{self, ProjectEnd, RunId, SetBack, Warehouse, WarehouseError},
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
    prepare_database(world).await?;
    let run =
        insist(world, async || world.warehouse.begin_run(command, &world.holder).await).await?;
    insist(world, async || free_gone_holders(&world.warehouse).await).await?;
    let work = &work;
    let running = projects.map(|project| async move {
        let registering = async || world.warehouse.register(project.name(), &project.kind).await;
        let result = match insist(world, registering).await {
            Ok(()) => match prepare(world, project).await {
                Ok(()) => verified(world, project, work(project, run).await).await,
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

/// Repairs what a clock that was set back, or a sequence that was rebuilt, would spoil.
async fn prepare_database(world: &World) -> Result<(), WarehouseError> {
    report_set_back(insist(world, async || world.warehouse.note_clock().await).await?);
    adopt_server(world).await
}

/// Refuses the end of a run whose key stored nothing and turns out to open another account than the one that another process
/// has bound meanwhile.
async fn verified<T>(
    world: &World,
    project: &Project,
    end: Result<T, Failure>,
) -> Result<T, Failure> {
    let end = end?;
    account::confirm(world, project).await?;
    Ok(end)
}

/// Verifies the project's key, and recalls what is known of its API.
async fn prepare(world: &World, project: &Project) -> Result<(), Failure> {
    account::verify(world, project).await?;
    probe::recall(world, project).await
}

/// Tells that the run goes on. Where that fails, whatever the run does fails too, and says so.
async fn renew(world: &World, run: RunId) {
    let renewed = async {
        report_set_back(world.warehouse.note_clock().await?);
        world.warehouse.renew_run(run).await
    };
    if let Err(error) = renewed.await {
        debug!(%error, run = run.0, "the run was not renewed");
    }
}

fn report_set_back(set_back: Option<SetBack>) {
    if let Some(SetBack { by }) = set_back {
        warn!(
            minutes = by.num_minutes(),
            "PostgreSQL's clock was ahead and has been set back: the days read by the wrong time are read again"
        );
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
    match result {
        Ok(end) => {
            insist(world, async || world.warehouse.unblock(project.name()).await).await?;
            insist(world, async || world.warehouse.note_account(&project.scope).await).await?;
            Ok(end)
        }
        Err(failure) => conclude_failure(world, project, failure).await,
    }
}

/// Does so for a failure.
pub(super) async fn conclude_failure(
    world: &World,
    project: &Project,
    failure: Failure,
) -> Result<(ProjectOutcome, Option<String>), WarehouseError> {
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
        Failure::NotBound(fault) => {
            let why = fault.in_words(project.name());
            error!(project = %project.name(), error = why, "the project stopped");
            match fault {
                NotBound::Other(_) => {
                    insist(world, async || world.warehouse.block(project.name(), &why).await)
                        .await?;
                    Ok((ProjectOutcome::Blocked, Some(why)))
                }
                NotBound::OtherFirst => Ok((ProjectOutcome::Partial, Some(why))),
            }
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
