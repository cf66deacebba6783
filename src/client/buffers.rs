//! Memory of answers, used again: an answer of megabytes would otherwise leave holes of its size behind each time.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// What is kept for the next answers, at most.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// A buffer of up to this size serves any answer; a larger one serves answers that are larger than this too, such as the
/// last page of a walk.
const ANY_BYTES_MAX: usize = 1 << 20;

/// Buffers that are free, the one that was used last at the end.
static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Memory for one answer; goes back when the answer and all slices of it are gone.
#[derive(Debug)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// Memory for so many bytes, as far as that is known.
    pub(super) fn take(capacity: usize) -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let largest = if capacity > ANY_BYTES_MAX { usize::MAX } else { ANY_BYTES_MAX };
        let chosen = free
            .iter()
            .map(Vec::capacity)
            .enumerate()
            .filter(|(_, held)| (capacity / 2..=largest).contains(held))
            .max_by_key(|(_, held)| *held);
        let mut bytes = chosen.map(|(index, _)| free.remove(index)).unwrap_or_default();
        drop(free);
        if bytes.capacity() < capacity {
            // Pages are of nearly one size; a little more lets the next one fit.
            bytes.reserve_exact(capacity + capacity / 16);
        }
        Self(bytes)
    }

    /// How many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds what was received.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The bytes, to be cut into slices without a copy.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.clear();
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(bytes);
        // The oldest are let go first.
        while free.iter().map(Vec::capacity).sum::<usize>() > KEPT_BYTES_MAX {
            free.remove(0);
        }
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
}
