//! Data shown by commands.

pub(super) mod backfills;
pub(super) mod blocked_days;
pub(super) mod days;
pub(super) mod record;
pub(super) mod status;
