//! Requests that records are read again. The daemon does it.

use crate::{
    domain::Window,
    sync::{project::Project, world::World},
    warehouse::{Outcome, ProjectEnd, RequestedBackfill, WarehouseError},
};

/// The records to read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResyncScope {
    /// All records of these days, by lists and by detail calls.
    Days(Window),
    /// The record with this id, by a detail call.
    Id(String),
}

/// Requests a backfill of the days and makes detail calls due. Returns the number of detail calls;
/// 0 if the record is not known.
pub async fn resync(
    world: &World,
    project: &Project,
    scope: &ResyncScope,
) -> Result<u64, WarehouseError> {
    let warehouse = &world.warehouse;
    match scope {
        ResyncScope::Id(id) => warehouse.request_detail(project.scope(), id).await,
        ResyncScope::Days(days) => {
            warehouse.register(project.name(), &project.kind).await?;
            // The backfill counts as requested at the start of a run.
            let run = warehouse.begin_run("resync", &world.holder).await?;
            let days_max = world.settings.planner.window_days;
            let request = RequestedBackfill {
                project: project.name(),
                stream: project.stream(),
                days: *days,
                windows: &project.backfill_windows(*days, days_max),
                restart: true,
                job: None,
            };
            warehouse.open_backfill(request, run).await?;
            let mut calls = 0;
            for day in days.days() {
                calls += warehouse.request_details(project.scope(), day).await?;
            }
            warehouse.end_run(run, Outcome::Complete, &[] as &[ProjectEnd<'_>]).await?;
            Ok(calls)
        }
    }
}
