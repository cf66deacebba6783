//! Limits the bytes of pages in memory, including the rows made of them. This bounds memory however
//! many windows are read (I9).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{client::SMALL_BYTES_MAX, warehouse};

/// Bytes of one unit of memory.
const UNIT: usize = 1024;

/// Assumed size of an item before the first page. Items of lists are smaller than those of detail
/// calls, which have six kilobytes.
const ITEM_BYTES_FIRST: u32 = 5 << 10;

/// Memory for pages, shared by all passes.
#[derive(Debug, Clone)]
pub(in crate::sync) struct PageMemory {
    units_free: Arc<Semaphore>,
    units: u32,
}

impl PageMemory {
    /// Memory of this number of bytes.
    pub(in crate::sync) fn new(bytes: usize) -> Self {
        let units = units(bytes).max(1);
        Self { units_free: Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(1))), units }
    }

    /// Waits until memory for a page is reserved.
    ///
    /// Before the first page the reservation uses a pessimistic item size; waiters retry with the
    /// measured size once a page has arrived.
    pub(super) async fn reserve_page(&self, pages: &PageBytes<'_>) -> Reserved {
        if !pages.item_bytes.is_known() {
            tokio::select! {
                biased;
                reserved = self.reserve(pages.expected()) => return reserved,
                () = pages.item_bytes.known() => {}
            }
        }
        self.reserve(pages.expected()).await
    }

    /// Waits until memory for an answer of about this number of bytes is reserved. An answer larger
    /// than all memory gets all of it.
    pub(in crate::sync) async fn reserve(&self, bytes: usize) -> Reserved {
        let units = units(bytes).clamp(1, self.units);
        // Never closed. Without a permit, memory would be unbounded but nothing lost.
        Reserved { permit: Arc::clone(&self.units_free).acquire_many_owned(units).await.ok() }
    }
}

/// Reserved memory, released on drop.
#[derive(Debug)]
pub(in crate::sync) struct Reserved {
    permit: Option<OwnedSemaphorePermit>,
}

impl Reserved {
    /// Releases the memory that an answer of `bytes` and its rows do not need.
    ///
    /// A large answer keeps the whole reservation, because its buffer may be as large as the
    /// expected page.
    pub(super) fn fit(self, bytes: usize, rows: usize) -> Self {
        if bytes > SMALL_BYTES_MAX { self } else { self.at_most(bytes.saturating_add(rows)) }
    }

    /// Releases the memory above this number of bytes.
    pub(in crate::sync) fn at_most(mut self, bytes: usize) -> Self {
        drop(self.split(self.bytes().saturating_sub(bytes)));
        self
    }

    fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, |permit| permit.num_permits().saturating_mul(UNIT))
    }

    fn split(&mut self, bytes: usize) -> Self {
        let units = usize::try_from(units(bytes)).unwrap_or(usize::MAX);
        let permit = self.permit.as_mut();
        Self { permit: permit.and_then(|permit| permit.split(units.min(permit.num_permits()))) }
    }
}

/// The item size of a project's pages, measured on the last one.
#[derive(Debug, Default)]
pub(in crate::sync) struct ItemBytes(watch::Sender<Option<u32>>);

impl ItemBytes {
    /// Whether a page has arrived.
    fn is_known(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Returns once a page has arrived.
    async fn known(&self) {
        let mut bytes = self.0.subscribe();
        // Never closed while `self` is borrowed.
        let _known = bytes.wait_for(Option::is_some).await;
    }
}

/// The memory that the next page of a pass needs.
#[derive(Debug)]
pub(super) struct PageBytes<'a> {
    item_bytes: &'a ItemBytes,
    page_size: u32,
    stored: PagesSoFar,
}

/// The pages of a pass so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PagesSoFar {
    Nothing,
    /// Already known, so that no rows were made of them.
    Known,
    /// Not all known. Known pages at the end do not count, since passes end on days of their
    /// neighbours.
    New,
}

impl<'a> PageBytes<'a> {
    /// The pages of one pass, with at most `page_size` items each.
    pub(super) fn new(item_bytes: &'a ItemBytes, page_size: u32) -> Self {
        Self { item_bytes, page_size, stored: PagesSoFar::Nothing }
    }

