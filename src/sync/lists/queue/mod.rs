//! The windows that a job still has to read, and the outcome of the others.

use std::collections::VecDeque;

use super::window::WindowEnd;
use crate::{
    domain::{Day, ListScope},
    planner::Task,
    sync::{
        outcome::{Conclusion, ProjectOutcome},
        wait::Woken,
    },
    warehouse::{Backfill, Claim, HeldClaims, NextWindow, Proof, Unverified},
};

/// The windows to read.
#[derive(Debug)]
pub(in crate::sync) enum WantedWindows<'b> {
    /// The windows of these passes.
    Tasks(VecDeque<Task>),
    /// All that are left of a backfill, which other processes read as well.
    Backfill(&'b Backfill),
}

/// The next step of a worker.
#[derive(Debug)]
pub(super) enum Step<'b> {
    /// Claim and read this window, for the backfill if there is one.
    Read(Task, Option<&'b Backfill>),
    /// Claim the next window of the backfill.
    ClaimNext {
        backfill: &'b Backfill,
        /// First days of the windows that are not claimed.
        except: Vec<Day>,
        /// Nothing else is in flight.
        is_idle: bool,
    },
    /// Read this window of the backfill.
    ReadClaimed(Claim, &'b Backfill),
    /// Release this window of the backfill, which this process could not read before.
    Release(Claim),
}

/// The end of a step.
#[derive(Debug)]
pub(super) enum StepEnd {
    /// How a claimed window ended.
    Window(Task, WindowEnd),
    /// Other processes hold days of this window.
    Held(Task, HeldClaims),
    /// The answer to [`Step::ClaimNext`].
    Next(NextWindow),
    /// A window was released.
    Released,
}

/// The state of the windows of the backfill that are left.
#[derive(Debug)]
enum Rest {
    /// One may be free.
    MayBeFree,
    /// A worker is claiming one. The answer may be outdated, because a window ended meanwhile.
    Claiming { is_outdated: bool },
    /// This one is claimed and read next.
    Claimed(Claim),
    /// None is free. Other processes hold some, under these claims.
    Held(HeldClaims),
    /// This process reads all of them.
    InFlight,
    /// This process reads no more of them.
    Done,
}

/// The second attempt of windows that were empty without proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SecondTry {
    /// It needs a proof of the date filter.
    Unproven,
    /// Another process has proven the date filter.
    Proven,
    /// It was made.
    Made,
}

/// Windows to read, windows that other processes hold, and the worst outcome of the others.
pub(super) struct WindowQueue<'b> {
    tasks: VecDeque<Task>,
    backfill: Option<&'b Backfill>,
    rest: Rest,
    /// First days of the windows of the backfill that this process could not read.
    failed: Vec<Day>,
    /// Tasks whose days other processes hold.
    held: Vec<(Task, HeldClaims)>,
    /// What other processes hold is left to them.
    leaves_held: bool,
    unverified: VecDeque<(Task, Unverified)>,
    second_try: SecondTry,
    worst: Conclusion,
    /// Number of windows that were started and not read to their end.
    left: usize,
    /// Tasks whose claim another process has taken over.
    lost: Vec<Task>,
    is_first: bool,
    is_dropped: bool,
}

/// The outcome of all windows.
pub(super) struct QueueEnd {
    pub(super) worst: Conclusion,
    /// Windows that are still unverified.
    pub(super) unverified: VecDeque<(Task, Unverified)>,
    /// The backfill was replaced by another, or cancelled.
    pub(super) is_dropped: bool,
}

impl<'b> WindowQueue<'b> {
    /// With `leaves_held`, windows that other processes read are left to them.
    pub(super) fn new(wanted: WantedWindows<'b>, leaves_held: bool) -> Self {
        let (tasks, backfill, rest) = match wanted {
            WantedWindows::Tasks(tasks) => (tasks, None, Rest::Done),
            WantedWindows::Backfill(backfill) => (VecDeque::new(), Some(backfill), Rest::MayBeFree),
        };
        Self {
            tasks,
            backfill,
            rest,
            failed: Vec::new(),
            held: Vec::new(),
            leaves_held,
            unverified: VecDeque::new(),
            second_try: SecondTry::Unproven,
            worst: Conclusion::of(ProjectOutcome::CompleteEmpty),
            left: 0,
            lost: Vec::new(),
            is_first: true,
            is_dropped: false,
        }
    }

