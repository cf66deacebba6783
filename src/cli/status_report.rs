//! What `status` shows, as text or as JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{clocks::WrongClock, sparse::Sparse};
use crate::warehouse::{BlockedDay, Outcome, ProjectReport, RunReport, SampleReport};

/// Where everything stands.
pub(super) struct StatusReport {
    /// `sync.since`.
    pub(super) since: Option<chrono::NaiveDate>,
    pub(super) projects: Vec<ProjectReport>,
    /// In the order of the projects.
    pub(super) calls: Vec<CallsToday>,
    /// Whether the configuration has each project, in their order.
    pub(super) configured: Vec<bool>,
    pub(super) blocked_days: Vec<BlockedDay>,
    pub(super) samples: Vec<SampleReport>,
    pub(super) runs: Vec<RunReport>,
    pub(super) wrong_clocks: Vec<WrongClock>,
    pub(super) sparse: Vec<Sparse>,
    /// When a round of a daemon last went on; `None`: none ever did.
    pub(super) daemon_seen_at: Option<DateTime<Utc>>,
    /// The configured projects whose newest data are older than asked for.
    pub(super) too_old: Vec<String>,
}

impl StatusReport {
    /// Whether a person should look: what is still being read, or will be tried again at the next
    /// bell, is not wrong.
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

/// What a project has had of the present UTC day's calls.
#[derive(Serialize)]
pub(super) struct CallsToday {
    pub(super) total: u64,
    /// `None`: there is no limit, or the project is not in this configuration.
    pub(super) limit: Option<u32>,
    pub(super) by_lane: BTreeMap<&'static str, u64>,
}
