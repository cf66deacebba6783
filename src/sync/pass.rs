//! One walk over one window: page by page, each stored before the next is asked for.

use futures_util::StreamExt as _;
use tracing::{debug, info, warn};

use super::{Project, World, outcome::Failure, writing::insist};
use crate::{
    client::{Page, Resume},
    domain::Reading,
    warehouse::{
        Claim, Count, Observation, PageStored, PageToStore, Pass, Proof, RunId, Seen,
        WarehouseError,
    },
};

/// Walks the claimed window from the pass's checkpoint to its end.
///
/// A page that was received is stored even when the program has to end; a request in flight is dropped.
pub(super) async fn walk(
    world: &World,
    project: &Project,
    claim: &Claim,
    pass: &mut Pass,
    run: RunId,
) -> Result<Proof, Failure> {
    let resume = pass.checkpoint.clone().map(|checkpoint| Resume {
        cursor: checkpoint.cursor,
        page: checkpoint.page,
        trail: checkpoint.trail,
    });
    if let Some(resume) = &resume {
        info!(project = %project.name(), window = %claim.reading, page = resume.page, "going on from the checkpoint");
    }
    // What a walk missed is known only to one that nothing interrupted (I7).
    let mut seen = resume.is_none().then(Seen::default);
    let client = project.client(pass.lane);
    let mut pages = match claim.reading {
        Reading::Window(window) => client.pages(window.asked(), resume).boxed(),
        Reading::Everything => client.all_pages(resume).boxed(),
    };
    loop {
        let page = tokio::select! {
            biased;
            () = world.stop.cancelled() => return Err(Failure::Interrupted),
            page = pages.next() => page,
        };
        // The stream ends only behind a page without a cursor, and that page has returned below.
        let Some(page) = page else { return Err(Failure::Interrupted) };
        let page = to_store(project, page?);
        if let Some(seen) = &mut seen {
            seen.add(&page);
        }
        let stored = store(world, project, claim, pass, run, &page, seen.as_ref()).await?;
        world.progress.add_items(page.observations.len());
        debug!(
            project = %project.name(), window = %claim.reading, page = page.number,
            received = stored.tally.received, inserted = stored.tally.inserted,
            updated = stored.tally.updated, unchanged = stored.tally.unchanged,
            quarantined = stored.tally.quarantined, duplicate = stored.tally.duplicate, "page stored"
        );
        pass.checkpoint = page.next.map(|(cursor, trail)| crate::warehouse::Checkpoint {
            page: page.number,
            cursor,
            trail,
        });
        if let Some(Count { live, missing }) = stored.alarm {
            warn!(
                project = %project.name(), window = %claim.reading, live, missing,
                advice = "look at `argos-sync deletions list`; approve or reject",
                "too many records are missing to believe it: nothing is deleted"
            );
        }
        if let Some(proof) = stored.proof {
            return Ok(proof);
        }
    }
}

/// Looks at each item of a page.
fn to_store(project: &Project, page: Page) -> PageToStore {
    let trail = page.trail;
    PageToStore {
        number: page.number,
        read: page.read,
        observations: page
            .items
            .into_iter()
            .map(|body| Observation::of(&project.scope, page.read, body))
            .collect(),
        next: page.next.map(|cursor| (cursor, trail)),
    }
}

/// Stores a page; asks first whether it is stored already once an answer of PostgreSQL was lost.
async fn store(
    world: &World,
    project: &Project,
    claim: &Claim,
    pass: &Pass,
    run: RunId,
    page: &PageToStore,
    seen: Option<&Seen>,
) -> Result<PageStored, WarehouseError> {
    let warehouse = &world.warehouse;
    let mut is_retry = false;
    let stored = insist(world, async || {
        if std::mem::replace(&mut is_retry, true)
            && let Some(stored) = warehouse.page_is_stored(claim, pass, page).await?
        {
            return Ok(stored);
        }
        warehouse.commit_page(&project.scope, claim, pass, run, page, seen).await
    })
    .await;
    match stored {
        // A commit whose answer was lost may have come to its end only after it was asked for.
        Err(WarehouseError::CheckpointMoved { page: number }) => {
            let asking = async || warehouse.page_is_stored(claim, pass, page).await;
            let stored = insist(world, asking).await?;
            stored.ok_or(WarehouseError::CheckpointMoved { page: number })
        }
        other => other,
    }
}
