//! The data that `status` prints as text or as JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{clocks::WrongClock, sparse::Sparse, status_rate::Rate};
use crate::warehouse::{
    BackfillReport, BlockedDay, Outcome, ProjectReport, RunReport, SampleReport,
};

/// The state of the warehouse and of each project.
pub(super) struct StatusReport {
    /// The first day of the warehouse: `sync.since`.
    pub(super) since: Option<chrono::NaiveDate>,
    pub(super) projects: Vec<ProjectReport>,
    /// Today's calls of each project, in the order of `projects`.
    pub(super) calls: Vec<CallsToday>,
    /// Whether this configuration contains each project, in the order of `projects`.
    pub(super) configured: Vec<bool>,
    pub(super) blocked_days: Vec<BlockedDay>,
    /// The unfinished backfills.
    pub(super) backfills: Vec<BackfillReport>,
    pub(super) samples: Vec<SampleReport>,
    pub(super) runs: Vec<RunReport>,
    pub(super) wrong_clocks: Vec<WrongClock>,
    pub(super) sparse: Vec<Sparse>,
    /// When a daemon was last active; `None` if none has run.
    pub(super) daemon_seen_at: Option<DateTime<Utc>>,
    /// The configured projects whose newest data are older than `--max-age`.
    pub(super) too_old: Vec<String>,
}

impl StatusReport {
    /// Whether an operator must act. Pending work, and work that the next round retries, does not
    /// count.
    pub(super) fn is_wrong(&self) -> bool {
        !self.blocked_days.is_empty()
            || !self.wrong_clocks.is_empty()
            || !self.too_old.is_empty()
            || self.samples.iter().any(|sample| sample.known > 0)
            || self.projects.iter().any(|project| {
                project.blocked_at.is_some()
                    || project.empty_unverified > 0
                    || project.alarms > 0
                    || project.last_outcome.as_deref() == Some(Outcome::Failed.as_str())
            })
    }
}

/// The calls of a project on the current UTC day.
#[derive(Serialize)]
pub(super) struct CallsToday {
    pub(super) total: u64,
    /// Maximum calls per day; `None` if there is no limit, or if this configuration does not
    /// contain the project.
    pub(super) limit: Option<u32>,
    pub(super) by_lane: BTreeMap<&'static str, u64>,
    /// The rate of the key; `None` if the project has made no calls.
    pub(super) rate: Option<Rate>,
}
