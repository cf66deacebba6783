//! One pass over one window, page by page. The next page is fetched and decoded while the current
//! one is written.

use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    empty,
    memory::{PageBytes, Reserved},
};
use crate::{
    client::{ClientError, Page, Resume},
    domain::ListScope,
    metrics::CommitKind,
    normalize::Note,
    sync::{
        account, each_minute::EachMinute, job::Job, outcome::Failure, project::Project,
        world::World,
    },
    warehouse::{
        Checkpoint, Claim, Count, PageStored, PageToStore, Pass, Proof, SeenIds, Tally,
        WarehouseError,
    },
};

/// Reads the claimed window from the pass's checkpoint to its end.
///
/// A received page is stored even if the program has to end; a request in flight is dropped.
///
/// Adds the stored items to `tally`.
pub(super) async fn read(
    job: Job<'_>,
    claim: &Claim,
    pass: &mut Pass,
    tally: &mut Tally,
) -> Result<Proof, Failure> {
    let Job { world, project, .. } = job;
    let resume = pass.checkpoint.clone().map(|checkpoint| Resume {
        cursor: checkpoint.cursor,
        page: checkpoint.page,
        cycle: checkpoint.cycle,
    });
    if let Some(resume) = &resume {
        info!(page = resume.page, "resuming from the checkpoint");
    }
    // Only an uninterrupted pass can determine which records it missed (I7).
    let compares = resume.is_none() && world.warehouse.can_miss(claim).await?;
    let mut seen = compares.then(SeenIds::default);
    let client = project.client(pass.lane);
    let mut pages = match claim.reading {
        ListScope::Window(window) => client.pages(window.asked(), resume).boxed(),
        ListScope::All => client.all_pages(resume).boxed(),
    };
    let mut bytes = PageBytes::new(&project.item_bytes, project.page_size());
    let mut next = fetch(world, project, &mut pages, &bytes).await;
    let mut progress = EachMinute::default();
    loop {
        let mut fetched = next?;
        if let Some(seen) = &mut seen {
            seen.add(fetched.page.read, fetched.page.ids());
        }
        let (checkpoint, page) = (fetched.checkpoint(), fetched.page.number);
        let is_last = checkpoint.is_none();
        let has_brought = pass.received > 0 || !fetched.page.observations.is_empty();
        if is_last && !has_brought && claim.reading.is_filtered() {
            fetched.page.is_doubted = empty::is_doubted(job, claim, pass).await?;
        }
        let storing = store_fetched(job, claim, pass, fetched, seen.as_ref());
        let fetching = async {
            // There is no page after the last one; the failure is not used.
            if is_last {
                Err(Failure::Interrupted)
            } else {
                fetch(world, project, &mut pages, &bytes).await
            }
        };
        let (stored, fetched) = tokio::join!(storing, fetching);
        let stored = stored?;
        *tally += stored.tally;
        progress.note(|| info!(page, received = tally.received, "the window is being read"));
        let Tally { received, inserted, updated, .. } = stored.tally;
        bytes.note_written(inserted + updated, received);
        pass.checkpoint = checkpoint;
        pass.received += received;
        if let Some(proof) = stored.proof {
            return Ok(proof);
        }
        next = fetched;
    }
}

/// A decoded page, with the memory reserved for it and its rows.
struct FetchedPage {
    page: PageToStore,
    _memory: Reserved,
}

impl FetchedPage {
    /// The checkpoint once the page is stored; `None` after the last page.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let (cursor, cycle) = self.page.next.clone()?;
        Some(Checkpoint { page: self.page.number, cursor, cycle })
    }
}

/// Fetches the next page once memory for it is reserved, and reads the keys of its items.
async fn fetch(
    world: &World,
    project: &Project,
    pages: &mut (impl Stream<Item = Result<Page, ClientError>> + Unpin),
    page_bytes: &PageBytes<'_>,
) -> Result<FetchedPage, Failure> {
    let fetching = async {
        let memory = world.page_memory.reserve_page(page_bytes).await;
        (memory, pages.next().await)
    };
    let (memory, page) = tokio::select! {
        biased;
        () = world.stop.cancelled() => return Err(Failure::Interrupted),
        fetched = fetching => fetched,
    };
    // The stream ends only after a page without a cursor, and no page is requested after that.
    let page = page.ok_or(Failure::Interrupted)??;
    account::admit(world, project, page.vendor_project.as_deref()).await?;
    let bytes = page.items.iter().map(|item| item.body.len()).sum();
    page_bytes.note(bytes, page.items.len());
    let next = page.next.map(|cursor| (cursor, page.cycle));
    let items = page.items.into_iter().map(|item| (item.body, item.key)).collect();
    let memory = memory.fit(bytes, page_bytes.rows(bytes));
    let (scope, number, read) = (&project.scope, page.number, page.read);
    let unknown = page.unknown.iter();
    let unknown =
        unknown.map(|member| Note::of_unknown_member(&member.name, member.json_type)).collect();
    let has_shown_end_mark = page.has_shown_end_mark;
    let page = PageToStore::of(scope, number, read, items, next).await;
    let page = PageToStore { unknown, has_shown_end_mark, ..page };
    Ok(FetchedPage { page, _memory: memory })
}

/// Stores a page, releases its memory and returns the result.
async fn store_fetched(
    job: Job<'_>,
    claim: &Claim,
    pass: &Pass,
    fetched: FetchedPage,
    seen: Option<&SeenIds>,
) -> Result<PageStored, WarehouseError> {
    let Job { world, project, run } = job;
    let page = &fetched.page;
    let began = Instant::now();
    let stored = world.warehouse.commit_page(&project.scope, claim, pass, run, page, seen).await?;
    project.note_stored(CommitKind::Page, began.elapsed(), stored.tally);
    world.progress.add_items(project.name(), page.observations.len());
    debug!(
        page = page.number,
        received = stored.tally.received,
        inserted = stored.tally.inserted,
        updated = stored.tally.updated,
        unchanged = stored.tally.unchanged,
        quarantined = stored.tally.quarantined,
        duplicate = stored.tally.duplicate,
        skipped = stored.tally.skipped,
        "page stored"
    );
    if let Some(Count { live, missing }) = stored.alarm {
        warn!(
            live,
            missing,
            advice = "run `argos-sync deletions list`, then approve or reject",
            "implausibly many records are missing; deletion suspended"
        );
    }
    Ok(stored)
}
