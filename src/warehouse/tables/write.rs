//! Writes rows into the data tables.
//!
//! A table is skipped if the record's rows are known to be the same as before. Otherwise a join
//! finds unchanged rows before anything is locked or written to WAL.

use super::{
    batch::ColumnBatch, columns::is_parent, diff::ChangedRow, history, record_rows::RecordRows,
    replace::Changes, statements::statements,
};
use crate::{
    domain::{ProjectName, Stream},
    normalize::{
        Cell, Row,
        catalogue::{self, Key, Table},
    },
    warehouse::postgres::error::{Doing as _, WarehouseError},
};
use std::collections::BTreeSet;

use sqlx::{
    Arguments as _, AssertSqlSafe, PgConnection, error::BoxDynError, postgres::PgArguments,
};

/// Replaces the rows of these records in all tables with the given rows.
///
/// Returns the ids of the records with a row that was written or deleted.
pub(in crate::warehouse) async fn write(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    records: &[RecordRows<'_>],
) -> Result<BTreeSet<String>, WarehouseError> {
    let mut touched = BTreeSet::new();
    // The table that contains when its records changed is written last, and always: its pseudonyms
    // also depend on the configuration.
    let tables = catalogue::tables(stream).iter();
    let (parents, children): (Vec<_>, Vec<_>) = tables.partition(|table| is_parent(table));
    for table in children.into_iter().chain(parents) {
        let changes = statements(stream).changes.get(table.index).and_then(Option::as_ref);
        let (mut changed, mut others) = (Vec::new(), Vec::new());
        for record in records {
            match record.diff.rows(table.index) {
                Some([]) if !is_parent(table) => {}
                Some(rows) if changes.is_some() => {
                    changed.extend(rows.iter().map(|row| (record, row)));
                }
                Some(_) | None => others.push(record),
            }
        }
        if let Some(changes) = changes {
            let all_stood = change_rows(connection, project, table, changes, &changed).await?;
            changed.dedup_by(|one, other| one.0.id == other.0.id);
            if !all_stood {
                // A row is missing, for example because it was deleted by hand.
                others.extend(changed.iter().map(|(record, _)| *record));
            }
            touched.extend(changed.iter().map(|(record, _)| record.id.clone()));
        }
        if !others.is_empty() {
            let ids = write_table(connection, project, table, &others, &touched).await?;
            touched.extend(ids.into_iter().flatten());
        }
    }
    Ok(touched)
}

/// Updates rows of a table. Returns whether all of them existed.
async fn change_rows(
    connection: &mut PgConnection,
    project: &ProjectName,
    table: &'static Table,
    changes: &'static Changes,
    changed: &[(&RecordRows<'_>, &ChangedRow)],
) -> Result<bool, WarehouseError> {
    let (whole, small): (Vec<_>, Vec<_>) = changed.iter().partition(|(_, row)| row.is_whole);
    let mut all_stood = true;
    for (change, changed) in [(&changes.whole, whole), (&changes.small, small)] {
        if changed.is_empty() {
            continue;
        }
        let mut rows = ColumnBatch::of_such(table, changed.len(), change.sets);
        for (record, ChangedRow { position, .. }) in &changed {
            let ordinal = i32::try_from(position + 1).unwrap_or(i32::MAX);
            if let Some(row) = record.rows(table).get(*position) {
                rows.add(&record.id, ordinal, row);
            }
        }
        let arguments = arguments(project, |arguments| {
            arguments.reserve(0, rows.size_hint());
            rows.bind(arguments)
        })?;
        // The text is composed from the catalogue, which is part of the program. Values are
        // parameters.
        let updated = sqlx::query_with(AssertSqlSafe(change.sql), arguments)
            .execute(&mut *connection)
            .await
            .doing("changing rows")?;
        all_stood &= usize::try_from(updated.rows_affected()) == Ok(changed.len());
    }
    Ok(all_stood)
}

async fn write_table(
    connection: &mut PgConnection,
    project: &ProjectName,
    table: &'static Table,
    records: &[&RecordRows<'_>],
    touched: &BTreeSet<String>,
) -> Result<Vec<Option<String>>, WarehouseError> {
    let statements = statements(table.stream);
    if let Some(Some(elements)) = statements.elements.get(table.index) {
        history::record_elements(connection, project, table, elements, records).await?;
    }
    let statement = statements.replace.get(table.index).copied().unwrap_or_default();
    let arguments = arguments(project, |arguments| bind(arguments, table, records, touched))?;
    // The text is composed from the catalogue, which is part of the program. Values are parameters.
    sqlx::query_scalar_with(AssertSqlSafe(statement), arguments)
        .fetch_all(connection)
        .await
        .doing("writing rows")
}

/// Binds the parameters of a table's statement after the project.
pub(super) fn bind(
    arguments: &mut PgArguments,
    table: &'static Table,
    records: &[&RecordRows<'_>],
    touched: &BTreeSet<String>,
) -> Result<(), BoxDynError> {
    static NO_ROW: Row<'static> = Row::new();
    let mut rows = ColumnBatch::of_count(table, records.len());
    match table.key {
        Key::Record => {
            let is_there = records.iter().map(|record| !record.rows(table).is_empty());
            let is_there: Vec<bool> = is_there.collect();
            for record in records {
                rows.add(&record.id, 1, record.rows(table).first().unwrap_or(&NO_ROW));
            }
            rows.bind_ids(arguments)?;
            arguments.add(is_there)?;
            if is_parent(table) {
                let is_touched = records.iter().map(|record| touched.contains(&record.id));
                arguments.add(is_touched.collect::<Vec<_>>())?;
            }
            if history::keeps_moves(table) {
                history::bind_sights(arguments, records)?;
            }
            rows.bind_columns(arguments)
        }
        Key::Ordinal | Key::Columns(_) => {
            for record in records {
                for (ordinal, row) in (1..).zip(record.rows(table)) {
                    rows.add(&record.id, ordinal, row);
                }
            }
            arguments.add(records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>())?;
            rows.bind(arguments)?;
            if table.key == Key::Ordinal {
                let counts = records.iter().map(|record| i32::try_from(record.rows(table).len()));
                arguments.add(counts.collect::<Result<Vec<_>, _>>()?)?;
            }
            Ok(())
        }
        Key::Set => {
            // Many records share a set; a statement must not contain a key twice.
            let mut sets = BTreeSet::new();
            for row in records.iter().flat_map(|record| record.rows(table)) {
                if !matches!(row.first(), Some(Cell::Text(key)) if !sets.insert(key.as_ref())) {
                    rows.add("", 0, row);
                }
            }
            rows.bind(arguments)
        }
    }
}

/// The parameters of a statement: the project, then those that `add` binds.
pub(in crate::warehouse) fn arguments(
    project: &ProjectName,
    add: impl FnOnce(&mut PgArguments) -> Result<(), BoxDynError>,
) -> Result<PgArguments, WarehouseError> {
    let mut arguments = PgArguments::default();
    let added = arguments.add(project.as_str()).and_then(|()| add(&mut arguments));
    added.map(|()| arguments).map_err(|_unfit| WarehouseError::Shape { doing: "sending rows" })
}
