//! Planner settings for the rest of a transaction.

use sqlx::PgConnection;

use super::error::{Doing as _, WarehouseError};

/// Settings of transactions that write items.
///
/// These statements look rows up by key or `ctid`, so one generic plan is right for any table size.
/// Re-planning costs more than writing a few rows and copies all parameters.
#[doc(hidden)]
pub const LOOKING_UP: &str = "set local plan_cache_mode = force_generic_plan; set local \
     enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off";

/// Planner settings of all other transactions. A generic plan made for an empty table would be kept
/// while the table fills.
pub(super) const CHOOSING: &str = "set local plan_cache_mode = force_custom_plan";

/// Restores the default planner settings for the statements that follow the items of a transaction.
pub(in crate::warehouse) async fn choose_again(
    connection: &mut PgConnection,
) -> Result<(), WarehouseError> {
    sqlx::raw_sql(
        "set local plan_cache_mode = force_custom_plan; set local enable_seqscan to default; \
         set local enable_hashjoin to default; set local enable_mergejoin to default",
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("choosing plans")
}
