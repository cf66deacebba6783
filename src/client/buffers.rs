//! Reuses the memory of answers. Otherwise each answer of megabytes would leave a hole of its size
//! in the heap.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Most bytes kept for the next answers, whatever was in use at a time.
const KEPT_BYTES_MAX: usize = 40 << 20;

/// A buffer of up to this size is used for any answer. A larger one is used for answers above this
/// size, including smaller ones than itself, such as the last page of a pass.
pub const SMALL_BYTES_MAX: usize = 1 << 20;

/// The memory of all answers.
static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), lent: 0, lent_max: 0 });

struct Pool {
    /// Free buffers, the most recently used one last.
    free: Vec<Vec<u8>>,
    /// Bytes of the buffers in use.
    lent: usize,
    /// The most bytes in use at a time; together with the free buffers the pool never exceeds it.
    lent_max: usize,
}

impl Pool {
    fn locked() -> MutexGuard<'static, Self> {
        POOL.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the size of a buffer, minus the size it had before it grew.
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

    /// Releases the excess, the oldest buffers first.
    fn shrink(&mut self) {
        let limit = self.lent_max.min(KEPT_BYTES_MAX).saturating_sub(self.lent);
        while self.free.iter().map(Vec::capacity).sum::<usize>() > limit {
            self.free.remove(0);
        }
    }
}

/// Memory for one answer. Returns to the pool when the answer and all slices of it are dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// The size that the pool has recorded.
    lent: usize,
}

impl Buffer {
    /// Takes memory for `capacity` bytes, as far as the size is known.
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
            // Pages have nearly the same size; a small reserve lets the next one fit.
            bytes.reserve_exact(capacity + capacity / 16);
        }
        let lent = bytes.capacity();
        pool.lend(lent, 0);
        Self { bytes, lent }
    }

    /// The number of bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds received bytes.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the bytes, which can be sliced without a copy.
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
