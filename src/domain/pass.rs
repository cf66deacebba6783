//! A pass over a window: cursors, and the detection of cursor cycles.

use sha2::{Digest as _, Sha256};

use super::Digest;

/// The vendor's next-page key, stored and sent back byte for byte (contract section 3.3).
///
/// It is opaque: it is never parsed, ordered or generated.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// `nextpageKey.id`, or `nextPage_key.authId`.
    pub id: String,
    /// `nextpageKey.created_at`, or `nextPage_key.createTime`.
    pub date: String,
}

impl Cursor {
    fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        hash.update(self.id.len().to_le_bytes());
        hash.update(self.id.as_bytes());
        hash.update(self.date.as_bytes());
        let mut digest = [0; 16];
        digest.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Digest(digest)
    }
}

impl std::fmt::Debug for Cursor {
    /// Shows only the digest, because a cursor names a record.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({:?})", self.digest())
    }
}

/// The vendor returned a cursor that this pass has already followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vendor's next-page keys form a cycle: page {page} leads back to an earlier page")]
pub struct CursorCycle {
    /// The page whose cursor revealed the cycle, from 1.
    pub page: u32,
}

/// Detects cycles among the cursors of a pass in constant memory (Brent's algorithm).
///
/// The state is small enough to be stored with the checkpoint, so a cycle is also detected across
/// restarts. A cycle of length n that is entered after m pages is detected before page
/// `3 * (m + n) + 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CycleDetector {
    /// The remembered cursor; `None` before the first one.
    pub anchor: Option<Digest>,
    /// Cursors followed since the anchor was set.
    pub steps: u32,
    /// Steps after which the anchor is replaced; doubles each time.
    pub limit: u32,
}

impl CycleDetector {
    /// Follows the cursor of page number `page`. Returns an error if it was followed before.
    pub fn follow(&mut self, cursor: &Cursor, page: u32) -> Result<(), CursorCycle> {
        let digest = cursor.digest();
        if self.anchor == Some(digest) {
            return Err(CursorCycle { page });
        }
        self.steps = self.steps.saturating_add(1);
        if self.anchor.is_none() || self.steps >= self.limit {
            *self =
                Self { anchor: Some(digest), steps: 0, limit: self.limit.saturating_mul(2).max(1) };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor(number: usize) -> Cursor {
        Cursor { id: number.to_string(), date: "2025-01-01T00:00:00.000Z".to_owned() }
    }

    fn pages_until_found(mut keys: impl Iterator<Item = usize>) -> Option<u32> {
        let mut cycle = CycleDetector::default();
        (1..10_000).find(|page| cycle.follow(&cursor(keys.next().unwrap()), *page).is_err())
    }

    #[test]
    fn the_short_circles_are_found_at_once() {
        assert_eq!(pages_until_found([1, 1].into_iter().cycle()), Some(2));
        assert!(pages_until_found([1, 2].into_iter().cycle()).unwrap() <= 6);
    }

    proptest! {
        #[test]
        fn every_circle_is_found(before in 0usize..200, length in 1usize..200) {
            let keys = (0..before).chain((before..before + length).cycle().take(20_000));
            let found = pages_until_found(keys);
            prop_assert!(found.is_some_and(|page| page as usize <= 3 * (before + length) + 3));
        }

        #[test]
        fn a_straight_walk_never_looks_like_a_circle(length in 1usize..3000) {
            let mut cycle = CycleDetector::default();
            for number in 0..length {
                prop_assert!(cycle.follow(&cursor(number), 1).is_ok());
            }
        }
    }
}
