//! What is known of a day when somebody plans what to read next.

use chrono::{DateTime, Utc};

use super::Day;

/// One day of one stream, as the ledger and the records know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayState {
    /// The day.
    pub day: Day,
    /// The beginning of the walk that last read it completely: what was created or changed later
    /// may be missing. `None`: never read.
    pub as_of: Option<DateTime<Utc>>,
    /// Live records when it was last read.
    pub records: u32,
    /// It holds records whose state is expected to move.
    pub unsettled: bool,
    /// When a record of that day was last seen to change, if that was lately.
    pub changed_at: Option<DateTime<Utc>>,
    /// When a person last approved that its missing records were deleted, while that holds.
    pub approved_at: Option<DateTime<Utc>>,
}

impl DayState {
    /// A day nobody has read yet.
    pub fn unread(day: Day) -> Self {
        Self { day, as_of: None, records: 0, unsettled: false, changed_at: None, approved_at: None }
    }
}

/// What planning knows of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Every day that was read, in order.
    pub days: Vec<DayState>,
    /// When all was last listed without a date filter.
    pub unfiltered_as_of: Option<DateTime<Utc>>,
}
