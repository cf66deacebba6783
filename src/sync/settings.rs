//! Settings of the synchronization.

use std::time::Duration;

use secrecy::SecretString;

use crate::{
    client,
    domain::{Day, Kind, Pace, ProjectName, Schedule},
    planner,
    warehouse::{DeletionRules, DetailMode, RawStorage},
};

/// How every project is synced.
#[derive(Debug, Clone)]
pub struct SyncSettings {
    /// When passes are due, and how windows are cut.
    pub planner: planner::PlanSettings,
    /// Most bytes of answers in memory, over all projects.
    pub bytes_in_flight: usize,
    /// How long a run retries failures that may pass by themselves. The daemon does not retry the
    /// vendor, since the next scheduled round does, and retries PostgreSQL without limit.
    pub give_up_after: Duration,
    /// When the daemon checks for due work.
    pub schedules: Vec<Schedule>,
    /// Time after which the daemon tries a blocked project again.
    pub blocked_retry: Duration,
}

/// How one project is synced.
#[derive(Debug, Clone)]
pub struct ProjectSettings {
    /// Its name, the first part of every key.
    pub name: ProjectName,
    /// The kind of project that its key opens.
    pub kind: Kind,
    /// How to reach the API.
    pub client: client::ClientSettings,
    /// How HTTP attempts are paced, over all lanes and processes of the key.
    pub pace: Pace,
    /// Most detail calls in flight, at least 1.
    pub calls_in_flight_max: usize,
    /// HTTP attempts per UTC day, and how the lanes share them.
    pub budget: planner::Budget,
    /// Windows read at a time, at least 1.
    pub workers: usize,
    /// When a record gets a detail call.
    pub details: DetailMode,
    /// When a record counts as deleted, and which of its data are kept.
    pub deletion: DeletionRules,
    /// The first day that the warehouse covers; `None`: only requested days.
    pub since: Option<Day>,
    /// How raw items are stored.
    pub raw: RawStorage,
    /// The key of pseudonyms.
    pub pseudonym_key: Option<SecretString>,
    /// Paths that digests leave out, in addition to those known to change with every call.
    pub volatile_paths: Vec<String>,
}
