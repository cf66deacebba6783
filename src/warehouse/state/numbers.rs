//! Read numbers of the server whose sequences order observations (I6). A restore or failover may
//! set the sequences back.

use sqlx::PgConnection;

use crate::{
    domain::ReadNumber,
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// Read numbers and fencing number of a transaction that stores observations.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct Drawn {
    lowest: Option<ReadNumber>,
    pub(super) highest: Option<ReadNumber>,
    /// The highest fencing number that the transaction writes under; 0 if it has no claim.
    pub(super) fence: i64,
}

impl Drawn {
    pub(in crate::warehouse) fn of(
        reads: impl Iterator<Item = ReadNumber> + Clone,
        fence: i64,
    ) -> Self {
        Self { lowest: reads.clone().min(), highest: reads.max(), fence }
    }
}

impl Warehouse {
    /// Raises the sequences that are behind the committed numbers, and records the server's
    /// identity. Returns whether any sequence was behind.
    ///
    /// Called before the first number of a run is drawn, and after
    /// [`WarehouseError::ServerChanged`].
    pub async fn adopt_server(&self) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let drawn = self.server.drawn();
            let row = sqlx::query!(
                r#"select argos_sync.database_identity() as "identity!", floor as "floor!",
                       was_behind as "was_behind!"
                   from argos_sync.raise_sequences($1)"#,
                drawn,
            )
            .fetch_one(&self.pool)
            .await
            .doing("comparing sequences with the numbers in use")?;
            self.server.adopt(row.identity, row.floor, row.was_behind);
            Ok(row.was_behind)
        })
        .await
    }

    /// Returns [`WarehouseError::ServerChanged`] if an observation was drawn before the server
    /// changed. Must be called in the transaction that stores the observations.
    pub(in crate::warehouse) async fn check_numbers(
        &self,
        connection: &mut PgConnection,
        drawn: &Drawn,
    ) -> Result<(), WarehouseError> {
        let Some(lowest) = drawn.lowest else { return Ok(()) };
        let identity =
            sqlx::query_scalar!(r#"select argos_sync.database_identity() as "identity!""#)
                .fetch_one(connection)
                .await
                .doing("identifying the server")?;
        if self.server.accepts(&identity, lowest) {
            Ok(())
        } else {
            Err(WarehouseError::ServerChanged)
        }
    }
}
