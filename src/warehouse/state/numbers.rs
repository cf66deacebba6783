//! The server whose sequences order observations (I6): a restore or a failover may set them back.

use sqlx::PgConnection;

use crate::{
    domain::ReadNumber,
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// The numbers of the observations that a transaction stores.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct Drawn {
    lowest: Option<ReadNumber>,
    pub(super) highest: Option<ReadNumber>,
    /// The highest fencing number that it writes under; 0: it writes under none.
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
    /// Raises the sequences that are behind the committed numbers, and remembers which server this
    /// is. Returns whether any was behind.
    ///
    /// Called before the first number of a run is drawn, and after
    /// [`WarehouseError::ServerChanged`].
    pub async fn adopt_server(&self) -> Result<bool, WarehouseError> {
        let drawn = self.server.drawn();
        let row = sqlx::query!(
            r#"select argos_sync.database_identity() as "identity!", floor as "floor!", was_behind as "was_behind!"
               from argos_sync.raise_sequences($1)"#,
            drawn,
        )
        .fetch_one(&self.pool)
        .await
        .doing("comparing sequences with the numbers in use")?;
        self.server.adopt(row.identity, row.floor, row.was_behind);
        Ok(row.was_behind)
    }

    /// Refuses observations that were drawn before the server changed; in the transaction that
    /// would store them.
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
                .doing("asking which server this is")?;
        if self.server.accepts(&identity, lowest) {
            Ok(())
        } else {
            Err(WarehouseError::ServerChanged)
        }
    }
}
