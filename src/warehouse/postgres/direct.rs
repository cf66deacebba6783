//! Detects a pooler in transaction mode, through which the schema cannot be migrated: the session
//! lock of a migration would belong to any client of the pooler.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, Row as _};

use super::{
    error::{Doing as _, WarehouseError},
    pool::Warehouse,
    sql_fault::SqlFault,
};

/// Number of comparisons. Other clients of a pooler may use a server connection in between.
const COMPARISONS: u32 = 5;

/// Time limit for the second connection.
const TIME_MAX: Duration = Duration::from_secs(10);

const DOING: &str = "checking for a pooler";

impl Warehouse {
    /// Returns an error if two open connections share a server process, or if one of them changes
    /// its own. Without a pooler, or with one in session mode, each connection has one of its own.
    ///
    /// A pooler that other clients keep busy may not be detected.
    pub(super) async fn check_direct(&self) -> Result<(), WarehouseError> {
        let mut one = self.pool.acquire().await.doing(DOING)?;
        let mut other = match self.connect(TIME_MAX).await {
            Ok(other) => other,
            // Without a free connection there is nothing to compare.
            Err(WarehouseError::Refused { sqlstate, .. })
                if SqlFault::of(&sqlstate) == SqlFault::NoConnection =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let first = server_process(&mut one).await?;
        let mut is_direct = true;
        for _ in 0..COMPARISONS {
            let others = server_process(&mut other).await?;
            is_direct &= others != first && server_process(&mut one).await? == first;
        }
        let _closing = other.close().await;
        if is_direct { Ok(()) } else { Err(WarehouseError::PooledMigration) }
    }
}

/// Returns the number of the server process that answers. A prepared statement would fail behind
/// poolers that do not support them.
async fn server_process(connection: &mut PgConnection) -> Result<i32, WarehouseError> {
    let row = sqlx::raw_sql("select pg_backend_pid()").fetch_one(connection).await.doing(DOING)?;
    row.try_get(0).doing(DOING)
}
