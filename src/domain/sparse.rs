//! Records whose list items leave out what detail calls show.

use chrono::{DateTime, Utc};

use super::Day;

/// What decides when such a record is read by its next detail call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseRecord {
    /// Its id.
    pub id: String,
    /// The day it was created on.
    pub day: Day,
    /// Whether its state is expected to change soon.
    pub unsettled: bool,
    /// When it was last seen to change.
    pub changed_at: Option<DateTime<Utc>>,
    /// When a detail call last showed it; `None`: nobody noted it.
    pub read_at: Option<DateTime<Utc>>,
}

/// How far lists of AML data alone have come in history, from its newest record on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HintPlace {
    /// When they last began.
    pub started_at: Option<DateTime<Utc>>,
    /// Days before this one are still to be listed; `None`: they are through.
    pub before: Option<Day>,
    /// Until when their calls are given out.
    pub until: Option<DateTime<Utc>>,
}
