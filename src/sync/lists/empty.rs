//! An empty pass over days that hold live records: whether detail calls confirm it.

use tracing::warn;

use crate::{
    domain::Lane,
    sync::{outcome::Failure, project::Project, world::World},
    warehouse::Claim,
};

/// Most records requested on either side of the comparison.
const SAMPLE: i64 = 3;

/// Whether an empty pass is doubtful: a record that it should have shown still exists, or no call
/// shows that the API finds anything at all.
pub(super) async fn is_doubted(
    world: &World,
    project: &Project,
    claim: &Claim,
) -> Result<bool, Failure> {
    let scope = project.scope();
    let expected = world.warehouse.expected_records(scope, claim, SAMPLE).await?;
    if expected.is_empty() {
        return Ok(false);
    }
    if find_any(project, &expected).await? {
        warn!(
            project = %project.name(), window = %claim.reading,
            "the list is empty, but a detail call finds a record of these days: the window is \
             unverified"
        );
        return Ok(true);
    }
    let controls = world.warehouse.records_elsewhere(scope, claim, SAMPLE).await?;
    let has_control = find_any(project, &controls).await?;
    if !has_control {
        warn!(
            project = %project.name(), window = %claim.reading,
            "the list is empty, and detail calls find no record of any day: the window is \
             unverified"
        );
    }
    Ok(!has_control)
}

/// Whether a detail call finds one of these records.
async fn find_any(project: &Project, ids: &[String]) -> Result<bool, Failure> {
    for id in ids {
        if project.client(Lane::Detail).detail(id).await?.item.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
