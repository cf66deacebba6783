//! An empty pass over days that hold live records: whether calls confirm it.

use futures_util::StreamExt as _;
use tracing::{info, warn};

use crate::{
    domain::{Lane, Window},
    sync::{job::Job, outcome::Failure, project::Project, world::World},
    warehouse::{Claim, Pass},
};

/// Most records requested of days with many records, and of other days.
const SAMPLE: usize = 3;

/// Maximum number of existing records for which an empty list is plausible. Lists may omit single
/// records, but not more than these at once.
const UNLISTED_MAX: usize = 4;

/// Whether an empty pass is doubtful: records that it should have shown still exist, or no call
/// shows that the API finds anything at all.
///
/// Such a pass leaves its days unverified. If at most [`UNLISTED_MAX`] records are expected, an
/// earlier run found them missing as well, and a list of another day shows records, the records
/// that detail calls find are marked as unlisted: later passes do not expect them.
pub(super) async fn is_doubted(job: Job<'_>, claim: &Claim, pass: &Pass) -> Result<bool, Failure> {
    let Job { world, project, .. } = job;
    let scope = project.scope();
    let expected = world.warehouse.expected_records(scope, claim, UNLISTED_MAX + 1).await?;
    if expected.is_empty() {
        return Ok(false);
    }
    let are_few = expected.len() <= UNLISTED_MAX;
    let (tried, found_max) = if are_few { (UNLISTED_MAX, UNLISTED_MAX) } else { (SAMPLE, 1) };
    let found = find(project, expected.iter().take(tried), found_max).await?;
    if !found.is_empty() {
        warn!(
            "the list is empty, but a detail call finds a record of these days: the window is \
             unverified"
        );
        if are_few && does_list_other_days(world, project, claim, pass).await? {
            mark(job, claim, &found).await?;
        }
        return Ok(true);
    }
    let controls = world.warehouse.records_elsewhere(scope, claim, SAMPLE).await?;
    let has_control = !find(project, controls.iter(), 1).await?.is_empty();
    if !has_control {
        warn!(
            "the list is empty, and detail calls find no record of any day: the window is \
             unverified"
        );
    }
    Ok(!has_control)
}

/// Marks existing records as unlisted if an earlier run found their days empty as well.
async fn mark(job: Job<'_>, claim: &Claim, found: &[&str]) -> Result<(), Failure> {
    let Job { world, project, run } = job;
    let marked = world.warehouse.mark_unlisted(&project.scope, claim, run, found).await?;
    if marked > 0 {
        info!(
            records = marked,
            "lists of these days leave out records that exist; later passes do not expect them"
        );
    }
    Ok(())
}

/// Returns those of these records that detail calls find, at most `found_max`.
async fn find<'i>(
    project: &Project,
    ids: impl Iterator<Item = &'i String>,
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
    pass: &Pass,
) -> Result<bool, Failure> {
    let day = world.warehouse.listed_day_elsewhere(project.scope(), claim).await?;
    let Some(day) = day else { return Ok(false) };
    let client = project.client(pass.lane);
    let mut pages = client.pages(Window::day(day).asked(), None).boxed();
    match pages.next().await {
        Some(page) => Ok(!page?.items.is_empty()),
        None => Ok(false),
    }
}
