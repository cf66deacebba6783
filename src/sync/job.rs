//! The work of one run on one project.

use super::{project::Project, world::World};
use crate::warehouse::RunId;

/// A run's work on a project.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) world: &'a World,
    pub(super) project: &'a Project,
    /// The run whose counters grow.
    pub(super) run: RunId,
}
