//! The state of a day and of a stream, as input for planning.

use chrono::{DateTime, Utc};

use super::Day;

/// The state of one day of one stream, from the coverage and its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayState {
    /// The day.
    pub day: Day,
    /// When the last complete pass over the day began. Records created or changed later may be
    /// missing. `None`: never read.
    pub as_of: Option<DateTime<Utc>>,
    /// Live records when the day was last read.
    pub records: u32,
    /// Whether the day holds records whose state is expected to change.
    pub unsettled: bool,
    /// When a record of the day was last seen to change; `None` if not recently.
    pub changed_at: Option<DateTime<Utc>>,
    /// When an operator last approved the deletion of the day's missing records, while the approval
    /// is valid.
    pub approved_at: Option<DateTime<Utc>>,
}

impl DayState {
    /// A day that was never read.
    pub fn unread(day: Day) -> Self {
        Self { day, as_of: None, records: 0, unsettled: false, changed_at: None, approved_at: None }
    }
}

/// The state of a stream, as input for planning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Every day that was read, in order.
    pub days: Vec<DayState>,
    /// When the last pass without a date filter began.
    pub unfiltered_as_of: Option<DateTime<Utc>>,
}
