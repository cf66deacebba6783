//! Who exists and what changes: a pure function of seed and number, and the changes made since.

pub(super) mod change;
pub(super) mod draw;
pub(super) mod ids;
pub(super) mod overlay;
pub(super) mod population;
pub(super) mod submission;

mod person;
