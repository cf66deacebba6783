//! How PostgreSQL chooses plans, for the rest of a transaction.

use sqlx::PgConnection;

use super::error::WarehouseError;

/// Settings of transactions that write items: they look all up by key or by place and have but one good plan, whatever stands
/// in the tables. Making it anew takes longer than to write a few rows, and copies all that is sent; and one that was made for
/// a table that was empty must serve when it is large.
#[doc(hidden)]
pub const LOOKING_UP: &str = "set local plan_cache_mode = force_generic_plan; \
    set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off";

/// Settings of all others: plans that were made for empty tables would be kept while these fill.
pub(super) const CHOOSING: &str = "set local plan_cache_mode = force_custom_plan";

/// Has PostgreSQL choose plans for what comes behind items that were written.
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
    .map_err(WarehouseError::database("choosing plans"))
}
