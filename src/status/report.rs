//! The data that `status` prints as text or as JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{
    clocks::{self, WrongClock},
    rate::Rate,
    sparse::{self, Schedules, Sparse},
};
use crate::{
    config::Config,
    domain::{ByLane, Pace},
    sync::host_time,
    warehouse::{
        BackfillReport, BlockedDay, CallsReport, Outcome, ProjectReport, RateReport, RunReport,
        SampleReport, Warehouse, WarehouseError,
    },
};

/// Number of runs shown.
const RUNS: i64 = 5;

/// The state of the warehouse and of each project.
pub(crate) struct StatusReport {
    /// The first day of the warehouse: `sync.since`.
    pub(crate) since: Option<chrono::NaiveDate>,
    pub(crate) projects: Vec<ProjectReport>,
    /// Today's calls of each project, in the order of `projects`.
    pub(crate) calls: Vec<CallsToday>,
    /// Whether this configuration contains each project, in the order of `projects`.
    pub(crate) configured: Vec<bool>,
    pub(crate) blocked_days: Vec<BlockedDay>,
    /// The unfinished backfills.
    pub(crate) backfills: Vec<BackfillReport>,
    pub(crate) samples: Vec<SampleReport>,
    pub(crate) runs: Vec<RunReport>,
    pub(crate) wrong_clocks: Vec<WrongClock>,
    pub(crate) sparse: Vec<Sparse>,
    /// When a daemon was last active; `None` if none has run.
    pub(crate) daemon_seen_at: Option<DateTime<Utc>>,
    /// The configured projects whose newest data are older than `--max-age`.
    pub(crate) too_old: Vec<String>,
}

impl StatusReport {
    /// Reads the state. The newest data of a project are too old if they are older than `max_age`.
    pub(crate) async fn read(
        warehouse: &Warehouse,
        config: &Config,
        max_age: Option<TimeDelta>,
        schedules: Schedules<'_>,
    ) -> Result<Self, WarehouseError> {
        let since = config.sync.planner.since;
        let projects = warehouse.project_reports(since).await?;
        let calls = warehouse.calls_reports().await?;
        let rates = warehouse.rate_reports().await?;
        let now = warehouse.now().await?;
        let oldest = max_age.and_then(|age| now.checked_sub_signed(age));
        let is_too_old = |project: &&ProjectReport| {
            config.has_project(&project.project)
                && oldest.is_some_and(|oldest| project.newest_as_of < Some(oldest))
        };
        Ok(Self {
            since,
            calls: projects
                .iter()
                .map(|project| CallsToday::of(config, project, &calls, &rates))
                .collect(),
            configured: projects.iter().map(|known| config.has_project(&known.project)).collect(),
            too_old: projects
                .iter()
                .filter(is_too_old)
                .map(|known| known.project.clone())
                .collect(),
            daemon_seen_at: warehouse.daemon_seen_at().await?,
            projects,
            blocked_days: warehouse.blocked_days().await?,
            backfills: warehouse.backfill_reports().await?,
            samples: warehouse.sample_reports().await?,
            runs: warehouse.run_reports(RUNS).await?,
            wrong_clocks: clocks::wrong_clocks(warehouse, host_time).await?,
            sparse: sparse::of_all(config, warehouse, schedules).await?,
        })
    }

    /// The projects of this configuration, each with its calls.
    pub(crate) fn configured_projects(
        &self,
    ) -> impl Iterator<Item = (&ProjectReport, &CallsToday)> {
        let projects = self.projects.iter().zip(&self.calls).zip(&self.configured);
        projects.filter(|(_, is_configured)| **is_configured).map(|(project, _)| project)
    }

    /// Whether an operator must act. Pending work, and work that the next round retries, does not
    /// count.
    pub(crate) fn is_wrong(&self) -> bool {
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
pub(crate) struct CallsToday {
    pub(crate) total: u64,
    /// Maximum calls per day; `None` if there is no limit, or if this configuration does not
    /// contain the project.
    pub(crate) limit: Option<u32>,
    pub(crate) by_lane: BTreeMap<&'static str, u64>,
    /// The rate of the key; `None` if the project has made no calls.
    pub(crate) rate: Option<Rate>,
    /// The rate in calls a second that the configuration fixes; `None` if it fixes none.
    #[serde(skip)]
    pub(crate) fixed_rate: Option<f64>,
    /// The calls per day guaranteed to each lane; `None` without a limit.
    #[serde(skip)]
    pub(crate) guaranteed: Option<ByLane<u64>>,
}

impl CallsToday {
    fn of(
        config: &Config,
        project: &ProjectReport,
        calls: &[CallsReport],
        rates: &[RateReport],
    ) -> Self {
        let rate = rates.iter().find(|rate| rate.project == project.project);
        let calls = calls.iter().find(|calls| calls.project == project.project);
        let by_lane = calls.map(|calls| calls.calls).unwrap_or_default();
        let configured =
            config.projects.iter().find(|known| known.name.as_str() == project.project);
        Self {
            total: by_lane.iter().map(|(_, calls)| calls).sum(),
            limit: configured.map(|known| known.budget.calls_per_day).filter(|limit| *limit > 0),
            by_lane: by_lane.iter().map(|(lane, calls)| (lane.as_str(), *calls)).collect(),
            rate: rate.map(|rate| Rate::of(rate, configured.map(|known| known.pace))),
            fixed_rate: configured.and_then(|known| match known.pace {
                Pace::Fixed(rate) => {
                    Some(rate.interval().as_secs_f64().recip()).filter(|calls| calls.is_finite())
                }
                Pace::Adaptive(_) => None,
            }),
            guaranteed: configured
                .filter(|known| known.budget.is_limited())
                .map(|known| ByLane::of(|lane| known.budget.share(lane))),
        }
    }
}
