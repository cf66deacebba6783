//! Memory of answers, used again: an answer of megabytes would otherwise leave holes of its size
//! behind each time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// More than this is not kept for the next answers, whatever was in use at a time.
const KEPT_BYTES_MAX: usize = 40 << 20;

/// A buffer of up to this size serves any answer; a larger one serves answers that are larger than
/// this too, such as the last page of a walk.
pub const SMALL_BYTES_MAX: usize = 1 << 20;

/// All memory of answers.
static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), lent: 0, lent_max: 0 });

struct Pool {
    /// Buffers that are free, the one that was used last at the end.
    free: Vec<Vec<u8>>,
    /// Bytes of those that are in use.
    lent: usize,
    /// The most that was in use at a time. With what is free it never becomes more than that.
    lent_max: usize,
}

impl Pool {
    fn locked() -> MutexGuard<'static, Self> {
        POOL.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what a buffer takes, and what it took before it grew.
    fn lend(&mut self, bytes: usize, before: usize) {
        self.lent = (self.lent + bytes).saturating_sub(before);
        self.lent_max = self.lent_max.max(self.lent);
        self.shrink();
    }

    /// Keeps a buffer for the next answers.
    fn take_back(&mut self, mut bytes: Vec<u8>, lent: usize) {
        bytes.clear();
        self.lent = self.lent.saturating_sub(lent);
        self.free.push(bytes);
        self.shrink();
    }

    /// Lets go of what is too much, the oldest first.
    fn shrink(&mut self) {
        let limit = self.lent_max.min(KEPT_BYTES_MAX).saturating_sub(self.lent);
        while self.free.iter().map(Vec::capacity).sum::<usize>() > limit {
            self.free.remove(0);
        }
    }
}

/// Memory for one answer; goes back when the answer and all slices of it are gone.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// What the pool knows of its size.
    lent: usize,
}

impl Buffer {
    /// Memory for so many bytes, as far as that is known.
    pub(super) fn take(capacity: usize) -> Self {
        let mut pool = Pool::locked();
        let largest = if capacity > SMALL_BYTES_MAX { usize::MAX } else { SMALL_BYTES_MAX };
        let chosen = pool
            .free
            .iter()
            .map(Vec::capacity)
            .enumerate()
            .filter(|(_, held)| (capacity / 2..=largest).contains(held))
            .max_by_key(|(_, held)| *held);
        let mut bytes = chosen.map(|(index, _)| pool.free.remove(index)).unwrap_or_default();
        if bytes.capacity() < capacity {
            // Pages are of nearly one size; a little more lets the next one fit.
            bytes.reserve_exact(capacity + capacity / 16);
        }
        let lent = bytes.capacity();
        pool.lend(lent, 0);
        Self { bytes, lent }
    }

    /// How many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds what was received.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes, to be cut into slices without a copy.
    pub(super) fn freeze(mut self) -> Bytes {
        let lent = self.bytes.capacity();
        Pool::locked().lend(lent, self.lent);
        self.lent = lent;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        Pool::locked().take_back(std::mem::take(&mut self.bytes), self.lent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_was_received_whatever_stood_in_its_memory_before() {
        for text in ["a long answer of some person", "short", ""] {
            let mut buffer = Buffer::take(text.len());
            buffer.extend(text.as_bytes());
            assert_eq!(buffer.len(), text.len());
            let bytes = buffer.freeze();
            let slice = bytes.slice(..text.len() / 2);
            drop(bytes);
            assert_eq!(slice, &text.as_bytes()[..text.len() / 2]);
        }
    }

    #[test]
    fn what_is_kept_and_in_use_is_never_more_than_was_in_use_at_a_time() {
        let mut pool = Pool { free: Vec::new(), lent: 0, lent_max: 0 };
        let kept = |pool: &Pool| pool.free.iter().map(Vec::capacity).collect::<Vec<_>>();
        pool.lend(100, 0);
        pool.lend(50, 0);
        pool.take_back(Vec::with_capacity(100), 100);
        assert_eq!(kept(&pool), [100], "both were in use before");
        pool.lend(30, 0);
        assert_eq!(kept(&pool), [0; 0], "100 more than 50 and 30 would be");
        pool.take_back(Vec::with_capacity(30), 30);
        pool.take_back(Vec::with_capacity(80), 50);
        assert_eq!(kept(&pool), [30, 80]);
        pool.lend(KEPT_BYTES_MAX, 0);
        pool.take_back(Vec::with_capacity(KEPT_BYTES_MAX + 1), KEPT_BYTES_MAX);
        assert_eq!(kept(&pool), [0; 0], "too large to keep");
    }
}
