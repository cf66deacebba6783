//! The last items of records as they came, compressed.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Scope, WarehouseError, body, tables};
use crate::{
    domain::{Call, Stream},
    normalize::catalogue,
};

/// Keeps the bodies of these records' last items.
pub(super) async fn keep(
    connection: &mut PgConnection,
    scope: &Scope,
    call: Call,
    bodies: &[(&str, &[u8])],
) -> Result<(), WarehouseError> {
    if bodies.is_empty() {
        return Ok(());
    }
    let column = column(call);
    let sql = format!(
        "insert into {table} (project, {id}, encoding, {column})
         select $1, given.id, $2, given.body from unnest($3::text[], $4::bytea[]) as given (id, body)
         order by given.id
         on conflict (project, {id}) do update set encoding = excluded.encoding, {column} = excluded.{column}",
        table = table(scope.stream),
        id = catalogue::id_column(scope.stream),
    );
    let ids: Vec<&str> = bodies.iter().map(|(id, _)| *id).collect();
    let packed: Vec<&[u8]> = bodies.iter().map(|(_, body)| *body).collect();
    sqlx::query(AssertSqlSafe(sql))
        .bind(scope.project.as_str())
        .bind(body::ZSTD)
        .bind(ids)
        .bind(packed)
        .execute(connection)
        .await
        .map(drop)
        .map_err(WarehouseError::database("keeping raw items"))
}

/// The COPY that keeps bodies of records of which nothing is kept yet: project, id, encoding, body.
pub(super) fn copy_statement(stream: Stream, call: Call) -> String {
    let (table, id, column) = (table(stream), catalogue::id_column(stream), column(call));
    format!("copy {table} (project, {id}, encoding, {column}) from stdin (format binary)")
}

fn column(call: Call) -> &'static str {
    match call {
        Call::List => "list_body",
        Call::Detail => "detail_body",
    }
}

/// Removes all that is kept of these records as it came.
pub(super) async fn drop_bodies(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[&str],
) -> Result<(), WarehouseError> {
    let (table, id_column) = (table(scope.stream), catalogue::id_column(scope.stream));
    tables::empty(connection, &scope.project, table, id_column, ids).await
}

/// The table of a stream's raw bodies.
pub(super) fn table(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "argos_raw.submission",
        Stream::Faceauth => "argos_raw.faceauth",
    }
}
