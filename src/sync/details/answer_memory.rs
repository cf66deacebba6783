//! Limits the memory of answers of detail calls (I9).
//!
//! Their sizes are unknown in advance. Each call therefore reserves memory for an answer like the
//! largest recent one, and one answer at a time may be larger.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use crate::{
    client::{AnswerReservation, LargeAnswerPermit},
    sync::lists::memory::{PageMemory, Reserved},
    warehouse,
};

/// Divisor of `sync.bytes_in_flight` for detail calls, in addition to the memory for pages. With
/// one pool, calls of kilobytes would wait for pages of megabytes.
const PART: usize = 4;

/// Size that is always available for an answer. Most answers have less than 10 kB.
const USUAL_BYTES: usize = 64 << 10;

/// Divisor of that memory for the reservation of one call, so that a call without an answer cannot
/// stop all others. Answers that need more are received one at a time.
const PART_OF_A_CALL: usize = 4;

/// Memory for the answers of detail calls of all projects.
#[derive(Debug, Clone)]
pub(in crate::sync) struct AnswerMemory {
    pool: PageMemory,
    /// Most bytes that a call reserves.
    bytes_max: usize,
    larger: Arc<Semaphore>,
    /// The number of calls that wait for memory.
    waiting: watch::Sender<u32>,
}

impl AnswerMemory {
    /// Takes a part of `bytes_in_flight`, the limit for pages.
    pub(in crate::sync) fn new(bytes_in_flight: usize) -> Self {
        let bytes = bytes_in_flight / PART;
        Self {
            pool: PageMemory::new(bytes),
            bytes_max: bytes / PART_OF_A_CALL,
            larger: Arc::new(Semaphore::new(1)),
            waiting: watch::Sender::new(0),
        }
    }

    /// Waits until memory for an answer of the expected size is reserved.
    pub(super) async fn reserve(&self, sizes: &AnswerSizes) -> Reservation {
        let expected = sizes.expected();
        let bytes = if needed(expected) > self.bytes_max { USUAL_BYTES } else { expected };
        let reserved = self.counted(self.pool.reserve(needed(bytes))).await;
        Reservation { reserved, bytes, memory: self.clone() }
    }

    /// Returns once a call waits for memory.
    pub(super) async fn shortage(&self) {
        let mut waiting = self.waiting.subscribe();
        // Never closed while `self` is borrowed.
        let _waiting = waiting.wait_for(|calls| *calls > 0).await;
    }

    /// Counts a call as waiting until it has its memory or is cancelled.
    async fn counted<T>(&self, memory: impl Future<Output = T>) -> T {
        let _counted = Counted::new(&self.waiting);
        memory.await
    }
}

struct Counted<'a>(&'a watch::Sender<u32>);

impl<'a> Counted<'a> {
    fn new(waiting: &'a watch::Sender<u32>) -> Self {
        waiting.send_modify(|calls| *calls += 1);
        Self(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|calls| *calls -= 1);
    }
}

/// Memory that an answer needs until it is stored, including its rows if they are large.
fn needed(bytes: usize) -> usize {
    let rows = if bytes > USUAL_BYTES { warehouse::bytes_to_write(bytes) } else { 0 };
    bytes.saturating_add(rows)
}

/// The sizes of the answers of one project's detail calls.
#[derive(Debug, Default)]
pub(in crate::sync) struct AnswerSizes(AtomicUsize);

impl AnswerSizes {
    fn expected(&self) -> usize {
        self.0.load(Relaxed).max(USUAL_BYTES)
    }

    /// Records the size of an answer. The weight of a large one decays gradually.
    fn note(&self, bytes: usize) {
        let size = bytes.saturating_add(bytes / 8);
        let decayed = |before: usize| Some((before - before / 64).max(size));
        // Never fails, because a new value is always given.
        let _before = self.0.fetch_update(Relaxed, Relaxed, decayed);
    }
}

