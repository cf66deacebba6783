//! Outcomes of a window, a project and a run.

use super::binding::NotBound;
use crate::{
    client::ClientError,
    domain::ProjectName,
    warehouse::{Outcome, Proof, WarehouseError},
};

/// Why a window or a drain did not complete.
#[derive(Debug)]
pub(super) enum Failure {
    /// The API failed.
    Client(ClientError),
    /// The database failed.
    Warehouse(WarehouseError),
    /// The API key does not open the account that the project is bound to (I12).
    NotBound(NotBound),
    /// The program has to end.
    Interrupted,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<WarehouseError> for Failure {
    fn from(error: WarehouseError) -> Self {
        Self::Warehouse(error)
    }
}

/// The outcome of a project's work, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProjectOutcome {
    /// Everything was read, and provably nothing exists.
    CompleteEmpty,
    /// Everything was read.
    Complete,
    /// Nothing failed. The rest waits for its time, the budget or another process.
    InProgress,
    /// Nothing was received, without proof that nothing exists.
    EmptyUnverified,
    /// A part could not be read.
    Partial,
    /// The vendor refuses the key, or the key opens another account.
    Blocked,
    /// The database lacks privileges or the schema, or the request contradicts an earlier one.
    Misconfigured,
    /// The database or the program failed.
    Failed,
    /// Stopped from outside.
    Interrupted,
}

impl ProjectOutcome {
    pub(super) fn of(proof: Proof) -> Self {
        match proof {
            Proof::Complete => Self::Complete,
            Proof::CompleteEmpty => Self::CompleteEmpty,
            Proof::EmptyUnverified(_) => Self::EmptyUnverified,
        }
    }

    /// The outcome of work that this error has left for later.
    pub(super) fn after(error: &ClientError) -> Self {
        if error.is_planned() { Self::InProgress } else { Self::Partial }
    }
}

impl From<ProjectOutcome> for Outcome {
    fn from(outcome: ProjectOutcome) -> Self {
        match outcome {
            ProjectOutcome::CompleteEmpty => Self::CompleteEmpty,
            ProjectOutcome::Complete => Self::Complete,
            ProjectOutcome::InProgress => Self::InProgress,
            ProjectOutcome::EmptyUnverified => Self::EmptyUnverified,
            ProjectOutcome::Partial => Self::Partial,
            ProjectOutcome::Blocked => Self::Blocked,
            ProjectOutcome::Misconfigured | ProjectOutcome::Failed => Self::Failed,
            ProjectOutcome::Interrupted => Self::Interrupted,
        }
    }
}

/// The end of a project's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// The outcome.
    pub outcome: ProjectOutcome,
    /// What went wrong, and the next step; `None` if nothing did.
    pub reason: Option<String>,
}

impl Conclusion {
    /// An outcome without a reason.
    pub(super) fn of(outcome: ProjectOutcome) -> Self {
        Self { outcome, reason: None }
    }

    /// An outcome with what went wrong.
    pub(super) fn because(outcome: ProjectOutcome, reason: String) -> Self {
        Self { outcome, reason: Some(reason) }
    }

    /// The worse of two; this one if they are equal.
    pub(super) fn or_worse(self, other: Self) -> Self {
        if other.outcome > self.outcome { other } else { self }
    }
}

/// The outcome of a run, project by project.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// Each project with the end of its work.
    pub projects: Vec<(ProjectName, Conclusion)>,
}

impl Ended {
    /// The worst outcome of all projects; complete if there are none.
    pub fn worst(&self) -> ProjectOutcome {
        let outcomes = self.projects.iter().map(|(_, conclusion)| conclusion.outcome);
        outcomes.max().unwrap_or(ProjectOutcome::Complete)
    }
}
