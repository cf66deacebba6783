//! The ledger of days that were read completely.

use super::{Warehouse, WarehouseError};
use crate::domain::{Covered, ProjectName, Stream};

impl Warehouse {
    /// When each covered day of a project was last read completely.
    pub async fn coverage(
        &self,
        project: &ProjectName,
        stream: Stream,
    ) -> Result<Vec<Covered>, WarehouseError> {
        sqlx::query_as!(
            Covered,
            "select day, as_of from argos_sync.coverage where project = $1 and stream = $2 order by day",
            project.as_str(),
            stream.as_str(),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(WarehouseError::database("reading coverage"))
    }
}
