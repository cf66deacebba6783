//! The work that a person or a schedule starts: the daemon, rounds, backfills, single records,
//! repairs.

pub(super) mod backfill;
pub(super) mod daemon;
pub(super) mod fetch;
pub(super) mod finish;
pub(super) mod maintenance;
pub(super) mod quarantine;
pub(super) mod renormalize;
pub(super) mod resync;
pub(super) mod round;
pub(super) mod run;
pub(super) mod verify;
