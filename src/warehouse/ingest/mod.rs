//! Stores observations as rows, inside the caller's transaction.

mod apply;
mod build;
mod classify;
pub(super) mod drift;
pub(super) mod hints;
pub(super) mod insert;
pub(super) mod insert_statement;
pub(super) mod marks;
pub(super) mod prepare;
pub(super) mod refused;
pub(super) mod sparse;
pub(super) mod store;
