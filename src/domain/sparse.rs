//! Records whose list items leave out what single calls show.

use chrono::{DateTime, Utc};

use super::Day;

/// What decides when such a record is read by its next single call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseRecord {
    /// Its id.
    pub id: String,
    /// The day it was created on.
    pub day: Day,
    /// Whether its state is expected to change soon.
    pub unsettled: bool,
    /// When it was last seen to change.
    pub moved_at: Option<DateTime<Utc>>,
    /// When a single call last showed it; `None`: nobody noted it.
    pub read_at: Option<DateTime<Utc>>,
}
