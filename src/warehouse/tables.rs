//! Writes rows into the data tables.
//!
//! A row that is there already just so is found by a join before anything is locked or logged, and rows go in key order, so
//! that writers cannot deadlock.

use std::collections::BTreeSet;

use sqlx::{
    Arguments as _, AssertSqlSafe, PgConnection, error::BoxDynError, postgres::PgArguments,
};

use super::{
    Scope, WarehouseError, body, held,
    history::{self, Sight},
    notes::Noted,
    raw::Bodies,
    ready::Ready,
    rows::Rows,
    statements::{Surplus, found, statements},
};
use crate::{
    domain::{Call, ProjectName, Stream},
    normalize::{
        self, Cell, Normalized,
        catalogue::{self, Key, Table},
    },
};

/// A known record with all that is to be stored of it.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) id: &'a str,
    /// How its moves are recorded; `None`: they are not, as when it is refilled from raw.
    pub(super) sight: Option<Sight>,
    pub(super) normalized: Normalized<'a>,
}

/// What was noted of these records.
pub(super) fn noted<'s>(records: &'s [Stored<'_>]) -> Vec<Noted<'s>> {
    let noted = |record: &'s Stored<'_>| Noted { id: record.id, notes: &record.normalized.notes };
    records.iter().map(noted).collect()
}

/// Makes the tables hold these rows for these records, and no others of them.
///
/// Returns the ids of the records of which any row was written or deleted.
pub(super) async fn write(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    records: &[Stored<'_>],
) -> Result<BTreeSet<String>, WarehouseError> {
    if records.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (tables, statements) = (catalogue::tables(stream), statements(stream));
    // First, while the rows that stand there can still be compared.
    for (index, (table, moves)) in tables.iter().zip(&statements.moves).enumerate() {
        if let Some(moves) = moves {
            history::record(connection, project, table, index, moves, records).await?;
        }
    }
    let arguments = arguments(project, |arguments| {
        arguments.add(records.iter().map(|record| record.id).collect::<Vec<_>>())?;
        tables.iter().enumerate().try_for_each(|(index, table)| {
            gather(table, index, records).bind(arguments)?;
            bind_surplus(arguments, table, index, records)
        })
    })?;
    // The text comes from the catalogue, which is part of the program; values travel as arguments.
    let touched = sqlx::query_scalar_with(AssertSqlSafe(statements.replace), arguments)
        .fetch_all(connection)
        .await
        .map_err(WarehouseError::database("writing rows"))?;
    Ok(touched.into_iter().collect())
}

/// Adds new records and all that is kept of them; fails where anything of it is there. What was sent is not kept.
pub(super) async fn insert(
    connection: &mut PgConnection,
    scope: &Scope,
    call: Call,
    ready: &mut Ready,
) -> Result<(), WarehouseError> {
    let (rows, bodies) =
        (std::mem::take(&mut ready.rows), std::mem::replace(&mut ready.bodies, Bodies::new()));
    let arguments = arguments(&scope.project, |arguments| {
        // All at once: what grows at the end would be copied whole.
        let rows_size = rows.iter().map(Rows::size_hint).sum::<usize>();
        arguments.reserve(0, held::size_hint(&ready.records) + bodies.size_hint() + rows_size);
        arguments.add(scope.stream.as_str())?;
        arguments.add(normalize::VERSION)?;
        arguments.add(body::ZSTD)?;
        held::bind_new(arguments, &ready.records)?;
        bodies.bind(arguments)?;
        rows.into_iter().try_for_each(|rows| rows.bind(arguments))
    })?;
    sqlx::query_with(AssertSqlSafe(statements(scope.stream).insert(call)), arguments)
        .execute(connection)
        .await
        .map(drop)
        .map_err(WarehouseError::database("writing new records"))
}

/// Removes all rows of these records from a table.
pub(super) async fn empty(
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
        "delete from {table} as held using {found} where held.ctid = found.place",
        found = found(table, id_column, "ctid as place"),
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(project.as_str())
        .bind(ids)
        .execute(connection)
        .await
        .map(drop)
        .map_err(WarehouseError::database("emptying deleted records"))
}

/// What a statement takes: the project, then what `add` adds.
fn arguments(
    project: &ProjectName,
    add: impl FnOnce(&mut PgArguments) -> Result<(), BoxDynError>,
) -> Result<PgArguments, WarehouseError> {
    let mut arguments = PgArguments::default();
    let added = arguments.add(project.as_str()).and_then(|()| add(&mut arguments));
    added.map(|()| arguments).map_err(|_unfit| WarehouseError::Shape { doing: "sending rows" })
}

/// Adds what tells which rows of these records are no longer theirs.
fn bind_surplus(
    arguments: &mut PgArguments,
    table: &Table,
    index: usize,
    records: &[Stored<'_>],
) -> Result<(), BoxDynError> {
    let count = |record: &Stored<'_>| record.normalized.rows.get(index).map_or(0, Vec::len);
    match Surplus::of(table) {
        Surplus::None | Surplus::Keys => Ok(()),
        Surplus::Emptied => {
            let emptied = records.iter().filter(|record| count(record) == 0);
            arguments.add(emptied.map(|record| record.id).collect::<Vec<_>>())
        }
        Surplus::Counts => {
            let counts = records.iter().map(|record| i32::try_from(count(record)));
            arguments.add(counts.collect::<Result<Vec<_>, _>>()?)
        }
    }
}

/// The rows of one table that these records have.
fn gather(table: &'static Table, index: usize, records: &[Stored<'_>]) -> Rows {
    let mut gathered = Rows::of(table);
    let mut sets = BTreeSet::new();
    for record in records {
        for (ordinal, row) in (1..).zip(record.normalized.rows.get(index).into_iter().flatten()) {
            // Many records share a policy; a statement must not hold a key twice.
            if table.key == Key::Set
                && let Some(Cell::Text(id)) = row.first()
                && !sets.insert(id.as_ref())
            {
                continue;
            }
            gathered.add(record.id, ordinal, row);
        }
    }
    gathered
}
