//! The words of the program: projects, windows, passes, items.
//!
//! Plain values with the rules that always hold for them. Nothing here does I/O, reads a clock, or knows that HTTP or
//! SQL exist; every other room may use it, and it uses none.

mod budget;
mod day;
mod item;
mod lane;
mod pass;
mod project;
mod sparse;
mod window;

pub use budget::{Grant, Spending, Spent};
pub use day::{DayState, Ledger};
pub use item::{Call, Digest, Glance, ReadNumber};
pub use lane::{ByLane, Lane};
pub use pass::{Cursor, CursorCycle, Trail};
pub use project::{InvalidProjectName, Kind, ProjectName, Stream};
pub use sparse::SparseRecord;
pub use window::{Day, InvalidWindow, Reading, Window};
