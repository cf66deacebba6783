//! Background work of the daemon at the end of a round. None of it is urgent, and its failure does
//! not fail the round.

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{renormalize::renormalize_some, verify::verify_some};
use crate::{
    sync::{project::Project, world::World},
    warehouse::WarehouseError,
};

/// Does some of the pending work, and yields on request.
pub(super) async fn after_round(world: &World, project: &Project, yields: &CancellationToken) {
    if let Err(error) = some(world, project, yields).await {
        let advice = error.advice();
        warn!(project = %project.name(), %error, advice,
            "maintenance waits for the end of the next round");
    }
}

async fn some(
    world: &World,
    project: &Project,
    yields: &CancellationToken,
) -> Result<(), WarehouseError> {
    if world.stop.is_cancelled() || yields.is_cancelled() {
        return Ok(());
    }
    world.warehouse.forget_what_ended_long_ago().await?;
    renormalize_some(world, project, yields).await?;
    verify_some(world, project, yields).await
}
