//! Lanes: classes of work.

use std::{
    fmt,
    ops::{Index, IndexMut},
};

/// A class of work with its own share of the API budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Lists of yesterday, today and some days ahead.
    Recent,
    /// Days with records whose state is expected to change.
    Unsettled,
    /// Detail calls for records whose list digest is new or changed.
    Detail,
    /// Windows that were requested, or are not yet covered since `sync.since`.
    Backfill,
    /// All history, repeatedly.
    Audit,
}

impl Lane {
    /// Every lane, in display order.
    pub const ALL: [Self; 5] =
        [Self::Recent, Self::Unsettled, Self::Detail, Self::Backfill, Self::Audit];

    /// The name used in tables, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recent => "recent",
            Self::Unsettled => "unsettled",
            Self::Detail => "detail",
            Self::Backfill => "backfill",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One value for each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByLane<T> {
    recent: T,
    unsettled: T,
    detail: T,
    backfill: T,
    audit: T,
}

impl<T> ByLane<T> {
    /// Creates the value of each lane.
    pub fn of(mut make: impl FnMut(Lane) -> T) -> Self {
        Self {
            recent: make(Lane::Recent),
            unsettled: make(Lane::Unsettled),
            detail: make(Lane::Detail),
            backfill: make(Lane::Backfill),
            audit: make(Lane::Audit),
        }
    }

    /// Iterates over the lanes and their values.
    pub fn iter(&self) -> impl Iterator<Item = (Lane, &T)> {
        Lane::ALL.into_iter().map(|lane| (lane, &self[lane]))
    }
}

impl<T> Index<Lane> for ByLane<T> {
    type Output = T;

    fn index(&self, lane: Lane) -> &T {
        match lane {
            Lane::Recent => &self.recent,
            Lane::Unsettled => &self.unsettled,
            Lane::Detail => &self.detail,
            Lane::Backfill => &self.backfill,
            Lane::Audit => &self.audit,
        }
    }
}

impl<T> IndexMut<Lane> for ByLane<T> {
    fn index_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Recent => &mut self.recent,
            Lane::Unsettled => &mut self.unsettled,
            Lane::Detail => &mut self.detail,
            Lane::Backfill => &mut self.backfill,
            Lane::Audit => &mut self.audit,
        }
    }
}
