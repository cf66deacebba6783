//! The ids that a pass has read, stored compactly enough to find the missing records.

use std::hash::{BuildHasher as _, RandomState};

use crate::domain::ReadNumber;

/// Passes with more ids than this prove no absence: their ids would need too much memory.
const SEEN_MAX: usize = 1_000_000;

/// The ids read by an uninterrupted pass since its first page. Four bytes for each record.
///
/// If two ids have the same four bytes, a missing record may count as seen. With a million other
/// records this happens to a missing record in one of four thousand passes. Each pass uses a new
/// random hash, so the next pass detects it.
#[derive(Debug, Default)]
pub struct SeenIds {
    /// The read number drawn before the first page was requested.
    began: Option<ReadNumber>,
    /// The hashes of each page's ids. A single growing list would reserve up to twice the memory.
    pages: Vec<Box<[u32]>>,
    count: usize,
    hasher: RandomState,
}

impl SeenIds {
    /// Adds the ids of a page.
    pub fn add<'a>(&mut self, read: ReadNumber, ids: impl Iterator<Item = &'a str>) {
        self.began.get_or_insert(read);
        if self.count > SEEN_MAX {
            return;
        }
        let ids: Box<[u32]> = ids.map(|id| bytes_of(&self.hasher, id)).collect();
        self.count += ids.len();
        self.pages.push(ids);
        if self.count > SEEN_MAX {
            self.pages = Vec::new();
        }
    }

    /// Returns the ids for lookups. `None` if the pass was too long or had no page.
    pub(super) fn sorted(&self) -> Option<Sorted<'_>> {
        let began = self.began.filter(|_| self.count <= SEEN_MAX)?;
        let mut ids = self.pages.concat();
        ids.sort_unstable();
        Some(Sorted { began, ids, hasher: &self.hasher })
    }
}

/// The sorted ids of a complete pass.
pub(super) struct Sorted<'a> {
    /// The read number drawn before the first page was requested.
    pub(super) began: ReadNumber,
    ids: Vec<u32>,
    hasher: &'a RandomState,
}

impl Sorted<'_> {
    /// Whether the pass read this record.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.binary_search(&bytes_of(self.hasher, id)).is_ok()
    }
}

/// Four of the eight bytes of an id's hash.
fn bytes_of(hasher: &RandomState, id: &str) -> u32 {
    let [one, two, three, four, ..] = hasher.hash_one(id).to_le_bytes();
    u32::from_le_bytes([one, two, three, four])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("id-{number}")).collect()
    }

    fn seen(pages: &[Vec<String>]) -> SeenIds {
        let mut seen = SeenIds::default();
        for (read, page) in (7..).zip(pages) {
            seen.add(ReadNumber(read), page.iter().map(String::as_str));
        }
        seen
    }

    #[test]
    fn what_was_shown_is_known_and_what_was_not_is_missed() {
        let seen = seen(&[ids(0..2000), Vec::new(), ids(1990..3000)]);
        let sorted = seen.sorted().unwrap();
        assert_eq!(sorted.began, ReadNumber(7), "the first page's number");
        assert!(ids(0..3000).iter().all(|id| sorted.contains(id)));
        let taken_for_seen = ids(3000..6000).iter().filter(|id| sorted.contains(id)).count();
        assert!(taken_for_seen < 3, "3,000 others meet 3,000 of four billion: {taken_for_seen}");
    }

    #[test]
    fn a_missing_record_is_not_taken_for_the_same_one_in_every_walk() {
        let [first, again] = [(), ()].map(|()| seen(&[ids(0..1)]).hasher);
        assert_ne!(bytes_of(&first, "id-0"), bytes_of(&again, "id-0"));
    }

    #[test]
    fn a_walk_that_is_too_long_proves_nothing() {
        let mut long = seen(&[ids(0..SEEN_MAX)]);
        assert!(long.sorted().is_some());
        long.add(ReadNumber(8), std::iter::once("one more"));
        assert!(long.sorted().is_none());
        long.add(ReadNumber(9), std::iter::once("another"));
        assert!(long.sorted().is_none() && long.pages.is_empty());
        assert!(SeenIds::default().sorted().is_none(), "no page, no pass");
    }
}
