//! Counters for the progress of a backfill, written by the work and read by the display.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::domain::ProjectName;

/// Work of one kind: how much is done, and how much is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Work that is done, by any process.
    pub done: u64,
    /// Work that is left.
    pub left: u64,
}

impl Part {
    fn add_done(&mut self, count: u64) {
        self.done += count;
        self.left = self.left.saturating_sub(count);
    }

    /// Sets the work that is left. The difference was done by this or another process.
    fn set_left(&mut self, left: u64) {
        self.done += self.left.saturating_sub(left);
        self.left = left;
    }

    fn plus(self, other: Self) -> Self {
        Self { done: self.done + other.done, left: self.left + other.left }
    }
}

/// The progress of a backfill, of one project or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProgressSnapshot {
    /// Windows; one that is cut in two counts as two.
    pub windows: Part,
    /// Detail calls.
    pub details: Part,
    /// Items that this process has received in lists.
    pub items: u64,
}

/// The progress of all projects.
#[derive(Debug, Default)]
pub struct Progress {
    projects: Mutex<BTreeMap<ProjectName, ProgressSnapshot>>,
}

impl Progress {
    /// Returns the sums over all projects.
    pub fn look(&self) -> ProgressSnapshot {
        let projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.values().fold(ProgressSnapshot::default(), |sum, project| ProgressSnapshot {
            windows: sum.windows.plus(project.windows),
            details: sum.details.plus(project.details),
            items: sum.items + project.items,
        })
    }

    pub(super) fn set_windows_left(&self, project: &ProjectName, left: u64) {
        self.note(project, |progress| progress.windows.set_left(left));
    }

    pub(super) fn add_items(&self, project: &ProjectName, count: usize) {
        self.note(project, |progress| progress.items += count as u64);
    }

    pub(super) fn set_details_left(&self, project: &ProjectName, left: i64) {
        let left = u64::try_from(left).unwrap_or_default();
        self.note(project, |progress| progress.details.set_left(left));
    }

    pub(super) fn add_details_done(&self, project: &ProjectName, count: usize) {
        self.note(project, |progress| progress.details.add_done(count as u64));
    }

    fn note(&self, project: &ProjectName, change: impl FnOnce(&mut ProgressSnapshot)) {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        change(projects.entry(project.clone()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_processes_do_counts_as_done_and_new_work_as_left() {
        let mut part = Part::default();
        part.set_left(10);
        part.add_done(3);
        assert_eq!(part, Part { done: 3, left: 7 });
        part.set_left(5);
        assert_eq!(part, Part { done: 5, left: 5 });
        part.set_left(8);
        assert_eq!(part, Part { done: 5, left: 8 });
        part.add_done(9);
        assert_eq!(part, Part { done: 14, left: 0 });
    }
}
