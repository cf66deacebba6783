//! The recent course of a project's calls and backlog, kept in memory.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};

use crate::status::report::StatusReport;

/// Number of samples kept for each project: an hour, if the state is refreshed every 30 seconds.
const SAMPLES: usize = 120;

/// The state of a project at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) at: DateTime<Utc>,
    /// Calls made on the UTC day of `at`.
    pub(super) calls_today: u64,
    pub(super) details_due: i64,
}

/// The last samples of each project, the oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Trends(BTreeMap<String, VecDeque<Sample>>);

impl Trends {
    /// Adds a sample of each project.
    pub(super) fn add(&mut self, report: &StatusReport, at: DateTime<Utc>) {
        for (project, calls) in report.projects.iter().zip(&report.calls) {
            let samples = self.0.entry(project.project.clone()).or_default();
            if samples.len() == SAMPLES {
                samples.pop_front();
            }
            samples.push_back(Sample {
                at,
                calls_today: calls.total,
                details_due: project.details_due,
            });
        }
    }

    /// The samples of a project, the oldest first.
    pub(super) fn of(&self, project: &str) -> impl Iterator<Item = &Sample> {
        self.0.get(project).into_iter().flatten()
    }
}