    /// Whether no step was taken yet.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    /// The claims of other processes on windows that are left; `None` if they hold none.
    pub(super) fn held(&self) -> Option<HeldClaims> {
        let rest = if let Rest::Held(claims) = &self.rest { Some(claims) } else { None };
        let claims = self.held.iter().map(|(_, claims)| claims).chain(rest);
        claims.cloned().reduce(HeldClaims::and)
    }

    /// Whether only unverified empty windows are left, and another process may make their second
    /// attempt worthwhile.
    pub(super) fn waits_for_proof(&self) -> bool {
        !self.unverified.is_empty() && self.second_try == SecondTry::Unproven
    }

    /// Notes that another process has proven the date filter.
    pub(super) fn note_proven(&mut self) {
        self.second_try = SecondTry::Proven;
    }

    /// The next step of a worker. Once nothing else is in flight, the unverified windows get their
    /// second attempt if any records arrived meanwhile.
    pub(super) fn next(&mut self, is_idle: bool) -> Option<Step<'b>> {
        self.is_first = false;
        if let Some(task) = self.tasks.pop_front() {
            return Some(Step::Read(task, self.backfill));
        }
        if let Some(backfill) = self.backfill {
            match std::mem::replace(&mut self.rest, Rest::Done) {
                Rest::Claimed(claim) => {
                    self.rest = Rest::MayBeFree;
                    // It may have failed while it was being claimed.
                    return Some(if self.failed.contains(&claim.window.from()) {
                        Step::Release(claim)
                    } else {
                        Step::ReadClaimed(claim, backfill)
                    });
                }
                rest @ (Rest::MayBeFree | Rest::InFlight)
                    if is_idle || matches!(rest, Rest::MayBeFree) =>
                {
                    self.rest = Rest::Claiming { is_outdated: false };
                    let except = self.failed.clone();
                    return Some(Step::ClaimNext { backfill, except, is_idle });
                }
                rest => self.rest = rest,
            }
        }
        let is_proven = self.second_try == SecondTry::Proven
            || self.second_try == SecondTry::Unproven
                && self.worst.outcome >= ProjectOutcome::Complete;
        if is_idle && is_proven && self.held().is_none() {
            self.tasks = self.unverified.drain(..).map(|(task, _)| task).collect();
            self.second_try = SecondTry::Made;
        }
        self.tasks.pop_front().map(|task| Step::Read(task, self.backfill))
    }

    /// Postpones everything that was not started.
    pub(super) fn leave_the_rest(&mut self) {
        let held = self.held.drain(..).map(|(task, _)| task);
        let tasks = self.tasks.drain(..).chain(held).count();
        if tasks > 0 {
            let why = format!("{tasks} windows were postponed");
            self.add(Conclusion::because(ProjectOutcome::InProgress, why));
        }
        match self.rest {
            // Another window may be free, or become free.
            Rest::MayBeFree | Rest::Held(_) => {
                self.rest = Rest::Done;
                let why = "the rest of the backfill was postponed".to_owned();
                self.add(Conclusion::because(ProjectOutcome::InProgress, why));
            }
            Rest::InFlight => self.rest = Rest::Done,
            Rest::Claiming { .. } | Rest::Claimed(_) | Rest::Done => {}
        }
    }

    /// Returns the window that is claimed and was not started.
    pub(super) fn take_claimed(&mut self) -> Option<Claim> {
        match std::mem::replace(&mut self.rest, Rest::Done) {
            Rest::Claimed(claim) => Some(claim),
            _ => None,
        }
    }

    /// Notes the end of a step.
    pub(super) fn note(&mut self, end: StepEnd) {
        match end {
            StepEnd::Window(task, end) => self.note_window(task, end),
            StepEnd::Held(..) if self.leaves_held => {}
            StepEnd::Held(task, claims) => self.held.push((task, claims)),
            StepEnd::Next(next) => self.note_next(next),
            StepEnd::Released => {}
        }
    }

    fn note_next(&mut self, next: NextWindow) {
        let is_outdated = matches!(self.rest, Rest::Claiming { is_outdated: true });
        self.rest = match next {
            NextWindow::Claimed(claim) => Rest::Claimed(claim),
            NextWindow::Held(_) if is_outdated => Rest::MayBeFree,
            NextWindow::Held(claims) if claims.is_empty() => Rest::InFlight,
            NextWindow::Held(_) if self.leaves_held => Rest::Done,
            NextWindow::Held(claims) => Rest::Held(claims),
            NextWindow::NoneLeft { has_records } => {
                if has_records {
                    self.add(Conclusion::of(ProjectOutcome::Complete));
                }
                Rest::Done
            }
            NextWindow::Dropped => {
                self.is_dropped = true;
                Rest::Done
            }
        };
    }

    fn note_window(&mut self, task: Task, end: WindowEnd) {
        if !matches!(self.rest, Rest::Done) {
            self.look_again();
        }
        match end {
            WindowEnd::Read(Proof::EmptyUnverified(why)) => {
                self.unverified.push_back((task, why));
                self.note_failed(task);
            }
            WindowEnd::Read(proof) => self.add(Conclusion::of(ProjectOutcome::of(proof))),
            WindowEnd::ReadElsewhere => self.add(Conclusion::of(ProjectOutcome::Complete)),
            WindowEnd::Halved(first, second) if self.backfill.is_some() => {
                // The halves are windows of the backfill.
                self.failed.retain(|from| *from != first.from() && *from != second.from());
                self.look_again();
            }
            WindowEnd::Halved(first, second) => {
                for half in [first, second] {
                    let reading = ListScope::Window(half);
                    self.tasks.push_front(Task { lane: task.lane, reading });
                }
            }
            WindowEnd::Lost(_) if self.may_try_again(task) => {
                self.lost.push(task);
                match self.backfill {
                    Some(_) => self.look_again(),
                    None => self.tasks.push_back(task),
                }
            }
            WindowEnd::Lost(conclusion) | WindowEnd::Left(conclusion) => {
                self.left += 1;
                self.add(conclusion);
                self.note_failed(task);
            }
        }
    }

    /// Looks for a free window of the backfill once more.
    fn look_again(&mut self) {
        self.rest = match std::mem::replace(&mut self.rest, Rest::MayBeFree) {
            Rest::Claiming { .. } => Rest::Claiming { is_outdated: true },
            Rest::Claimed(claim) => Rest::Claimed(claim),
            Rest::Done if self.is_dropped => Rest::Done,
            Rest::MayBeFree | Rest::Held(_) | Rest::InFlight | Rest::Done => Rest::MayBeFree,
        };
    }

    /// Whether a window is read again if another process does not read it after it has taken over
    /// its claim.
    fn may_try_again(&self, task: Task) -> bool {
        !self.leaves_held && self.second_try != SecondTry::Made && !self.lost.contains(&task)
    }

    fn note_failed(&mut self, task: Task) {
        if let (Some(_), ListScope::Window(window)) = (self.backfill, task.reading) {
            self.failed.push(window.from());
        }
    }

    /// Notes the end of a wait for windows that other processes hold.
    pub(super) fn note_woken(&mut self, woken: Woken) {
        match woken {
            Woken::Ready => {
                self.tasks.extend(self.held.drain(..).map(|(task, _)| task));
                if matches!(self.rest, Rest::Held(_)) {
                    self.rest = Rest::MayBeFree;
                }
            }
            Woken::InVain | Woken::Stopped => self.leave_held(),
        }
    }

    /// Leaves the windows whose holders make no progress.
    fn leave_held(&mut self) {
        let tasks = self.held.drain(..).map(|(task, _)| task.reading);
        let mut held: Vec<ListScope> = tasks.collect();
        if let (Some(backfill), Rest::Held(_)) = (self.backfill, &self.rest) {
            held.push(ListScope::Window(backfill.days));
            self.rest = Rest::Done;
        }
        for reading in held {
            self.left += 1;
            let why = format!("{reading}: another process claims these days and makes no progress");
            self.add(Conclusion::because(ProjectOutcome::Partial, why));
        }
    }

    fn add(&mut self, conclusion: Conclusion) {
        let none_yet = Conclusion::of(ProjectOutcome::CompleteEmpty);
        self.worst = std::mem::replace(&mut self.worst, none_yet).or_worse(conclusion);
    }

    /// The outcome of all windows.
    pub(super) fn end(mut self) -> QueueEnd {
        if let Some(why) = &mut self.worst.reason
            && self.left > 1
        {
            *why = format!("{why} (and {} more windows)", self.left - 1);
        }
        let Self { worst, unverified, is_dropped, .. } = self;
        QueueEnd { worst, unverified, is_dropped }
    }
}

#[cfg(test)]
mod tests;