    /// The memory for a page.
    fn expected(&self) -> usize {
        let item_bytes = self.item_bytes.0.borrow().unwrap_or(ITEM_BYTES_FIRST);
        let bytes = u64::from(item_bytes) * u64::from(self.page_size);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        bytes.saturating_add(self.rows(bytes))
    }

    /// The memory for the rows that are likely made of a page of this size.
    pub(super) fn rows(&self, bytes: usize) -> usize {
        if self.stored == PagesSoFar::Known { 0 } else { warehouse::bytes_to_write(bytes) }
    }

    /// Records the size of a page.
    pub(super) fn note(&self, bytes: usize, items: usize) {
        if let Some(item_bytes) = bytes.checked_div(items) {
            let item_bytes = u32::try_from(item_bytes).unwrap_or(u32::MAX).max(1);
            self.item_bytes.0.send_replace(Some(item_bytes));
        }
    }

    /// Records how many items of a page had to be written. The memory for a few is negligible.
    pub(super) fn note_written(&mut self, written: i64, items: i64) {
        let is_known = self.stored != PagesSoFar::New && written <= items / 10;
        self.stored = if is_known { PagesSoFar::Known } else { PagesSoFar::New };
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_finds_no_room_waits_until_some_is_given_back() {
        let in_flight = PageMemory::new(10 * UNIT);
        let first = in_flight.reserve(8 * UNIT).await;
        let mut second = Box::pin(in_flight.reserve(3 * UNIT));
        assert!((&mut second).now_or_never().is_none());
        let first = first.fit(5 * UNIT, 2 * UNIT);
        drop(second.await);
        let mut second = Box::pin(in_flight.reserve(4 * UNIT));
        assert!((&mut second).now_or_never().is_none(), "seven units are needed");
        drop(first);
        drop(second.await);
        let all = in_flight.reserve(usize::MAX).await;
        assert!(in_flight.reserve(1).now_or_never().is_none());
        drop(all);
        assert!(in_flight.reserve(0).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_large_answer_keeps_the_room_of_a_page() {
        let in_flight = PageMemory::new(10 << 20);
        let answer = in_flight.reserve(8 << 20).await.fit(2 << 20, 3 << 20);
        assert!(in_flight.reserve(3 << 20).now_or_never().is_none());
        drop(answer);
        assert!(in_flight.reserve(10 << 20).now_or_never().is_some());
    }

    #[test]
    fn a_page_is_expected_to_be_like_the_last() {
        let item_bytes = ItemBytes::default();
        let mut pages = PageBytes::new(&item_bytes, 2000);
        let room = |bytes: usize| bytes + warehouse::bytes_to_write(bytes);
        assert_eq!(pages.expected(), room(2000 * 5120));
        pages.note(500_000, 100);
        assert_eq!(pages.expected(), room(10_000_000));
        pages.note(0, 0);
        assert_eq!(pages.expected(), room(10_000_000), "an empty page says nothing");
        pages.note_written(20, 2000);
        assert_eq!(pages.expected(), 10_000_000, "nothing is made of what is known already");
        let other = PageBytes::new(&item_bytes, 2000);
        assert_eq!(other.expected(), room(10_000_000), "which says nothing of other days");
        pages.note_written(2000, 2000);
        assert_eq!(pages.expected(), room(10_000_000));
        pages.note_written(0, 2000);
        assert_eq!(pages.expected(), room(10_000_000), "a pass of new days ends on known ones");
    }

    #[tokio::test]
    async fn who_waits_for_a_page_of_unknown_size_asks_anew_once_one_was_seen() {
        let in_flight = PageMemory::new(27 << 20);
        let item_bytes = ItemBytes::default();
        let pages = PageBytes::new(&item_bytes, 2400);
        let _first = in_flight.reserve_page(&pages).await;
        let mut second = Box::pin(in_flight.reserve_page(&pages));
        assert!((&mut second).now_or_never().is_none());
        pages.note(100_000, 100);
        drop(second.await);
    }
}
