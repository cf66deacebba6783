//! An empty pass over days that hold live records: whether calls confirm it.

use futures_util::StreamExt as _;
use tracing::{info, warn};

use crate::{
    domain::{Lane, Window},
    sync::{outcome::Failure, project::Project, world::World},
    warehouse::Claim,
};

/// Most records requested of other days.
const SAMPLE: i64 = 3;

/// Maximum number of existing records for which an empty list is plausible. Lists may omit single
/// records, but not more than these at once.
const UNLISTED_MAX: usize = 4;

/// Whether an empty pass is doubtful: records that it should have shown still exist, or no call
/// shows that the API finds anything at all.
///
/// If at most [`UNLISTED_MAX`] records are expected, and a list of another day shows records, the
/// records that detail calls find are marked as unlisted. This pass remains doubtful; later passes
/// do not expect the marked records.
pub(super) async fn is_doubted(
    world: &World,
    project: &Project,
    claim: &Claim,
) -> Result<bool, Failure> {
    let scope = project.scope();
    let count_max = i64::try_from(UNLISTED_MAX + 1).unwrap_or(i64::MAX);
    let expected = world.warehouse.expected_records(scope, claim, count_max).await?;
    if expected.is_empty() {
        return Ok(false);
    }
    let are_few = expected.len() <= UNLISTED_MAX;
    let found_max = if are_few { expected.len() } else { 1 };
    let found = find(project, &expected, found_max).await?;
    if !found.is_empty() {
        if are_few && does_list_other_days(world, project, claim).await? {
            info!(
                project = %project.name(), window = %claim.reading, records = found.len(),
                "lists of these days leave out records that exist; the next pass does not expect \
                 them"
            );
            world.warehouse.mark_unlisted(scope, claim, &found).await?;
        }
        warn!(
            project = %project.name(), window = %claim.reading,
            "the list is empty, but a detail call finds a record of these days: the window is \
             unverified"
        );
        return Ok(true);
    }
    let controls = world.warehouse.records_elsewhere(scope, claim, SAMPLE).await?;
    let has_control = !find(project, &controls, 1).await?.is_empty();
    if !has_control {
        warn!(
            project = %project.name(), window = %claim.reading,
            "the list is empty, and detail calls find no record of any day: the window is \
             unverified"
        );
    }
    Ok(!has_control)
}

/// Returns those of these records that detail calls find, at most `found_max`.
async fn find<'i>(
    project: &Project,
    ids: &'i [String],
    found_max: usize,
) -> Result<Vec<&'i str>, Failure> {
    let mut found = Vec::new();
    for id in ids {
        if found.len() == found_max {
            break;
        }
        if project.client(Lane::Detail).detail(id).await?.item.is_some() {
            found.push(id.as_str());
        }
    }
    Ok(found)
}

/// Whether a list shows records of the nearest other day that has any.
async fn does_list_other_days(
    world: &World,
    project: &Project,
    claim: &Claim,
) -> Result<bool, Failure> {
    let day = world.warehouse.listed_day_elsewhere(project.scope(), claim).await?;
    let Some(day) = day else { return Ok(false) };
    let client = project.client(Lane::Detail);
    let mut pages = client.pages(Window::day(day).asked(), None).boxed();
    match pages.next().await {
        Some(page) => Ok(!page?.items.is_empty()),
        None => Ok(false),
    }
}
