//! State of argos-sync's own work: claims, passes, coverage, runs, budgets, due detail calls.

pub(super) mod account;
pub(super) mod backfill;
pub(super) mod backfill_window;
pub(super) mod budget;
pub(super) mod claim;
pub(super) mod clock;
pub(super) mod coverage;
pub(super) mod detail_cycle;
pub(super) mod detail_left;
pub(super) mod detail_queue;
pub(super) mod expected;
pub(super) mod findings;
pub(super) mod lease;
pub(super) mod numbers;
pub(super) mod pass;
pub(super) mod project;
pub(super) mod project_rows;
pub(super) mod proof;
pub(super) mod rate;
pub(super) mod retention;
pub(super) mod run;
