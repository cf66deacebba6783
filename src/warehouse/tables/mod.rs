//! Rows of the data tables, from the catalogue.

pub(super) mod batch;
pub(super) mod diff;
pub(super) mod differences;
pub(super) mod history;
pub(super) mod replace;
pub(super) mod statements;
pub(super) mod write;
