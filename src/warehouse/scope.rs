//! The project and stream whose items are stored, and the rules for storing them.

use std::time::Duration;

use crate::{
    domain::{Day, ProjectName, Stream},
    json::Paths,
    normalize::Context,
};

/// A pass that misses all live records is not believed if there are at least this many.
pub(super) const ALL_MISSING_MIN: u32 = 5;

/// When a record gets a detail call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailMode {
    /// When its list digest is new or changed.
    OnChange,
    /// Every time a list contains it.
    Always,
    /// Only if its list item is not sufficient.
    Never,
}

impl DetailMode {
    pub(super) fn wants_changed(self) -> bool {
        match self {
            Self::OnChange | Self::Always => true,
            Self::Never => false,
        }
    }

    pub(super) fn wants_every_sight(self) -> bool {
        match self {
            Self::Always => true,
            Self::OnChange | Self::Never => false,
        }
    }
}

/// The project and stream whose items are stored, and the rules for storing them.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The first part of every key.
    pub project: ProjectName,
    /// The stream the items belong to.
    pub stream: Stream,
    /// Context for normalizing.
    pub context: Context,
    /// Paths that digests ignore.
    pub volatile: Paths,
    /// How raw bodies are stored.
    pub raw: RawStorage,
    /// When a record gets a detail call.
    pub details: DetailMode,
    /// When a record counts as deleted, and which of its data are kept.
    pub deletion: DeletionRules,
    /// The first day to store; `None` for no limit. Earlier days are stored only if requested.
    pub since: Option<Day>,
}

/// How raw bodies are stored in `argos_raw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawStorage {
    /// Compressed with zstd by argos-sync.
    Zstd,
    /// Not stored. Merging needs both bodies, so this requires `details = "always"` or `"never"`.
    None,
}

/// When a record counts as deleted, and which of its data are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeletionRules {
    /// The data kept of a deleted record.
    pub keep: Keep,
    /// The share of the live records that a pass may miss, on each day and on all its days, from 0
    /// to 1. Missing more than this and more than `missing_min` needs a person's approval.
    pub missing_share: f64,
    /// The number of live records that a pass may miss even if it exceeds `missing_share`.
    pub missing_min: u32,
    /// The minimum time between the two detail calls that must agree.
    pub confirm: Duration,
}

impl Default for DeletionRules {
    /// The defaults of the configuration.
    fn default() -> Self {
        Self {
            keep: Keep::Facts,
            missing_share: 0.01,
            missing_min: 10,
            confirm: Duration::from_hours(1),
        }
    }
}

impl DeletionRules {
    /// Whether this number of missing records is plausible.
    pub(super) fn is_plausible(&self, count: Count) -> bool {
        count.missing <= self.missing_min
            || f64::from(count.missing) <= self.missing_share * f64::from(count.live)
    }

    /// Whether the missing records of a pass are plausible: on each day, on all days together, and
    /// not all of them.
    pub(super) fn is_plausible_pass(&self, days: impl Iterator<Item = Count>) -> bool {
        let mut whole = Count::default();
        let mut is_plausible = true;
        for day in days {
            is_plausible &= self.is_plausible(day);
            whole = whole.plus(day);
        }
        let misses_all = whole.live >= ALL_MISSING_MIN && whole.missing == whole.live;
        is_plausible && self.is_plausible(whole) && !misses_all
    }
}

/// Live records and the number of them that a pass missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Live records that the pass should have shown.
    pub live: u32,
    /// Live records that the pass did not show.
    pub missing: u32,
}

impl Count {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { live: self.live + other.live, missing: self.missing + other.missing }
    }
}

/// The data kept of a deleted record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The last known values of the columns that the catalogue flags as surviving.
    Facts,
    /// All rows and raw items.
    Everything,
    /// The id, the dates and the deletion.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_missing_records_are_believed_and_a_large_share_is_not() {
        let rules = DeletionRules::default();
        for (live, missing, believed) in [
            (10, 10, true),
            (100, 11, false),
            (1100, 11, true),
            (2000, 21, false),
            (2000, 20, true),
        ] {
            assert_eq!(rules.is_plausible(Count { live, missing }), believed, "{live} {missing}");
        }
    }

    #[test]
    fn a_pass_that_misses_all_of_five_records_is_not_believed_and_a_day_that_misses_its_only_one_is()
     {
        let rules = DeletionRules::default();
        for (days, believed) in [
            (&[(1, 1)][..], true),
            (&[(4, 4)], true),
            (&[(5, 5)], false),
            (&[(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)], false),
            (&[(1, 1), (1, 1), (1, 1), (1, 1), (1, 0)], true),
            (&[(8, 8), (30, 0)], true),
            (&[(30, 11), (2000, 0)], false),
            (&[(60, 6), (60, 6)], false),
            (&[(0, 0)], true),
            (&[], true),
        ] {
            let counts = days.iter().map(|&(live, missing)| Count { live, missing });
            assert_eq!(rules.is_plausible_pass(counts), believed, "{days:?}");
        }
    }
}
