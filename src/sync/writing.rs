//! Tries a transaction again while PostgreSQL is away: what was received is not let go, unless all rows were made of it and a
//! call brings it again.

use std::{sync::PoisonError, time::Duration};

use tokio::time::Instant;
use tracing::warn;

use super::World;
use crate::warehouse::{Remedy, Unreachable, WarehouseError};

/// Once the program has to end, PostgreSQL gets so long to take what was received: once, whoever asks. With what else
/// there is to end, the program ends within ten seconds.
const FAREWELL: Duration = Duration::from_secs(7);
/// After that time a transaction gets so long: another one may have been stuck, and not PostgreSQL.
const LAST_MOMENT: Duration = Duration::from_millis(300);
/// A transaction takes a fraction of this; a server that vanished without a word would be waited for without end.
const ANSWER_MAX: Duration = Duration::from_mins(3);
const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);

/// Runs a transaction until it succeeds, fails for good, or patience ends.
///
/// Patience counts from the moment PostgreSQL went away, whoever noticed it; the daemon's never ends (I11).
pub(super) async fn insist<T>(
    world: &World,
    mut transaction: impl AsyncFnMut() -> Result<T, WarehouseError>,
) -> Result<T, WarehouseError> {
    let trying = async {
        let mut delay = DELAY_MIN;
        loop {
            let error = match tokio::time::timeout(ANSWER_MAX, transaction()).await {
                Ok(Ok(value)) => {
                    note_answer(world);
                    return Ok(value);
                }
                Ok(Err(error)) => error,
                Err(_elapsed) => WarehouseError::Connection {
                    doing: "waiting for PostgreSQL",
                    cause: Unreachable::Silent,
                },
            };
            if error.remedy() != Remedy::Retry || !is_patient(world) {
                return Err(error);
            }
            let advice = error.advice();
            warn!(%error, advice, delay_ms = delay.as_millis(), "PostgreSQL did not take it; trying again");
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(if world.stop.is_cancelled() { DELAY_MIN } else { DELAY_MAX });
        }
    };
    tokio::select! {
        result = trying => result,
        () = farewell(world) => Err(WarehouseError::NoTime),
    }
}

/// Stores which server this is, and raises its sequences if they are behind the numbers in use.
pub(super) async fn adopt_server(world: &World) -> Result<(), WarehouseError> {
    if insist(world, async || world.warehouse.adopt_server().await).await? {
        warn!(
            "a sequence of argos_sync was behind the numbers in use, as after a restore or a failover: it was raised"
        );
    }
    Ok(())
}

/// Ready once the program had to end, and waited for PostgreSQL as long as it may.
async fn farewell(world: &World) {
    world.stop.cancelled().await;
    let end = *world.farewell_end.get_or_init(|| Instant::now() + FAREWELL);
    tokio::time::sleep_until(end.max(Instant::now() + LAST_MOMENT)).await;
}

fn note_answer(world: &World) {
    *world.away_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

fn is_patient(world: &World) -> bool {
    let mut away_since = world.away_since.lock().unwrap_or_else(PoisonError::into_inner);
    let since = *away_since.get_or_insert_with(Instant::now);
    world.is_daemon || since.elapsed() < world.settings.patience
}
