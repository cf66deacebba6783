//! How to sync.

use std::time::Duration;

use secrecy::SecretString;

use crate::{
    client,
    domain::{CallRate, Day, Kind, ProjectName, Schedule},
    planner,
    warehouse::{DeletionRules, DetailMode, RawStorage},
};

/// How every project is synced.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is due, and how windows are cut.
    pub planner: planner::Settings,
    /// Answers that are held at a time, over all projects, in bytes.
    pub bytes_in_flight: usize,
    /// Detail calls in flight for each project.
    pub detail_workers: usize,
    /// How long a run goes on trying what may pass by itself. The daemon has no patience with the
    /// vendor, since the next bell tries again, and endless patience with PostgreSQL.
    pub give_up_after: Duration,
    /// When the daemon looks for work.
    pub schedules: Vec<Schedule>,
    /// A blocked project is looked at again after this time, by the daemon.
    pub blocked_retry: Duration,
}

/// How one project is synced.
#[derive(Debug, Clone)]
pub struct ProjectSettings {
    /// Its name, the first part of every key.
    pub name: ProjectName,
    /// What its key opens.
    pub kind: Kind,
    /// How to reach the API.
    pub client: client::Settings,
    /// HTTP attempts a second, over all lanes and processes.
    pub rate: CallRate,
    /// HTTP attempts a UTC day, and how the lanes share them.
    pub budget: planner::Budget,
    /// Windows read at a time, at least 1.
    pub workers: usize,
    /// When a record gets a detail call.
    pub details: DetailMode,
    /// When a record counts as deleted, and what is kept of it.
    pub deletion: DeletionRules,
    /// How far back the warehouse reaches; `None`: as far as somebody asks.
    pub since: Option<Day>,
    /// How bodies are kept.
    pub raw: RawStorage,
    /// The key of pseudonyms.
    pub pseudonym_key: Option<SecretString>,
    /// Paths that digests leave out, besides those known to change with every call.
    pub volatile_paths: Vec<String>,
}
