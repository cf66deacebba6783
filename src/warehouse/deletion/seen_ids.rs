//! What a walk has shown, in as little memory as tells what it did not show.

use std::hash::{BuildHasher as _, RandomState};

use crate::domain::ReadNumber;

/// Longer walks prove no absence: what they saw would take too much memory.
const SEEN_MAX: usize = 1_000_000;

/// What one uninterrupted walk has seen, from its first page on. Four bytes a record.
///
/// Where two ids come to the same four bytes, a missing record is taken for one that was seen. Of a
/// million others one does so once in four thousand walks; each walk draws bytes of its own, so
/// that the next one misses it.
#[derive(Debug, Default)]
pub struct SeenIds {
    /// Drawn before the first page was asked for.
    began: Option<ReadNumber>,
    /// For each page the bytes of its ids: a list that grew would hold as much again for what may
    /// come.
    pages: Vec<Box<[u32]>>,
    count: usize,
    hasher: RandomState,
}

impl SeenIds {
    /// Notes the ids of a page.
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

    /// What was seen, to be asked; `None` of a walk that was too long, or showed no page.
    pub(super) fn sorted(&self) -> Option<Sorted<'_>> {
        let began = self.began.filter(|_| self.count <= SEEN_MAX)?;
        let mut ids = self.pages.concat();
        ids.sort_unstable();
        Some(Sorted { began, ids, hasher: &self.hasher })
    }
}

/// What a whole walk has seen.
pub(super) struct Sorted<'a> {
    /// Drawn before the first page was asked for.
    pub(super) began: ReadNumber,
    ids: Vec<u32>,
    hasher: &'a RandomState,
}

impl Sorted<'_> {
    /// Whether the walk showed the record.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.binary_search(&bytes_of(self.hasher, id)).is_ok()
    }
}

/// Four of the eight bytes that an id comes to.
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
        assert!(SeenIds::default().sorted().is_none(), "no page, no walk");
    }
}
