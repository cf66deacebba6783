//! Compares records with their stored raw items: all of them for a command, a random sample after
//! each round of the daemon.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    domain::{Day, Window},
    sync::{project::Project, world::World},
    warehouse::{self, Chunk, RawStorage, Verified, WarehouseError},
};

/// Most random records compared after one round of the daemon.
const SAMPLE: i64 = 100;

/// Most records known to differ that are compared again after one round.
const KNOWN: i64 = 100;

/// Time after which a round starts no further comparisons.
const SAMPLE_TIME: Duration = Duration::from_secs(2);

/// Which records to compare, and whether to repair differences.
#[derive(Debug, Clone, Copy, Default)]
pub struct Verify {
    /// Restricts the comparison to records of these days. `None`: all records, and rows without a
    /// record.
    pub days: Option<Window>,
    /// Rewrites rows that differ, and makes detail calls due for lost raw items.
    pub repairs: bool,
}

impl Verify {
    /// Compares the records of a project with their raw items. Ends early when the program has to
    /// end.
    pub async fn run(&self, world: &World, project: &Project) -> Result<Verified, WarehouseError> {
        let mut done = Verified::default();
        if project.scope.raw == RawStorage::Zstd {
            match self.days {
                None => self.compare_all(world, project, None, &mut done).await?,
                Some(window) => {
                    for day in window.days() {
                        self.compare_all(world, project, Some(day), &mut done).await?;
                    }
                }
            }
        }
        if self.days.is_none() {
            self.look_for_rows_without_record(world, project, &mut done).await?;
        }
        let is_repaired = self.repairs && self.days.is_none() && done.differing > 0;
        if is_repaired && !world.stop.is_cancelled() {
            world.warehouse.forget_samples(&project.scope).await?;
        }
        Ok(done)
    }

    /// Iterates over the records of a day, or over all, in the order of their ids.
    async fn compare_all(
        &self,
        world: &World,
        project: &Project,
        day: Option<Day>,
        done: &mut Verified,
    ) -> Result<(), WarehouseError> {
        let (warehouse, scope) = (&world.warehouse, &project.scope);
        let mut behind = String::new();
        while !world.stop.is_cancelled() {
            let Some(chunk) = warehouse.verify_next(scope, day, &behind).await? else { break };
            *done += chunk.verified;
            if self.repairs && !chunk.found.is_empty() {
                *done += warehouse.repair(scope, &chunk.found).await?;
            }
            let Some(last) = chunk.ids.into_iter().next_back() else { break };
            behind = last;
        }
        Ok(())
    }

    /// Searches the data tables for rows whose record is not known.
    async fn look_for_rows_without_record(
        &self,
        world: &World,
        project: &Project,
        done: &mut Verified,
    ) -> Result<(), WarehouseError> {
        let scope = &project.scope;
        for table in warehouse::tables_of_records(project.stream()) {
            let mut behind = String::new();
            while !world.stop.is_cancelled() {
                let step =
                    world.warehouse.rows_without_record(scope, &table, &behind, self.repairs);
                let Some((ids, last)) = step.await? else { break };
                if !ids.is_empty() {
                    let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
                    *done.without_record.entry(table.clone()).or_default() += count;
                }
                behind = last;
            }
        }
        Ok(())
    }
}

/// Compares some random records and those known to differ, until asked to yield.
pub(super) async fn verify_some(
    world: &World,
    project: &Project,
    yields: &CancellationToken,
) -> Result<(), WarehouseError> {
    if project.scope.raw == RawStorage::None {
        return Ok(());
    }
    let (warehouse, scope) = (&world.warehouse, &project.scope);
    let end = Instant::now() + SAMPLE_TIME;
    let is_over = || world.stop.is_cancelled() || yields.is_cancelled() || Instant::now() >= end;
    let known = warehouse.known_differences(scope, KNOWN).await?;
    let drawn = warehouse.draw_records(scope, SAMPLE).await?;
    for (ids, is_sample) in [(drawn, true), (known, false)] {
        let mut left = ids.as_slice();
        while !left.is_empty() && !is_over() {
            let chunk = warehouse.verify_ids(scope, left).await?;
            warehouse.note_compared(scope, &chunk, is_sample).await?;
            project.pulse().step();
            if is_sample {
                tell(project, &chunk);
            }
            left = left.get(chunk.ids.len()..).unwrap_or_default();
        }
    }
    Ok(())
}

/// Logs the differences by table.
fn tell(project: &Project, chunk: &Chunk) {
    let Verified { compared, differing, lost_raw, differing_by_table, .. } = &chunk.verified;
    if chunk.found.is_empty() {
        debug!(project = %project.name(), compared, "random records equal their raw items");
        return;
    }
    let tables: Vec<_> =
        differing_by_table.iter().map(|(table, records)| format!("{table} {records}")).collect();
    let tables = tables.join(", ");
    warn!(
        project = %project.name(), compared, differing, lost_raw, tables,
        "records differ from their raw items; `argos-sync verify --repair` rewrites them"
    );
}
