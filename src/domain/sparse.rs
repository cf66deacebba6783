//! Records whose list items omit members that detail calls return.

use chrono::{DateTime, Utc};

use super::Day;

/// The input for scheduling the next detail call of such a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseRecord {
    /// The record's id.
    pub id: String,
    /// The record's creation day.
    pub day: Day,
    /// Whether its state is expected to change soon.
    pub unsettled: bool,
    /// When it was last seen to change.
    pub changed_at: Option<DateTime<Utc>>,
    /// When a detail call last returned it; `None` if that is not recorded.
    pub read_at: Option<DateTime<Utc>>,
}

/// The position in history of the lists that request AML data only; they start at its newest
/// record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HintPlace {
    /// When the current turn through history began.
    pub started_at: Option<DateTime<Utc>>,
    /// Days before this one are still to be listed; `None`: the turn is complete.
    pub before: Option<Day>,
    /// The time up to which their calls are used.
    pub until: Option<DateTime<Utc>>,
}
