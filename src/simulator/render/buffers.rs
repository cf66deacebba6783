//! Memory of bodies, used again: what megabytes of fresh memory cost would be measured as if the
//! program had cost it.

use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;

/// Smaller ones are not worth the trouble.
const BYTES_MIN: usize = 1 << 20;

/// As many pages as are under way at a time, or nearly.
const KEPT_MAX: usize = 4;

static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Memory for a body of about so many bytes.
pub(super) fn take(capacity: usize) -> Vec<u8> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    match free.iter().position(|held| capacity >= BYTES_MIN && held.capacity() >= capacity) {
        Some(index) => free.swap_remove(index),
        None => Vec::with_capacity(capacity),
    }
}

/// The body, whose memory is free once it is sent.
pub(in crate::simulator) fn lend(body: Vec<u8>) -> Bytes {
    if body.capacity() < BYTES_MIN { Bytes::from(body) } else { Bytes::from_owner(Lent(body)) }
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut body = std::mem::take(&mut self.0);
        body.clear();
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT_MAX {
            free.push(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_was_written_whatever_stood_in_its_memory_before() {
        for text in ["a long body of some person", "short"] {
            let mut body = take(BYTES_MIN);
            assert!(body.is_empty() && body.capacity() >= BYTES_MIN);
            body.extend_from_slice(text.as_bytes());
            assert_eq!(lend(body), text.as_bytes());
        }
    }
}
