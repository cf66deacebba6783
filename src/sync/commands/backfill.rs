//! A backfill: reads all requested days, then makes the detail calls of their records.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{finish::finish, run::run_projects};
use crate::{
    domain::{ProjectName, Stream, Window},
    sync::{
        job::Job,
        lists::{queue::WantedWindows, windows::read_windows},
        outcome::{Conclusion, Ended, Failure, ProjectOutcome},
        project::Project,
        world::World,
    },
    warehouse::{Backfill, OpenedBackfill, RequestedBackfill, RunId, WarehouseError},
};

/// A request for a backfill.
#[derive(Debug, Clone)]
pub struct BackfillRequest {
    /// The days to read.
    pub window: Window,
    /// Restricts the backfill to this stream.
    pub stream: Option<Stream>,
    /// Restricts the backfill to this project.
    pub project: Option<ProjectName>,
    /// Starts over, even if an earlier start of the same backfill stopped half-way.
    pub restart: bool,
    /// The name of the job that requests it. Once its backfill is complete, a request of the same
    /// name has nothing to do.
    pub job: Option<String>,
}

impl BackfillRequest {
    /// Whether the request includes a project.
    pub fn wants(&self, project: &Project) -> bool {
        self.stream.is_none_or(|stream| stream == project.stream())
            && self.project.as_ref().is_none_or(|name| name == project.name())
    }

    /// Reads the days of every included project. The failure of one project does not stop the
    /// others. Any number of processes may run the same request, and share its work.
    pub async fn run(&self, world: &World) -> Result<(RunId, Ended), WarehouseError> {
        let projects = world.projects.iter().filter(|project| self.wants(project));
        let command = format!("backfill {}", self.window);
        let done = Mutex::new(Vec::new());
        let (run, ended) =
            run_projects(world, &command, projects, async |job| self.project(job, &done).await)
                .await?;
        // Ends the backfills only here. If the process is stopped during the detail calls of one
        // project, the next start must find the windows of all projects done.
        if ended.worst() != ProjectOutcome::Interrupted {
            for backfill in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
                world.warehouse.end_backfill(&backfill).await?;
            }
        }
        Ok((run, ended))
    }

    async fn project(
        &self,
        job: Job<'_>,
        done: &Mutex<Vec<Backfill>>,
    ) -> Result<Conclusion, Failure> {
        let Job { world, project, run } = job;
        let days_max = world.settings.planner.window_days;
        let request = RequestedBackfill {
            project: project.name(),
            stream: project.stream(),
            days: self.window,
            windows: &project.backfill_windows(self.window, days_max),
            restart: self.restart,
            job: self.job.as_deref(),
        };
        let backfill = match world.warehouse.open_backfill(request, run).await? {
            OpenedBackfill::Open(backfill) => backfill,
            OpenedBackfill::Complete => {
                info!("this job's backfill is complete");
                return Ok(Conclusion::of(ProjectOutcome::Complete));
            }
            OpenedBackfill::OtherDays(days) => {
                let why = format!(
                    "--job names a backfill of other days, {days}; use another name for {}",
                    self.window
                );
                return Ok(Conclusion::because(ProjectOutcome::Misconfigured, why));
            }
        };
        let never = CancellationToken::new();
        let windows = read_windows(job, WantedWindows::Backfill(&backfill), &never).await?;
        if windows.is_dropped {
            let why = "the backfill was started again with --restart, or cancelled".to_owned();
            return Ok(Conclusion::because(ProjectOutcome::Partial, why));
        }
        let end = finish(job, windows.end(project), Some(self.window), &never).await?;
        if matches!(end.outcome, ProjectOutcome::Complete | ProjectOutcome::CompleteEmpty) {
            done.lock().unwrap_or_else(PoisonError::into_inner).push(backfill);
        }
        Ok(end)
    }
}
