//! The last raw items of records, compressed.

use super::codec::{self, Inflater};
use crate::{
    domain::{Call, Stream},
    normalize::catalogue,
    warehouse::{
        postgres::{
            array::{PgArray, PgType},
            error::{Doing as _, WarehouseError},
            sql,
        },
        scope::Scope,
        tx::Tx,
    },
};
use std::collections::HashMap;

use sqlx::{
    Arguments as _, AssertSqlSafe, Encode as _, PgConnection, error::BoxDynError,
    postgres::PgArguments,
};

/// Compressed bodies of records' last items.
#[derive(Debug)]
pub(in crate::warehouse) struct Bodies {
    ids: PgArray,
    packed: PgArray,
}

impl Bodies {
    /// Creates an empty set.
    pub(in crate::warehouse) fn new() -> Self {
        Self::with_capacity([0, 0])
    }

    /// Creates an empty set with the capacity that [`Bodies::capacity`] returned for another one.
    pub(in crate::warehouse) fn with_capacity([ids, packed]: [usize; 2]) -> Self {
        let packed = PgArray::with_capacity(PgType::Bytes, packed);
        Self { ids: PgArray::with_capacity(PgType::Text, ids), packed }
    }

    /// The capacity to reserve for a similar number of bodies.
    pub(in crate::warehouse) fn capacity(&self) -> [usize; 2] {
        [self.ids.capacity(), self.packed.capacity()]
    }

    /// Adds the compressed body of a record's last item.
    pub(in crate::warehouse) fn add(&mut self, id: &str, packed: &[u8]) {
        self.ids.text(id);
        self.packed.bytes(packed);
    }

    /// The maximum size in bytes when sent.
    pub(in crate::warehouse) fn size_hint(&self) -> usize {
        self.ids.size_hint() + self.packed.size_hint()
    }

    /// Binds the ids, then the bodies.
    pub(in crate::warehouse) fn bind(
        &self,
        arguments: &mut PgArguments,
    ) -> Result<(), BoxDynError> {
        arguments.add(&self.ids)?;
        arguments.add(&self.packed)
    }
}

/// Stores these bodies, replacing earlier ones.
pub(in crate::warehouse) async fn keep(
    tx: &mut Tx<'_>,
    call: Call,
    bodies: &Bodies,
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if bodies.ids.is_empty() {
        return Ok(());
    }
    let column = column(call);
    let sql = format!(
        "insert into {table} (project, {id}, {column})
         select $1, given.id, given.body
         from (select unnest($2::text[]) as id, unnest($3::bytea[]) as body) as given
         order by given.id
         on conflict (project, {id}) do update set {column} = excluded.{column}",
        table = table(scope.stream),
        id = catalogue::id_column(scope.stream),
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(scope.project.as_str())
        .bind(&bodies.ids)
        .bind(&bodies.packed)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .doing("storing raw items")
}

/// The stored raw items of a record.
#[derive(Debug, Clone)]
pub(in crate::warehouse) struct RawItems {
    list: Option<Vec<u8>>,
    detail: Option<Vec<u8>>,
}

impl RawItems {
    /// Returns the bytes of the item that this call returned, as the vendor sent them. `None` if
    /// they are not stored.
    pub(in crate::warehouse) fn body(
        &self,
        call: Call,
        inflater: &mut Inflater,
    ) -> Result<Option<Vec<u8>>, WarehouseError> {
        let packed = match call {
            Call::List => &self.list,
            Call::Detail => &self.detail,
        };
        packed.as_ref().map(|packed| inflater.inflate(packed)).transpose()
    }
}

/// Id, list body, detail body.
type RawRow = (String, Option<Vec<u8>>, Option<Vec<u8>>);

/// Reads the stored raw items of these records.
pub(in crate::warehouse) async fn read(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[&str],
) -> Result<HashMap<String, RawItems>, WarehouseError> {
    let (table, id) = (table(scope.stream), catalogue::id_column(scope.stream));
    let sql = format!(
        "select {id}, list_body, detail_body from {rows}",
        rows = sql::found(table, id, "*"),
    );
    let rows: Vec<RawRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(scope.project.as_str())
        .bind(ids)
        .fetch_all(connection)
        .await
        .doing("reading raw items")?;
    let kept = |(id, list, detail)| (id, RawItems { list, detail });
    Ok(rows.into_iter().map(kept).collect())
}

/// Id, packed bytes, first bytes of the list body, first bytes of the detail body.
type HeadRow = (String, i32, Option<Vec<u8>>, Option<Vec<u8>>);

/// Returns the size in memory of these records' stored items, compressed plus decompressed, in
/// bytes. Reads only the first bytes of each body.
pub(in crate::warehouse) async fn weights(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[&str],
) -> Result<HashMap<String, u64>, WarehouseError> {
    let (table, id) = (table(scope.stream), catalogue::id_column(scope.stream));
    let sql = format!(
        "select {id}, coalesce(octet_length(list_body), 0) + coalesce(octet_length(detail_body), 0),
            substring(list_body for $3), substring(detail_body for $3) from {rows}",
        rows = sql::found(table, id, "*"),
    );
    let rows: Vec<HeadRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(scope.project.as_str())
        .bind(ids)
        .bind(codec::HEAD_BYTES)
        .fetch_all(connection)
        .await
        .doing("measuring raw items")?;
    let weight = |(id, packed, list, detail): HeadRow| {
        let heads = [list, detail].into_iter().flatten();
        let inflated: u64 = heads.filter_map(|head| codec::inflated_length(&head)).sum();
        (id, inflated + u64::try_from(packed).unwrap_or_default())
    };
    Ok(rows.into_iter().map(weight).collect())
}

fn column(call: Call) -> &'static str {
    match call {
        Call::List => "list_body",
        Call::Detail => "detail_body",
    }
}

/// Deletes the stored raw items of these records.
pub(in crate::warehouse) async fn drop_bodies(
    tx: &mut Tx<'_>,
    ids: &[&str],
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    let (table, id_column) = (table(scope.stream), catalogue::id_column(scope.stream));
    sql::empty(tx.connection, &scope.project, table, id_column, ids).await
}

/// The table of a stream's raw bodies.
pub(in crate::warehouse) fn table(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "argos_raw.submission",
        Stream::Faceauth => "argos_raw.faceauth",
    }
}
