//! Compares the expected rows of records with the stored rows, and rewrites sets that differ.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    batch::ColumnBatch,
    record_rows::RecordRows,
    statements::statements,
    write::{self, arguments},
};
use crate::{
    normalize::{
        Cell, Row,
        catalogue::{self, Key, Table},
    },
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        scope::Scope,
    },
};

/// Returns the tables in which rows of these records differ, by record id.
pub(in crate::warehouse) async fn differing(
    connection: &mut PgConnection,
    scope: &Scope,
    records: &[RecordRows<'_>],
) -> Result<BTreeMap<String, BTreeSet<String>>, WarehouseError> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if records.is_empty() {
        return Ok(found);
    }
    let all: Vec<&RecordRows<'_>> = records.iter().collect();
    let untouched = BTreeSet::new();
    let compare = &statements(scope.stream).compare;
    for (table, statement) in catalogue::tables(scope.stream).iter().zip(compare) {
        let arguments =
            arguments(&scope.project, |arguments| write::bind(arguments, table, &all, &untouched))?;
        // The text is composed from the catalogue, which is part of the program. Values are
        // parameters.
        let ids: Vec<String> = sqlx::query_scalar_with(AssertSqlSafe(*statement), arguments)
            .fetch_all(&mut *connection)
            .await
            .doing("comparing rows")?;
        let ids = if table.key == Key::Set { users(records, table, &ids) } else { ids };
        for id in ids {
            found.entry(id).or_default().insert(table.qualified());
        }
    }
    Ok(found)
}

/// Rewrites the sets of these records that are changed or missing. Returns the ids of the records
/// that use them.
pub(in crate::warehouse) async fn rewrite_sets(
    connection: &mut PgConnection,
    scope: &Scope,
    records: &[RecordRows<'_>],
) -> Result<Vec<String>, WarehouseError> {
    let mut rewritten = Vec::new();
    let rewrite = &statements(scope.stream).rewrite;
    for (table, statement) in catalogue::tables(scope.stream).iter().zip(rewrite) {
        let Some(statement) = *statement else { continue };
        let sets: BTreeMap<&str, &Row<'_>> = records
            .iter()
            .flat_map(|record| record.rows(table))
            .filter_map(|row| Some((key_of(row)?, row)))
            .collect();
        let mut rows = ColumnBatch::of_count(table, sets.len());
        for row in sets.values() {
            rows.add("", 0, row);
        }
        let arguments = arguments(&scope.project, |arguments| rows.bind(arguments))?;
        // The text is composed from the catalogue, which is part of the program. Values are
        // parameters.
        let keys: Vec<String> = sqlx::query_scalar_with(AssertSqlSafe(statement), arguments)
            .fetch_all(&mut *connection)
            .await
            .doing("rewriting sets")?;
        rewritten.extend(users(records, table, &keys));
    }
    Ok(rewritten)
}

/// The ids of the records that use one of these sets.
pub(super) fn users(records: &[RecordRows<'_>], table: &Table, keys: &[String]) -> Vec<String> {
    let keys: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
    let uses = |record: &&RecordRows<'_>| {
        record.rows(table).iter().any(|row| key_of(row).is_some_and(|key| keys.contains(key)))
    };
    records.iter().filter(uses).map(|record| record.id.clone()).collect()
}

/// The key of a set.
pub(super) fn key_of<'r>(row: &'r Row<'_>) -> Option<&'r str> {
    match row.first() {
        Some(Cell::Text(key)) => Some(key),
        _ => None,
    }
}
