//! Whose items are stored, and how.

use std::time::Duration;

use crate::{
    domain::{Day, ProjectName, Stream},
    json::Paths,
    normalize::Context,
};

/// A pass that shows none of at least this many live records is not believed.
pub(super) const ALL_MISSING_MIN: u32 = 5;

/// When a record gets a detail call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailMode {
    /// When its list digest is new or changed.
    OnChange,
    /// Every time a list shows it.
    Always,
    /// Only where a list item alone cannot tell.
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

/// Whose items are stored, and how.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The first part of every key.
    pub project: ProjectName,
    /// The stream the items belong to.
    pub stream: Stream,
    /// What normalizing needs to know.
    pub context: Context,
    /// Paths that digests leave out.
    pub volatile: Paths,
    /// How bodies are kept.
    pub raw: RawStorage,
    /// When a record gets a detail call.
    pub details: DetailMode,
    /// When a record counts as deleted, and what is kept of it.
    pub deletion: DeletionRules,
    /// How far back the warehouse reaches; `None`: as far as somebody asks.
    pub since: Option<Day>,
}

/// How bodies are kept in `argos_raw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawStorage {
    /// Compressed with zstd by argos-sync.
    Zstd,
    /// Not at all. Merging needs both bodies, so this goes only with `details = "always"` or
    /// `"never"`.
    None,
}

/// When a record counts as deleted, and what is kept of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeletionRules {
    /// What stays of a deleted record.
    pub keep: Keep,
    /// A walk may miss this share of the live records of its days, or of one of them,
    pub missing_share: f64,
    /// or so many; missing more is not believed without a person.
    pub missing_min: u32,
    /// Between the two detail calls that must agree.
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
    /// Whether so many missing records can be believed.
    pub(super) fn is_plausible(&self, count: Count) -> bool {
        count.missing <= self.missing_min
            || f64::from(count.missing) <= self.missing_share * f64::from(count.live)
    }

    /// Whether what a pass missed on its days can be believed: on each day, on all together, and
    /// not everything.
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

/// Live records, and those of them that a walk missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Live records that the walk should have shown.
    pub live: u32,
    /// Those it did not show.
    pub missing: u32,
}

impl Count {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { live: self.live + other.live, missing: self.missing + other.missing }
    }
}

/// What stays of a deleted record.
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
