//! A walk over a list, from its first page to the one without a cursor, as a stream of pages.

use futures_util::{Stream, stream};

use super::{
    Client, ClientError, FIND_PAGES_MAX, Item, UnknownMember,
    call::Reply,
    end::{self, Check},
    request::{Listing, Request},
};
use crate::domain::{Cursor, CycleDetector, ReadNumber};

/// One page of a walk.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its place in the walk, from 1; a resumed walk counts on.
    pub number: u32,
    /// Drawn just before the attempt that answered.
    pub read: ReadNumber,
    /// The items as the vendor sent them, each a slice of the answer.
    pub items: Vec<Item>,
    /// Where the walk goes on; `None` on the last page.
    pub next: Option<Cursor>,
    /// The cursors followed so far, `next` among them: what a checkpoint needs to find circles
    /// after a restart.
    pub cycle: CycleDetector,
    /// The vendor's own id of the project, where it tells it (`faceAuth_projectId`).
    pub vendor_project: Option<String>,
    /// The members of the answer that the contract does not name.
    pub unknown: Vec<UnknownMember>,
    /// With this page it became known that lists which go on have a next-page key.
    pub has_shown_end_mark: bool,
}

/// Where an earlier walk stood.
#[derive(Debug, Clone)]
pub struct Resume {
    /// What the last committed page said about where to go on.
    pub cursor: Cursor,
    /// The number of that page.
    pub page: u32,
    /// The trail of that page.
    pub cycle: CycleDetector,
}

/// The state of a walk between two pages.
enum Pagination {
    /// Nothing was asked yet.
    Start,
    /// An earlier walk stood here; nothing was asked in this one.
    Resumed(Resume),
    /// A page pointed here.
    At(Resume),
    /// The last page was read.
    Drained,
}

/// Walks the list.
pub(super) fn walk<'a>(
    client: &'a Client,
    listing: Listing<'a>,
    resume: Option<Resume>,
) -> impl Stream<Item = Result<Page, ClientError>> + Send + 'a {
    let start = resume.map_or(Pagination::Start, Pagination::Resumed);
    stream::try_unfold(start, move |walk| async move {
        let (behind, is_resumed) = match walk {
            Pagination::Drained => return Ok(None),
            Pagination::Start => (None, false),
            Pagination::Resumed(place) => (Some(place), true),
            Pagination::At(place) => (Some(place), false),
        };
        let page = read_page(client, listing, behind).await?;
        // The vendor may have forgotten the cursor, and an end it shows then is none (I2).
        if is_resumed && page.items.is_empty() && page.next.is_none() {
            return Err(ClientError::ResumeProvedNothing);
        }
        let walk = page.next.clone().map_or(Pagination::Drained, |cursor| {
            Pagination::At(Resume { cursor, page: page.number, cycle: page.cycle })
        });
        Ok(Some((page, walk)))
    })
}

async fn read_page(
    client: &Client,
    listing: Listing<'_>,
    behind: Option<Resume>,
) -> Result<Page, ClientError> {
    let pages_before = behind.as_ref().map_or(0, |place| place.page);
    let limit = match listing {
        Listing::Window(_) | Listing::Aml(_) | Listing::Everything => {
            client.caller.settings().pages_per_window_max
        }
        Listing::Found(_) => FIND_PAGES_MAX,
    };
    if pages_before >= limit {
        return Err(ClientError::TooManyPages { limit });
    }
    let cursor = behind.as_ref().map(|place| &place.cursor);
    let request = Request::Page { listing, cursor, count_max: None };
    let reply = client.caller.call(&*client.limiter, &request).await?;
    let has_shown_end_mark = match &reply.envelope.next {
        Some(_) => client.caller.note_end_mark(),
        None => confirm_end(client, listing, cursor, &reply).await?,
    };
    let number = pages_before.saturating_add(1);
    let mut cycle = behind.map(|place| place.cycle).unwrap_or_default();
    if let Some(next) = &reply.envelope.next {
        cycle.follow(next, number)?;
    }
    Ok(Page {
        number,
        read: reply.read,
        items: reply.envelope.items,
        next: reply.envelope.next,
        cycle,
        vendor_project: reply.envelope.vendor_project,
        unknown: reply.envelope.unknown,
        has_shown_end_mark,
    })
}

/// Makes sure that a page without a next-page key ends its list, by one call more where that is in
/// doubt. Returns whether that call was the first to bring a next-page key.
async fn confirm_end(
    client: &Client,
    listing: Listing<'_>,
    cursor: Option<&Cursor>,
    reply: &Reply,
) -> Result<bool, ClientError> {
    let Some(doubt) = end::doubt(&reply.envelope, reply.count, client.caller.marks_end()) else {
        return Ok(false);
    };
    let check = Check::of(reply.envelope.items.len());
    let request = match check {
        Check::Half { count } => Request::Page { listing, cursor, count_max: Some(count) },
        Check::Any => {
            Request::Page { listing: Listing::Everything, cursor: None, count_max: Some(1) }
        }
    };
    let answer = client.caller.call(&*client.limiter, &request).await?.envelope;
    if !check.resolves(&doubt, &answer) {
        return Err(ClientError::EndUnknown(doubt));
    }
    Ok(client.caller.note_end_mark())
}
