//! The vocabulary of the program: projects, windows, passes, items.
//!
//! Plain values and the rules that always hold for them. Nothing here does I/O, reads a clock, or
//! depends on HTTP or SQL. Every other module may use this one, and it uses none.

mod budget;
mod clock;
mod day;
mod field;
mod host;
mod item;
mod lane;
mod pass;
mod project;
mod rate;
mod schedule;
mod share;
mod sparse;
mod window;

pub use budget::{Grant, Spending, Spent};
pub use clock::{Clocks, DAYS_AHEAD, OtherClock, Skew};
pub use day::{DayState, Ledger};
pub use field::{HIDDEN_FIELD, field_name};
pub use host::is_loopback;
pub use item::{Call, Digest, ItemKey, ReadNumber};
pub use lane::{ByLane, Lane};
pub use pass::{Cursor, CursorCycle, CycleDetector};
pub use project::{InvalidProjectName, KeyId, Kind, ProjectName, Stream};
pub use rate::{
    ByCall, CallRate, GrantedRate, KnownLatency, Pace, RateBounds, RateCause, SharedRate,
    SlowLatency,
};
pub use schedule::{Bells, InvalidSchedule, Schedule, longest_gap};
pub use share::{CONFIDENCE_PERCENT, percent_at_most, share_below};
pub use sparse::{HintPlace, SparseRecord};
pub use window::{Day, InvalidWindow, ListScope, Window};
