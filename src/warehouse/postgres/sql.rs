//! Fragments of SQL that are independent of the tables.

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{Doing as _, WarehouseError};
use crate::domain::ProjectName;

/// A number of things, as PostgreSQL's `bigint`.
pub(in crate::warehouse) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(in crate::warehouse) fn list<T>(
    items: impl IntoIterator<Item = T>,
    text: impl Fn(T) -> String,
) -> String {
    items.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Returns `unnest($first::text[], ...) as name (columns)`. Parameters are numbered from `first`.
pub(in crate::warehouse) fn unnest(name: &str, first: usize, columns: &[(&str, &str)]) -> String {
    let arrays = list(columns.iter().enumerate(), |(index, (_, kind))| {
        format!("${}::{kind}[]", first + index)
    });
    format!("unnest({arrays}) as {name} ({})", list(columns, |(name, _)| (*name).to_owned()))
}

/// A `from` clause that finds the rows of project `$1` and records `$2` in a table. Each record is
/// looked up by its key.
pub(in crate::warehouse) fn found(table: &str, id_column: &str, columns: &str) -> String {
    format!(
        "unnest($2::text[]) as given (id)\n\
         cross join lateral (\n\
         select {columns} from {table} where project = $1 and {id_column} = given.id \
         offset 0) as found"
    )
}

/// The number of the writing transaction, for consumers of changes. It is a subquery, which
/// PostgreSQL evaluates once per statement and only if a row is written. Every statement that
/// writes a `change_number` uses it.
pub(in crate::warehouse) const CHANGE_NUMBER: &str = "(select argos_sync.change_number())";

/// Deletes all rows of these records from a table.
pub(in crate::warehouse) async fn empty(
    connection: &mut PgConnection,
    project: &ProjectName,
    table: &str,
    id_column: &str,
    ids: &[&str],
) -> Result<(), WarehouseError> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "delete from {table} as stored using {found} where stored.ctid = found.place",
        found = found(table, id_column, "ctid as place"),
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(project.as_str())
        .bind(ids)
        .execute(connection)
        .await
        .map(drop)
        .doing("emptying deleted records")
}
