//! A backfill: the days somebody asked for, all of them, then their single calls.

use std::sync::{Mutex, PoisonError};

use super::{
    Project, World, detail,
    outcome::{Ended, Failure, ProjectOutcome},
    patience::Patience,
    run::run_projects,
    windows::{read_windows, worse},
    writing::insist,
};
use crate::{
    client::Remedy,
    domain::{ProjectName, Stream, Window},
    warehouse::{Rank, RunId, WarehouseError},
};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Backfill {
    /// The days.
    pub window: Window,
    /// This stream only.
    pub stream: Option<Stream>,
    /// This project only.
    pub project: Option<ProjectName>,
    /// Begin anew where an earlier start of the same backfill stopped half-way.
    pub restart: bool,
}

impl Backfill {
    /// Whether a project is meant.
    pub fn wants(&self, project: &Project) -> bool {
        self.stream.is_none_or(|stream| stream == project.stream())
            && self.project.as_ref().is_none_or(|name| name == project.name())
    }

    /// Reads the days of every project that is meant; the failure of one does not stop another.
    pub async fn run(&self, world: &World) -> Result<(RunId, Ended), WarehouseError> {
        let projects = world.projects.iter().filter(|project| self.wants(project));
        let command = format!("backfill {}", self.window);
        let done = Mutex::new(Vec::new());
        let (run, ended) = run_projects(world, &command, projects, async |project, run| {
            self.project(world, project, run, &done).await
        })
        .await?;
        // Not before: whoever is stopped among the single calls of one project must, when started again, find the
        // windows of all projects done.
        if ended.worst() != ProjectOutcome::Interrupted {
            for backfill_id in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
                insist(world, async || world.warehouse.end_backfill(backfill_id).await).await?;
            }
        }
        Ok((run, ended))
    }

    async fn project(
        &self,
        world: &World,
        project: &Project,
        run: RunId,
        done: &Mutex<Vec<i64>>,
    ) -> Result<(ProjectOutcome, Option<String>), Failure> {
        let (name, stream) = (project.name(), project.stream());
        let opening =
            async || world.warehouse.open_backfill(name, stream, self.window, self.restart).await;
        let backfill = insist(world, opening).await?;
        let tasks = project.backfill_tasks(world, self.window, &backfill.done).into();
        let walked =
            read_windows(world, project, run, Some(backfill.backfill_id), tasks, &|| false).await?;
        let read = walked.end(project);
        let is_read = matches!(read.0, ProjectOutcome::Complete | ProjectOutcome::CompleteEmpty);
        let end = finish(world, project, run, read, &|| false).await?;
        if is_read {
            done.lock().unwrap_or_else(PoisonError::into_inner).push(backfill.backfill_id);
        }
        Ok(end)
    }
}

/// Makes the single calls that are due, whatever became of the lists; goes on with those that failed while patient.
pub(super) async fn finish(
    world: &World,
    project: &Project,
    run: RunId,
    read: (ProjectOutcome, Option<String>),
    yields: &dyn Fn() -> bool,
) -> Result<(ProjectOutcome, Option<String>), Failure> {
    let patience = Patience::of(world);
    // Calls that are to be made later on purpose are not waited for.
    let count = async || world.warehouse.details_due(&project.scope, patience.time).await;
    let mut left = insist(world, count).await?;
    world.progress.add_details_due(left);
    let mut rounds = 0;
    loop {
        let (not_before, trouble) =
            match detail::drain(world, project, run, Rank::Cycle, yields).await {
                Ok(()) => (None, None),
                Err(Failure::Client(error)) => match error.remedy() {
                    Remedy::Later { not_before } => (not_before, Some(error)),
                    _ => return Err(Failure::Client(error)),
                },
                Err(failure) => return Err(failure),
            };
        let before = std::mem::replace(&mut left, insist(world, count).await?);
        if left == 0 {
            return Ok(read);
        }
        rounds += 1;
        if left < before {
            patience.renew();
            rounds = 1;
        }
        let next = async || world.warehouse.details_next_due(&project.scope).await;
        let not_before = not_before.max(insist(world, next).await?);
        if !patience.wait(world, rounds, not_before).await {
            if world.stop.is_cancelled() {
                return Err(Failure::Interrupted);
            }
            let mut why = format!("{left} single calls wait for another try");
            if let Some(error) = trouble {
                why = format!("{why}: {error}; {}", error.advice());
            }
            return Ok(worse(read, (ProjectOutcome::Partial, Some(why))));
        }
    }
}
