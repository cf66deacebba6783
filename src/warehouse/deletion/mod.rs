//! Deletions: missing records, decisions, and the deletion of data.

pub(super) mod absence;
pub(super) mod alarms;
pub(super) mod confirmed;
pub(super) mod delete;
mod judge;
pub(super) mod seen_ids;
mod unlisted;
