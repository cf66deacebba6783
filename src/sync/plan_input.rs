//! The input of planning.

use super::{clocks, project::Project, world::World};
use crate::{
    domain::{Clocks, Lane, Ledger, ListScope},
    planner::{self, Task},
    warehouse::WarehouseError,
};

/// The input of planning: settings, state and time.
#[derive(Debug)]
pub struct PlanInput {
    /// How the project's reads are planned.
    pub settings: planner::PlanSettings,
    /// The state of its days.
    pub ledger: Ledger,
    /// The time by every known clock.
    pub clocks: Clocks,
}

impl PlanInput {
    /// Reads the current state of a project.
    pub async fn of(world: &World, project: &Project) -> Result<Self, WarehouseError> {
        let page_size = project.client(Lane::Audit).page_size();
        let settings = planner::PlanSettings { page_size, ..world.settings.planner };
        let (name, stream) = (project.name(), project.stream());
        let ledger = world.warehouse.ledger(name, stream, settings.revisit.active_age).await?;
        let clocks = clocks::read(world, project).await?;
        Ok(Self { settings, ledger, clocks })
    }

    /// The newest window again, if the clocks now show that it is wider.
    pub(super) fn missed(&self, clocks: &Clocks) -> Option<Task> {
        let (read, newest) = (self.clocks.newest_window(), clocks.newest_window());
        // A midnight in between does not count: the next round starts with the new day.
        let is_wider = newest.len_days() > read.len_days();
        let reading = ListScope::Window(newest);
        is_wider.then_some(Task { lane: Lane::Recent, reading })
    }

    /// The passes that are due now.
    pub fn tasks(&self) -> Vec<Task> {
        planner::plan(&self.settings, &self.ledger, &self.clocks)
    }
}
