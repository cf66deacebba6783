//! The metrics of this process's work. Any module can count into them; the service shows them.

pub(crate) mod names;
mod process;
mod work;

pub(crate) use process::ProcessMetrics;
pub(crate) use work::{
    CommitKind, begin_rounds, count_attempt, count_database_retry, count_items, count_round,
    count_throttle, observe_commit, register,
};
