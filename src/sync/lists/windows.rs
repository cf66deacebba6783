//! Reads many windows, several at a time, each under its own claim and in its own transactions.

use std::collections::VecDeque;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::window::{self, WindowEnd};
use crate::{
    domain::ListScope,
    planner::Task,
    sync::{
        job::Job,
        outcome::{Conclusion, Failure, ProjectOutcome},
        patience::Patience,
        project::Project,
        world::World,
    },
    warehouse::{Proof, Unverified},
};

/// The result of several passes.
pub(in crate::sync) struct WindowsRead {
    worst: Conclusion,
    /// Windows that were empty without proof, and the reason.
    pub(in crate::sync) unverified: VecDeque<(Task, Unverified)>,
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
        Self { worst: self.worst.or_worse(later.worst), unverified: later.unverified }
    }
}

/// Reads windows in order, as many at a time as the project has workers. Includes the halves of
/// windows that are too large.
///
/// A window that was empty without proof may be read once more at the end. After the first failure
/// that is not specific to a window, no further windows are started.
pub(in crate::sync) async fn read_windows(
    job: Job<'_>,
    backfill_id: Option<i64>,
    tasks: VecDeque<Task>,
    yields: &CancellationToken,
) -> Result<WindowsRead, Failure> {
    let Job { world, project, .. } = job;
    let patience = Patience::of(world);
    let read = async |task: Task| (task, window::read(job, task, backfill_id, &patience).await);
    world.progress.add_windows(tasks.len());
    let mut windows = WindowQueue::new(tasks);
    let mut failure = None;
    let mut in_flight = FuturesUnordered::new();
    loop {
        while failure.is_none() && in_flight.len() < project.workers.max(1) {
            // The first window is always read, so that every round reads recent days.
            if !windows.is_first && (patience.is_over() || yields.is_cancelled()) {
                windows.leave_the_rest();
            }
            let Some(task) = windows.next(in_flight.is_empty()) else { break };
            in_flight.push(read(task));
        }
        match in_flight.next().await {
            None if failure.is_some() || !windows.waits_for_proof() => break,
            None => {
                if !world.warehouse.is_filter_proven(project.name()).await? {
                    break;
                }
                windows.is_proven = true;
            }
            Some((task, Ok(end))) => windows.note(world, project, task, end),
            Some((_, Err(error))) => {
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(windows.end()),
    }
}

/// The windows still to be read, and the outcome of the others.
struct WindowQueue {
    queue: VecDeque<Task>,
    unverified: VecDeque<(Task, Unverified)>,
    worst: Conclusion,
    /// Windows that were started and not read to their end.
    left: usize,
    is_first: bool,
    is_second_try: bool,
    /// Another process has proven the date filter meanwhile.
    is_proven: bool,
}

impl WindowQueue {
    fn new(queue: VecDeque<Task>) -> Self {
        Self {
            queue,
            unverified: VecDeque::new(),
            worst: Conclusion::of(ProjectOutcome::CompleteEmpty),
            left: 0,
            is_first: true,
            is_second_try: false,
            is_proven: false,
        }
    }

    /// Whether only unverified empty windows are left, and another process may make their second
    /// attempt worthwhile.
    fn waits_for_proof(&self) -> bool {
        self.queue.is_empty()
            && !self.unverified.is_empty()
            && !self.is_second_try
            && !self.is_proven
    }

    /// The next window to read. Once nothing is in flight, the unverified windows get their second
    /// attempt if any records arrived meanwhile.
    fn next(&mut self, is_idle: bool) -> Option<Task> {
        let is_proven = self.is_proven || self.worst.outcome >= ProjectOutcome::Complete;
        let may_be_proven = !self.is_second_try && is_proven;
        if self.queue.is_empty() && is_idle && may_be_proven {
            self.queue = self.unverified.drain(..).map(|(task, _)| task).collect();
            self.is_second_try = true;
        }
        self.is_first = false;
        self.queue.pop_front()
    }

    fn leave_the_rest(&mut self) {
        if !self.queue.is_empty() {
            let why = format!("{} windows were postponed", self.queue.len());
            self.add(Conclusion::because(ProjectOutcome::Partial, why));
            self.queue.clear();
        }
    }

    fn add(&mut self, conclusion: Conclusion) {
        let none_yet = Conclusion::of(ProjectOutcome::CompleteEmpty);
        self.worst = std::mem::replace(&mut self.worst, none_yet).or_worse(conclusion);
    }

    fn note(&mut self, world: &World, project: &Project, task: Task, end: WindowEnd) {
        let Task { lane, reading } = task;
        match end {
            WindowEnd::Read(Proof::EmptyUnverified(why)) => {
                self.unverified.push_back((task, why));
            }
            WindowEnd::Read(proof) => {
                self.add(Conclusion::of(ProjectOutcome::of(proof)));
                world.progress.window_done();
                info!(project = %project.name(), lane = %lane, window = %reading, "window read");
            }
            WindowEnd::Elsewhere => world.progress.window_done(),
            WindowEnd::ReadElsewhere => {
                self.add(Conclusion::of(ProjectOutcome::Complete));
                world.progress.window_done();
            }
            WindowEnd::Halved(first, second) => {
                world.progress.add_windows(1);
                self.queue.push_front(Task { lane, reading: ListScope::Window(first) });
                self.queue.push_front(Task { lane, reading: ListScope::Window(second) });
            }
            WindowEnd::Left(conclusion) => {
                self.left += 1;
                self.add(conclusion);
            }
        }
    }

    fn end(mut self) -> WindowsRead {
        if let Some(why) = &mut self.worst.reason
            && self.left > 1
        {
            *why = format!("{why} (and {} more windows)", self.left - 1);
        }
        WindowsRead { worst: self.worst, unverified: self.unverified }
    }
}

/// A message about windows that were empty without proof; `task` is the first of them.
fn unverified_note(project: &Project, task: &Task, why: Unverified) -> Conclusion {
    let (name, reading) = (project.name(), task.reading);
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
    warn!(project = %name, window = %reading, "empty, unverified: {why}");
    let why = format!("empty, unverified: {reading}: {why}");
    Conclusion::because(ProjectOutcome::EmptyUnverified, why)
}
