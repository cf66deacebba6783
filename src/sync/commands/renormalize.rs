//! Rebuilds records that an older normalizer wrote, chunk by chunk, without API calls and
//! concurrently with other work.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    sync::{project::Project, stop::pause, world::World},
    warehouse::{Renormalized, WarehouseError},
};

/// Most chunks after one round of the daemon.
const CHUNKS_A_ROUND: u32 = 20;

/// Most times that the command waits for records that others are writing.
const TRIES_MAX: u32 = 30;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Rebuilds all older records of a project, unless the program has to end first. Returns the result
/// and whether any are left.
pub async fn renormalize(
    world: &World,
    project: &Project,
) -> Result<(Renormalized, bool), WarehouseError> {
    let mut done = Renormalized::default();
    for _ in 0..TRIES_MAX {
        if !has_older(world, project).await? {
            return Ok((done, false));
        }
        done += rebuild(world, project, u32::MAX, &CancellationToken::new()).await?;
        // Records that others were writing are completed by them or by the next iteration.
        if !has_older(world, project).await? {
            return Ok((done, false));
        }
        if !pause(&world.stop, BETWEEN_TRIES).await {
            break;
        }
    }
    Ok((done, true))
}

/// Rebuilds some older records, if there are any, until asked to yield.
pub(super) async fn renormalize_some(
    world: &World,
    project: &Project,
    yields: &CancellationToken,
) -> Result<(), WarehouseError> {
    if !has_older(world, project).await? {
        return Ok(());
    }
    let done = rebuild(world, project, CHUNKS_A_ROUND, yields).await?;
    info!(
        project = %project.name(), records = done.records, changed = done.changed,
        without_raw = done.without_raw, "rebuilt records of an older version"
    );
    Ok(())
}

async fn has_older(world: &World, project: &Project) -> Result<bool, WarehouseError> {
    world.warehouse.has_older_records(&project.scope).await
}

/// Iterates over the older records in the order of their ids.
async fn rebuild(
    world: &World,
    project: &Project,
    chunks_max: u32,
    yields: &CancellationToken,
) -> Result<Renormalized, WarehouseError> {
    let mut done = Renormalized::default();
    let mut behind = String::new();
    for _ in 0..chunks_max {
        if world.stop.is_cancelled() || yields.is_cancelled() {
            break;
        }
        let Some((chunk, last)) = world.warehouse.renormalize(&project.scope, &behind).await?
        else {
            break;
        };
        project.pulse().step();
        done += chunk;
        behind = last;
    }
    Ok(done)
}