/// Memory used by one answer, released on drop.
pub(super) struct UsedMemory {
    _reserved: Reserved,
    _larger: Option<LargeAnswerPermit>,
}

/// Memory reserved for one answer.
#[derive(Debug)]
pub(super) struct Reservation {
    reserved: Reserved,
    bytes: usize,
    memory: AnswerMemory,
}

impl Reservation {
    /// Releases the memory that an answer of this size does not need.
    pub(super) fn keep(
        self,
        sizes: &AnswerSizes,
        bytes: usize,
        larger: Option<LargeAnswerPermit>,
    ) -> UsedMemory {
        sizes.note(bytes);
        UsedMemory { _reserved: self.reserved.at_most(needed(bytes)), _larger: larger }
    }
}

impl AnswerReservation for Reservation {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn grow(&self) -> BoxFuture<'_, LargeAnswerPermit> {
        Box::pin(async {
            // Never closed. Without a permit, memory would be unbounded but nothing lost.
            let permit = Arc::clone(&self.memory.larger).acquire_owned();
            let permit = self.memory.counted(permit).await.ok();
            Arc::new(permit) as LargeAnswerPermit
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn calls_take_room_for_the_largest_answer_of_late() {
        let (memory, sizes) = (AnswerMemory::new(40 * MIB), AnswerSizes::default());
        let first = memory.reserve(&sizes).await;
        assert_eq!(first.bytes(), USUAL_BYTES);
        drop(first.keep(&sizes, MIB / 4, None));
        let mut large: Vec<_> =
            (0..5).map(|_| memory.reserve(&sizes).now_or_never().expect("room")).collect();
        assert_eq!(large[0].bytes(), MIB / 4 + MIB / 32);
        let mut short = Box::pin(memory.shortage());
        assert!(short.as_mut().now_or_never().is_none());
        let mut sixth = Box::pin(memory.reserve(&sizes));
        assert!(sixth.as_mut().now_or_never().is_none(), "no sixth one fits");
        assert!(short.as_mut().now_or_never().is_some());
        large.clear();
        assert!(sixth.as_mut().now_or_never().is_some());
        assert!(memory.shortage().now_or_never().is_none());
        for _ in 0..1000 {
            sizes.note(6000);
        }
        let calls: Vec<_> = (0..100).map(|_| memory.reserve(&sizes).now_or_never()).collect();
        assert!(calls.iter().all(Option::is_some), "it is forgotten");
    }

    #[tokio::test]
    async fn a_call_without_an_answer_stops_no_other_however_large_answers_are() {
        let (memory, sizes) = (AnswerMemory::new(40 * MIB), AnswerSizes::default());
        let mut calls = vec![memory.reserve(&sizes).await];
        for _ in 0..8 {
            sizes.note(15 * MIB);
            calls.push(memory.reserve(&sizes).now_or_never().expect("room"));
        }
        assert!(calls[0].grow().now_or_never().is_some());
    }

    #[tokio::test]
    async fn an_answer_that_was_smaller_gives_room_back() {
        let (memory, sizes) = (AnswerMemory::new(MIB), AnswerSizes::default());
        let mut kept = Vec::new();
        for _ in 0..40 {
            let room = memory.reserve(&sizes).now_or_never().expect("room");
            kept.push(room.keep(&sizes, 2000, None));
        }
    }

    #[tokio::test]
    async fn one_answer_at_a_time_may_be_larger_than_its_room() {
        let (memory, sizes) = (AnswerMemory::new(MIB), AnswerSizes::default());
        let (one, other) = (memory.reserve(&sizes).await, memory.reserve(&sizes).await);
        let larger = one.grow().await;
        assert!(other.grow().now_or_never().is_none());
        let kept = one.keep(&sizes, 30 * MIB, Some(larger));
        assert!(other.grow().now_or_never().is_none(), "until it is stored");
        drop(kept);
        assert!(other.grow().now_or_never().is_some());
    }
}
