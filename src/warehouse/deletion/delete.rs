//! The deletion of a record: its mark, and the data that are not kept.

use crate::{
    domain::ReadNumber,
    normalize::{
        DeletionMark,
        catalogue::{self, Column, Key, Table, Type},
    },
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            sql::{self, CHANGE_NUMBER, count},
        },
        raw::bodies,
        scope::Keep,
        tables::{columns, history},
        tx::Tx,
    },
};
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

impl Keep {
    /// Whether the last known values of a column are kept.
    fn keeps(self, table: &Table, column: &Column) -> bool {
        match self {
            Self::Facts => column.survives,
            Self::Everything => true,
            Self::Nothing => {
                columns::is_parent(table) && column.survives && column.kind == Type::Timestamp
            }
        }
    }
}

/// Whether a record's rows have the state that its deletion left, instead of being made from its
/// items. Renormalizing and verifying skip such records.
pub(in crate::warehouse) fn keeps_rows(deleted_at: Option<DateTime<Utc>>) -> bool {
    deleted_at.is_some()
}

/// The proof of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::warehouse) enum DeletionProof {
    /// A pass missed the record, and two detail calls did not find it.
    Absent,
    /// Two detail calls showed the vendor's deletion mark.
    Marked(DeletionMark),
}

/// A record with a proven deletion.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct Gone<'a> {
    pub(in crate::warehouse) id: &'a str,
    /// The read number of the detail call that proved it.
    pub(in crate::warehouse) read: ReadNumber,
    pub(in crate::warehouse) proof: DeletionProof,
}

/// Marks records as deleted, and clears the data that are not kept. Returns the number of deleted
/// records. Records with newer items stay unchanged.
///
/// History gets one row for each record: clearing a column is not recorded as a change.
pub(in crate::warehouse) async fn delete(
    tx: &mut Tx<'_>,
    gone: &[Gone<'_>],
) -> Result<i64, WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    if gone.is_empty() {
        return Ok(0);
    }
    let deleted = mark_records(tx, gone).await?;
    let (ids, times): (Vec<&str>, Vec<Option<DateTime<Utc>>>) = gone
        .iter()
        .filter(|gone| deleted.contains(gone.id))
        .map(|gone| match gone.proof {
            DeletionProof::Absent => (gone.id, None),
            DeletionProof::Marked(mark) => (gone.id, mark.at),
        })
        .unzip();
    let keep = scope.deletion.keep;
    for table in catalogue::tables(scope.stream).iter().filter(|table| table.key != Key::Set) {
        if columns::is_parent(table) {
            let doing = "marking rows as deleted";
            sqlx::query(AssertSqlSafe(compose_mark(table, keep)))
                .bind(scope.project.as_str())
                .bind(&ids)
                .bind(now)
                .bind(&times)
                .execute(&mut *tx.connection)
                .await
                .doing(doing)?;
        } else if !table.columns.iter().any(|column| keep.keeps(table, column)) {
            let (name, id_column) = (table.qualified(), table.id_column());
            sql::empty(tx.connection, &scope.project, &name, id_column, &ids).await?;
        } else if let Some(sql) = compose_empty(table, keep) {
            run(tx, sql, &ids).await?;
        }
    }
    history::tell_deletions(tx, &ids).await?;
    match keep {
        Keep::Everything => {}
        Keep::Facts | Keep::Nothing => {
            let is_kept = |table: &Table, column: &Column| keep.keeps(table, column);
            for sql in history::compose_forget(scope.stream, is_kept, keep == Keep::Nothing) {
                run(tx, sql, &ids).await?;
            }
            bodies::drop_bodies(tx, &ids).await?;
        }
    }
    Ok(count(ids.len()))
}

/// Marks the records that have no newer item as deleted, and returns their ids. After a mark, the
/// digest of the last list item is kept, so that the same item counts as unchanged next time.
async fn mark_records(
    tx: &mut Tx<'_>,
    gone: &[Gone<'_>],
) -> Result<BTreeSet<String>, WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let ids: Vec<&str> = gone.iter().map(|gone| gone.id).collect();
    let numbers: Vec<i64> = gone.iter().map(|gone| gone.read.0).collect();
    let deleted_by_absence: Vec<bool> =
        gone.iter().map(|gone| gone.proof == DeletionProof::Absent).collect();
    let deleted = sqlx::query_scalar!(
        "with given as (
            select *
            from unnest($3::text[], $4::bigint[], $6::boolean[])
                as given (id, number, deleted_by_absence)),
         locked as (
            select stored.id, given.number, given.deleted_by_absence
            from argos_sync.record as stored join given using (id)
            where stored.project = $1 and stored.stream = $2 and stored.deleted_at is null
              and coalesce(greatest(stored.list_read, stored.detail_read), 0) < given.number
            order by stored.id for update of stored)
         update argos_sync.record as stored
         set deleted_at = $5, deleted_by_absence = locked.deleted_by_absence, unlisted = false,
            unsettled = false, sources_differ = false, changed_at = null,
            list_digest = case when locked.deleted_by_absence then null
                else coalesce(stored.doubted_digest, stored.list_digest) end,
            list_read = case when locked.deleted_by_absence then stored.list_read
                else greatest(stored.list_read, stored.doubted_read) end,
            detail_digest = null, detail_read = locked.number,
            doubted_digest = null, doubted_read = null, sparse = null, detail_next_at = null,
            hint_digest = null
         from locked where stored.project = $1 and stored.stream = $2 and stored.id = locked.id
         returning stored.id",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &numbers,
        now,
        &deleted_by_absence,
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("deleting records")?;
    Ok(deleted.into_iter().collect())
}

/// Composes the statement that marks rows of the table named after the stream as deleted. `$1` to
/// `$4` are the project, the ids, the current time, and the vendor's times.
fn compose_mark(table: &Table, keep: Keep) -> String {
    let emptied = table.columns.iter().filter(|column| !keep.keeps(table, column));
    let nulls = emptied.fold(String::new(), |text, column| text + ", " + column.name + " = null");
    format!(
        "update {table} as stored
         set deleted_at = $3, vendor_deleted_at = found.at, changed_at = $3,
            change_number = {CHANGE_NUMBER}{nulls}
         from (
            select found.place, given.at
            from unnest($2::text[], $4::timestamptz[]) as given (id, at)
            cross join lateral (
                select ctid as place from {table} where project = $1 and {id} = given.id offset 0
            ) as found
         ) as found
         where stored.ctid = found.place",
        table = table.qualified(),
        id = table.id_column(),
    )
}

/// Composes the statement that clears the columns of another table that are not kept. `None` if all
/// are kept. `$1` and `$2` are the project and the ids.
fn compose_empty(table: &Table, keep: Keep) -> Option<String> {
    let emptied = table.columns.iter().filter(|column| !keep.keeps(table, column));
    let emptied: Vec<&str> = emptied.map(|column| column.name).collect();
    (!emptied.is_empty()).then(|| {
        format!(
            "update {table} as stored set {nulls} from {found}
             where stored.ctid = found.place and num_nonnulls({values}) > 0",
            table = table.qualified(),
            nulls = sql::list(&emptied, |column| format!("{column} = null")),
            values = sql::list(&emptied, |column| format!("stored.{column}")),
            found = sql::found(&table.qualified(), table.id_column(), "ctid as place"),
        )
    })
}

async fn run(tx: &mut Tx<'_>, sql: String, ids: &[&str]) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    // The text is composed from the catalogue, which is part of the program.
    sqlx::query(AssertSqlSafe(sql))
        .bind(scope.project.as_str())
        .bind(ids)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .doing("emptying deleted records")
}
