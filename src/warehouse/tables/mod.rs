//! Rows of the data tables, written by statements composed from the catalogue.

pub(super) mod batch;
pub(super) mod columns;
pub(super) mod diff;
pub(super) mod differences;
pub(super) mod history;
pub(super) mod record_rows;
pub(super) mod replace;
pub(super) mod rewrite;
pub(super) mod statements;
pub(super) mod write;
