//! Reproducible pseudo-random numbers.

use std::hash::{BuildHasher as _, RandomState};

/// A generator (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A new seed, or the one of `ARGOS_SYNC_TEST_SEED`.
    pub(crate) fn new() -> Self {
        let given = std::env::var_os("ARGOS_SYNC_TEST_SEED")
            .map(|seed| seed.to_str().and_then(|seed| seed.parse().ok()).expect("a number"));
        Self(given.unwrap_or_else(|| RandomState::new().hash_one("seed")))
    }

    /// Any number.
    pub(crate) fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 1 to `most`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        1 + self.any() % most
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between<T: TryInto<u64> + TryFrom<u64>>(&mut self, least: T, most: T) -> T {
        let whole = |number: T| number.try_into().ok().expect("no negative number");
        let (least, most) = (whole(least), whole(most));
        let number = least + self.any() % (most - least + 1);
        number.try_into().ok().expect("it lies between two of its type")
    }

    /// Returns true in this percentage of calls.
    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.any() % 100 < share
    }

    /// One of these.
    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.between(0, of.len() - 1)].clone()
    }
}
