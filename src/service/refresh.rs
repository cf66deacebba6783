//! Keeps the board up to date.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    board::{Board, KnownState, Outage, Promises},
    notify,
};
use crate::{
    config::Config,
    status::{json::as_json, report::StatusReport, sparse::Schedules},
    sync::{World, host_time},
    warehouse::{SchemaState, Warehouse, WarehouseError},
};

/// Shortest time between two refreshes.
const EVERY: Duration = Duration::from_secs(10);

/// Time between two refreshes as a multiple of the time that the last one took, so that a large
/// warehouse spends at most a fiftieth of a core on them.
const REST: u32 = 50;

/// Time limit of a refresh. A server that vanished without closing its connections would be waited
/// for forever.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Refreshes the board until the work of this world ends.
pub(super) async fn keep(config: &Config, world: &World, board: &Board) {
    // An outage is shown at once instead of being waited for.
    let warehouse = world.warehouse.clone().without_retries();
    let promises = Promises::of(config, host_time());
    loop {
        let began = Instant::now();
        let mut rest = EVERY;
        match tokio::time::timeout(TIME_MAX, read(config, world, &warehouse, board, promises)).await
        {
            Ok(Ok(mut state)) => {
                notify::status(summary(&state));
                rest = EVERY.max(began.elapsed() * REST);
                state.next_at = Instant::now() + rest;
                board.note_state(state);
            }
            Ok(Err(error)) => {
                board.note_outage(Outage { error: error.to_string(), advice: error.advice() });
            }
            Err(_elapsed) => board.note_outage(Outage {
                error: "PostgreSQL does not answer".to_owned(),
                advice: "check the server and the network",
            }),
        }
        tokio::select! {
            () = world.stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// The state in one line.
fn summary(state: &KnownState) -> &'static str {
    if state.schema != SchemaState::Current {
        "the schema is not that of this release; see `argos-sync check`"
    } else if state.report.is_wrong() {
        "an operator must act; see `argos-sync status`"
    } else {
        "working; see `argos-sync status`"
    }
}

async fn read(
    config: &Config,
    world: &World,
    warehouse: &Warehouse,
    board: &Board,
    promises: Promises,
) -> Result<KnownState, WarehouseError> {
    let schema = warehouse.schema_state().await?;
    let read_at = host_time();
    let report =
        StatusReport::read(warehouse, config, Some(promises.newest), Schedules::OfRounds(world))
            .await?;
    let json = serde_json::to_string_pretty(&as_json(&report))
        .map_err(|_invalid| WarehouseError::Shape { doing: "writing the status" })?;
    let mut trends = board.known().map(|known| known.trends.clone()).unwrap_or_default();
    trends.add(&report, read_at);
    Ok(KnownState {
        report,
        days: warehouse.day_reports().await?,
        windows: warehouse.window_reports().await?,
        trends,
        json,
        schema,
        promises,
        read_at,
        read: Instant::now(),
        next_at: Instant::now(),
    })
}
