//! Reads many windows, several at a time, each under its own claim and in its own transactions.

use std::collections::VecDeque;

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{LocalBoxFuture, OptionFuture},
    stream::FuturesUnordered,
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    queue::{QueueEnd, Step, StepEnd, WantedWindows, WindowQueue},
    window::{self, release},
};
use crate::{
    planner::Task,
    sync::{
        job::Job,
        outcome::{Conclusion, Failure, ProjectOutcome},
        patience::Patience,
        project::Project,
        told::tell,
        wait::{Woken, a_moment, wait_for},
    },
    warehouse::{Awaited, Claiming, HeldClaims, NextWindow, Unverified, WarehouseError},
};

/// The result of several passes.
pub(in crate::sync) struct WindowsRead {
    worst: Conclusion,
    /// Windows that were empty without proof, and the reason.
    pub(in crate::sync) unverified: VecDeque<(Task, Unverified)>,
    /// The backfill was replaced by another, or cancelled.
    pub(in crate::sync) is_dropped: bool,
}

impl WindowsRead {
    /// The overall outcome.
    pub(in crate::sync) fn end(self, project: &Project) -> Conclusion {
        match self.unverified.front() {
            None => self.worst,
            Some((task, why)) => self.worst.or_worse(unverified_note(project, task, *why)),
        }
    }

    /// Adds passes made later, which have retried the unverified windows.
    pub(in crate::sync) fn then(self, later: Self) -> Self {
        Self { worst: self.worst.or_worse(later.worst), ..later }
    }

    /// Adds passes of other windows.
    pub(in crate::sync) fn and(mut self, other: Self) -> Self {
        self.unverified.extend(other.unverified);
        Self { worst: self.worst.or_worse(other.worst), ..self }
    }
}

/// A wait until another process releases one of these claims.
struct Waiting<'w> {
    held: HeldClaims,
    woken: LocalBoxFuture<'w, Result<Woken, WarehouseError>>,
}

/// Reads the wanted windows, as many at a time as the project has workers. Includes the halves of
/// windows that are too large.
///
/// A window that another process reads is put aside, and waited for. A daemon leaves it to the
/// other process. A window that was empty without proof may be read once more at the end. After the
/// first failure that is not specific to a window, no further windows are started.
pub(in crate::sync) async fn read_windows(
    job: Job<'_>,
    wanted: WantedWindows<'_>,
    yields: &CancellationToken,
) -> Result<WindowsRead, Failure> {
    let Job { world, project, .. } = job;
    let patience = Patience::of(world);
    let mut windows = WindowQueue::new(wanted, world.is_daemon);
    let mut failure = None;
    let mut in_flight = FuturesUnordered::new();
    let mut waiting: Option<Waiting<'_>> = None;
    loop {
        while failure.is_none() && in_flight.len() < project.workers.max(1) {
            // The first window is always read, so that every round reads recent days.
            if !windows.is_first() && (patience.is_over() || yields.is_cancelled()) {
                windows.leave_the_rest();
            }
            let Some(step) = windows.next(in_flight.is_empty()) else { break };
            in_flight.push(take(job, step, &patience));
        }
        let held = windows.held().filter(|_| failure.is_none());
        if waiting.as_ref().map(|waiting| &waiting.held) != held.as_ref() {
            waiting = held.map(|held| Waiting { woken: wait(job, held.clone()), held });
        }
        let woken = OptionFuture::from(waiting.as_mut().map(|waiting| &mut waiting.woken));
        tokio::select! {
            Some(end) = in_flight.next(), if !in_flight.is_empty() => match end {
                Ok(end) => {
                    report(job, &end);
                    windows.note(end);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            },
            Some(woken) = woken => {
                waiting = None;
                match woken {
                    Ok(Woken::Stopped) => failure = Some(Failure::Interrupted),
                    Ok(woken) => windows.note_woken(woken),
                    Err(error) => failure = Some(error.into()),
                }
            }
            else => {
                if failure.is_some() || !windows.waits_for_proof() {
                    break;
                }
                if !world.warehouse.is_filter_proven(project.name()).await? {
                    break;
                }
                windows.note_proven();
            }
        }
    }
    if let Some(failure) = failure {
        if let Some(claim) = windows.take_claimed() {
            release(job, &claim, None).await;
        }
        return Err(failure);
    }
    let QueueEnd { worst, unverified, is_dropped } = windows.end();
    Ok(WindowsRead { worst, unverified, is_dropped })
}

/// Takes one step of a worker.
async fn take(job: Job<'_>, step: Step<'_>, patience: &Patience) -> Result<StepEnd, Failure> {
    let Job { world, project, .. } = job;
    let (name, stream, holder) = (project.name(), project.stream(), &world.holder);
    if world.stop.is_cancelled() {
        if let Step::ReadClaimed(claim, _) | Step::Release(claim) = &step {
            release(job, claim, None).await;
        }
        return Err(Failure::Interrupted);
    }
    let (task, claim, backfill) = match step {
        Step::Read(task, backfill) => {
            match world.warehouse.claim(name, stream, task.reading, holder).await? {
                Claiming::Claimed(claim) => (task, claim, backfill),
                Claiming::Held(held) => return Ok(StepEnd::Held(task, held)),
            }
        }
        Step::ReadClaimed(claim, backfill) => {
            (Task::of_backfill(claim.window), claim, Some(backfill))
        }
        Step::Release(claim) => {
            release(job, &claim, None).await;
            return Ok(StepEnd::Released);
        }
        Step::ClaimNext { backfill, except, is_idle } => {
            let claimed = world.warehouse.claim_next_window(backfill, &except, holder, is_idle);
            let (next, left) = claimed.await?;
            world.progress.set_windows_left(name, left);
            // Another process removes the last window at this moment.
            if is_idle && matches!(&next, NextWindow::Held(held) if held.is_empty()) {
                a_moment(world).await;
            }
            return Ok(StepEnd::Next(next));
        }
    };
    let end = window::read(job, task.lane, backfill, &claim, patience).await?;
    Ok(StepEnd::Window(task, end))
}

/// Waits until another process releases one of these claims.
fn wait(job: Job<'_>, held: HeldClaims) -> LocalBoxFuture<'_, Result<Woken, WarehouseError>> {
    let Job { world, project, .. } = job;
    async move {
        let awaited = Awaited::Claims(project.name().clone(), project.stream(), held);
        wait_for(world, project, &awaited, None).await
    }
    .boxed_local()
}

/// Logs the end of a step.
fn report(Job { world, .. }: Job<'_>, end: &StepEnd) {
    if let StepEnd::Held(task, _) = end
        && world.is_daemon
    {
        info!(window = %task.reading, "another process is reading these days");
    }
}

/// A message about windows that were empty without proof; `task` is the first of them.
fn unverified_note(project: &Project, task: &Task, why: Unverified) -> Conclusion {
    let reading = task.reading;
    let why = match why {
        Unverified::Filter => {
            "this project's date filter has never returned anything; check the days and the key"
        }
        Unverified::Records => {
            "live records are known there, and detail calls do not prove that they are deleted; \
             nothing was covered or deleted, and the next run reads these days again: if the \
             result is the same, ask the vendor why its list is empty"
        }
    };
    let topic = format!("empty {reading}");
    tell!(warn, project, &topic, why; window = %reading, "empty, unverified: {why}");
    let why = format!("empty, unverified: {reading}: {why}");
    Conclusion::because(ProjectOutcome::EmptyUnverified, why)
}
