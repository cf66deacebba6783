//! A backfill: reads all requested days, then makes the detail calls of their records.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::{finish::finish, run::run_projects};
use crate::{
    domain::{ProjectName, Stream, Window},
    sync::{
        job::Job,
        lists::windows::read_windows,
        outcome::{Conclusion, Ended, Failure, ProjectOutcome},
        project::Project,
        world::World,
    },
    warehouse::{RunId, WarehouseError},
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
}

impl BackfillRequest {
    /// Whether the request includes a project.
    pub fn wants(&self, project: &Project) -> bool {
        self.stream.is_none_or(|stream| stream == project.stream())
            && self.project.as_ref().is_none_or(|name| name == project.name())
    }

    /// Reads the days of every included project. The failure of one project does not stop the
    /// others.
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
            for backfill_id in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
                world.warehouse.end_backfill(backfill_id).await?;
            }
        }
        Ok((run, ended))
    }

    async fn project(&self, job: Job<'_>, done: &Mutex<Vec<i64>>) -> Result<Conclusion, Failure> {
        let Job { world, project, .. } = job;
        let (name, stream) = (project.name(), project.stream());
        let backfill =
            world.warehouse.open_backfill(name, stream, self.window, self.restart).await?;
        let tasks = project
            .backfill_tasks(world.settings.planner.window_days, self.window, &backfill.done)
            .into();
        let windows =
            read_windows(job, Some(backfill.backfill_id), tasks, &CancellationToken::new()).await?;
        let read = windows.end(project);
        let is_read =
            matches!(read.outcome, ProjectOutcome::Complete | ProjectOutcome::CompleteEmpty);
        let end = finish(job, read, Some(self.window), &CancellationToken::new()).await?;
        if is_read {
            done.lock().unwrap_or_else(PoisonError::into_inner).push(backfill.backfill_id);
        }
        Ok(end)
    }
}
