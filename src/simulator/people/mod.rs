//! The people and their changes: a pure function of seed and number, plus the changes made since.

pub(super) mod change;
pub(super) mod draw;
pub(super) mod ids;
pub(super) mod overlay;
pub(super) mod population;
pub(super) mod submission;

mod person;
