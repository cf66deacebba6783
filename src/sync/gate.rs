//! Lets HTTP attempts through: draws the read number that orders what they bring.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pause;
use crate::{
    client::{Gate, GateClosed},
    domain::ReadNumber,
    warehouse::{Remedy, Warehouse},
};

/// While PostgreSQL does not answer, nothing is asked of the vendor: nothing could be stored. The gate waits so long for
/// it, since a broken connection is soon replaced, and then closes for as long.
const CLOSED_FOR: Duration = Duration::from_secs(5);
const DELAY_MIN: Duration = Duration::from_millis(50);

pub(super) struct WarehouseGate {
    warehouse: Warehouse,
    stop: CancellationToken,
}

impl WarehouseGate {
    pub(super) fn new(warehouse: Warehouse, stop: CancellationToken) -> Self {
        Self { warehouse, stop }
    }
}

impl Gate for WarehouseGate {
    fn admit(&self) -> BoxFuture<'_, Result<ReadNumber, GateClosed>> {
        Box::pin(async move {
            let end = Instant::now() + CLOSED_FOR;
            let mut delay = DELAY_MIN;
            loop {
                if self.stop.is_cancelled() {
                    return Err(GateClosed {
                        reason: "the program is ending".to_owned(),
                        not_before: None,
                    });
                }
                let error = match self.warehouse.draw_read_number().await {
                    Ok(number) => return Ok(number),
                    Err(error) => error,
                };
                if error.remedy() != Remedy::Retry || Instant::now() + delay >= end {
                    return Err(GateClosed {
                        reason: error.to_string(),
                        not_before: Some(CLOSED_FOR),
                    });
                }
                pause(&self.stop, delay).await;
                delay *= 2;
            }
        })
    }
}
