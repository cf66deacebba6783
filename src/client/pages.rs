//! A pass over a list, from its first page to the one without a cursor, as a stream of pages.

use futures_util::{Stream, stream};

use super::{
    Client, ClientError, FIND_PAGES_MAX, Item, UnknownMember,
    call::Reply,
    end::{self, Check},
    request::{Listing, Request},
};
use crate::domain::{Cursor, CycleDetector, ReadNumber};

/// One page of a pass.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its number within the pass, from 1; a resumed pass continues the count.
    pub number: u32,
    /// Drawn just before the attempt that was answered.
    pub read: ReadNumber,
    /// The items as the vendor sent them, each a slice of the answer.
    pub items: Vec<Item>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<Cursor>,
    /// The cursors followed so far, including `next`. Stored with a checkpoint to detect cycles
    /// after a restart.
    pub cycle: CycleDetector,
    /// The vendor's own id of the project, if the answer contains it (`faceAuth_projectId`).
    pub vendor_project: Option<String>,
    /// The members of the answer that the contract does not name.
    pub unknown: Vec<UnknownMember>,
    /// Whether this page was the first to show that lists with further pages have a next-page key.
    pub has_shown_end_mark: bool,
}

/// The position of an earlier pass.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The cursor of the last committed page.
    pub cursor: Cursor,
    /// The number of that page.
    pub page: u32,
    /// The cycle detector after that page.
    pub cycle: CycleDetector,
}

/// The state of a pass between two pages.
enum Pagination {
    /// Nothing was requested yet.
    Start,
    /// The position of an earlier pass; this one has requested nothing.
    Resumed(Resume),
    /// The position after a page of this pass.
    At(Resume),
    /// The last page was read.
    Drained,
}

/// Lists all pages.
pub(super) fn read<'a>(
    client: &'a Client,
    listing: Listing<'a>,
    resume: Option<Resume>,
) -> impl Stream<Item = Result<Page, ClientError>> + Send + 'a {
    let start = resume.map_or(Pagination::Start, Pagination::Resumed);
    stream::try_unfold(start, move |position| async move {
        let (behind, is_resumed) = match position {
            Pagination::Drained => return Ok(None),
            Pagination::Start => (None, false),
            Pagination::Resumed(place) => (Some(place), true),
            Pagination::At(place) => (Some(place), false),
        };
        let page = read_page(client, listing, behind).await?;
        // The vendor may have forgotten the cursor; an empty page then does not prove the end (I2).
        if is_resumed && page.items.is_empty() && page.next.is_none() {
            return Err(ClientError::ResumeProvedNothing);
        }
        let position = page.next.clone().map_or(Pagination::Drained, |cursor| {
            Pagination::At(Resume { cursor, page: page.number, cycle: page.cycle })
        });
        Ok(Some((page, position)))
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

/// Confirms that a page without a next-page key ends its list, by one more call if that is in
/// doubt. Returns whether that call was the first to return a next-page key.
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
