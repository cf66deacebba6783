//! Lets HTTP attempts through: draws the read number that orders what they bring.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Gate, GateClosed},
    domain::ReadNumber,
    warehouse::Warehouse,
};

/// While PostgreSQL does not answer, nothing is asked of the vendor: nothing could be stored.
const CLOSED_FOR: Duration = Duration::from_secs(5);

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
            if self.stop.is_cancelled() {
                return Err(GateClosed {
                    reason: "the program is ending".to_owned(),
                    not_before: None,
                });
            }
            self.warehouse.draw_read_number().await.map_err(|error| GateClosed {
                reason: error.to_string(),
                not_before: Some(CLOSED_FOR),
            })
        })
    }
}
