//! Classes of work.

use std::fmt;

/// A class of work with its own share of the API budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Today and yesterday, by list.
    Fresh,
    /// Days that hold records whose state is expected to move.
    Unsettled,
    /// Single calls for records whose list digest is new or changed.
    Detail,
    /// Windows asked for, or not yet covered since `sync.since`.
    Backfill,
    /// All history, again and again.
    Audit,
}

impl Lane {
    /// The word used in tables, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
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
