//! Compares the clocks that a project's work depends on, and reports those that disagree.

use chrono::{DateTime, Utc};

use super::{project::Project, told::tell, world::World};
use crate::{
    domain::{Clocks, Lane},
    warehouse::WarehouseError,
};

/// Returns this machine's time.
#[expect(
    clippy::disallowed_methods,
    reason = "it is only compared with PostgreSQL's clock and decides nothing"
)]
pub fn host_time() -> DateTime<Utc> {
    Utc::now()
}

/// Reads all clocks without reporting anything.
pub(super) async fn read(world: &World, project: &Project) -> Result<Clocks, WarehouseError> {
    let client = project.client(Lane::Audit);
    world.warehouse.clocks(project.name(), host_time, client.vendor_time()).await
}

/// Logs the clocks that disagree with PostgreSQL's, and stores the vendor's difference for `status`
/// and for the next run.
pub(super) async fn report(
    world: &World,
    project: &Project,
    clocks: &Clocks,
) -> Result<(), WarehouseError> {
    for skew in clocks.skews() {
        let topic = format!("{:?} clock", skew.clock);
        tell!(warn, project, &topic, skew; "{skew}; correct the wrong clock");
    }
    world.warehouse.note_vendor_clock(project.name(), clocks).await
}
