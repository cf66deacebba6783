//! A run: processes all projects concurrently, each with its own outcome.

use std::time::Duration;

use futures_util::future::join_all;
use tracing::{Instrument as _, debug, error_span, info, warn};

use crate::{
    sync::{
        account,
        conclude::conclude,
        heartbeat::with_heartbeat,
        job::Job,
        outcome::{Conclusion, Ended, Failure},
        probe, process_id,
        project::Project,
        world::World,
    },
    warehouse::{ProjectEnd, RunId, SetBack, Warehouse, WarehouseError},
};

/// Interval between two renewals of a run's row: a fifth of its lease.
const HEARTBEAT: Duration = Duration::from_mins(1);

/// Runs the same work for every project and records the outcome.
pub(super) async fn run_projects<'p>(
    world: &World,
    command: &str,
    projects: impl Iterator<Item = &'p Project>,
    work: impl AsyncFn(Job<'_>) -> Result<Conclusion, Failure>,
) -> Result<(RunId, Ended), WarehouseError> {
    prepare_database(world).await?;
    let run = world.warehouse.begin_run(command, &world.holder).await?;
    free_gone_holders(&world.warehouse).await?;
    let work = &work;
    let running = projects.map(|project| {
        // At this level, so that warnings have the span whatever the log filter is.
        let span = error_span!("run", id = run.0, project = %project.name());
        async move {
            let result = match world.warehouse.register(project.name(), &project.kind).await {
                Ok(()) => match prepare(world, project).await {
                    Ok(()) => {
                        let done = work(Job { world, project, run }).await;
                        verified(world, project, done).await
                    }
                    Err(failure) => Err(failure),
                },
                Err(error) => Err(error.into()),
            };
            project.give_calls_back(&world.warehouse).await;
            let conclusion = conclude(world, project, result).await?;
            Ok((project.name().clone(), conclusion))
        }
        .instrument(span)
    });
    let projects =
        with_heartbeat(HEARTBEAT, join_all(running), async || renew(world, run).await).await;
    let projects: Result<Vec<_>, WarehouseError> = projects.into_iter().collect();
    let ended = Ended { projects: projects? };
    let outcome = ended.worst().into();
    let ends: Vec<_> = ended
        .projects
        .iter()
        .map(|(project, conclusion)| ProjectEnd {
            project,
            outcome: conclusion.outcome.into(),
            reason: conclusion.reason.as_deref(),
        })
        .collect();
    world.warehouse.end_run(run, outcome, &ends).await?;
    Ok((run, ended))
}

/// Repairs the effects of a clock that was set back or a sequence that was rebuilt.
async fn prepare_database(world: &World) -> Result<(), WarehouseError> {
    report_set_back(world.warehouse.note_clock().await?);
    world.adopt_server().await
}

/// Rejects the outcome of a run whose key stored nothing, if the key opens another account than the
/// one that another process has bound meanwhile.
async fn verified<T>(
    world: &World,
    project: &Project,
    end: Result<T, Failure>,
) -> Result<T, Failure> {
    let end = end?;
    account::confirm(world, project).await?;
    Ok(end)
}

/// Verifies the project's key and loads the stored findings about its API.
async fn prepare(world: &World, project: &Project) -> Result<(), Failure> {
    account::verify(world, project).await?;
    probe::recall(world, project).await
}

/// Renews the run's row. A failure is only logged, because the work of the run then also fails and
/// reports it.
async fn renew(world: &World, run: RunId) {
    let warehouse = world.warehouse.clone().without_retries();
    let renewed = async {
        report_set_back(warehouse.note_clock().await?);
        warehouse.renew_run(run).await
    };
    if let Err(error) = renewed.await {
        debug!(%error, run = run.0, "could not renew the lease of the run");
    }
}

fn report_set_back(set_back: Option<SetBack>) {
    if let Some(SetBack { by }) = set_back {
        warn!(
            minutes = by.num_minutes(),
            "PostgreSQL's clock was ahead and was set back: days read with the wrong time are read \
             again"
        );
    }
}

/// Frees the claims of processes of this machine that no longer exist, and ends their runs.
pub async fn free_gone_holders(warehouse: &Warehouse) -> Result<(), WarehouseError> {
    for gone in warehouse.holders().await?.into_iter().filter(|holder| process_id::is_gone(holder))
    {
        info!("releasing the claims of a dead process");
        warehouse.free(&gone).await?;
    }
    Ok(())
}
