//! Compares the rows that records should have with the rows in the tables, and rewrites what
//! differs.
//!
//! The statements are made from the catalogue and take the same arguments as those that replace
//! rows.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    batch::Rows,
    replace::{differs, heads, side_by_side, surplus},
    statements::{
        given_columns, insert_into, key_parts, list, looked_up, plain_columns, same, statements,
        unnest,
    },
    write::{self, Stored, arguments},
};
use crate::{
    normalize::{
        Cell, Row,
        catalogue::{self, Key, Table},
    },
    warehouse::{postgres::error::WarehouseError, scope::Scope},
};

/// Makes the statement that returns the ids of the records whose rows in a table differ from those
/// given: changed, missing or surplus. For a table of sets it returns the keys of the sets that are
/// changed or missing.
pub(super) fn compose(table: &Table) -> String {
    let differs = differs(table).unwrap_or_else(|| "false".to_owned());
    let key = key_parts(table);
    let held = looked_up(table, "own.ctid as place, own.*", &same(&key, "given"), "held");
    match table.key {
        Key::Record => {
            let mut given = heads(table);
            given.extend(given_columns(table).into_iter().skip(key.len()));
            format!(
                "select given.{id} from {given}\nleft join {held} on true\n\
                 where given.is_there <> (held.place is not null) or given.is_there and {differs}",
                id = table.id_column(),
                given = side_by_side(2, &given),
            )
        }
        Key::Ordinal | Key::Columns(_) => format!(
            "select given.{id} from {given}\nleft join {held} on true\n\
             where held.place is null or {differs}\nunion all\nselect known.id from {surplus}",
            id = table.id_column(),
            given = side_by_side(3, &given_columns(table)),
            surplus = surplus(table),
        ),
        Key::Set => format!(
            "select given.{key} from {given}\nleft join {held} on true\n\
             where held.place is null or {differs}",
            key = list(&key, |(name, _)| (*name).to_owned()),
            given = unnest("given", 2, &given_columns(table)),
        ),
    }
}

/// Makes the statement that rewrites the sets that are changed or missing, and returns their keys;
/// `None` for other tables, which are replaced record by record.
///
/// In the order of their keys, as all writers add them.
pub(super) fn compose_rewrite(table: &Table) -> Option<&'static str> {
    if table.key != Key::Set {
        return None;
    }
    let key = key_parts(table);
    let keys = list(&key, |(name, _)| (*name).to_owned());
    let differs = differs(table).unwrap_or_else(|| "false".to_owned());
    let sql = format!(
        "{insert}\nfrom {given}\nleft join {held} on true\nwhere held.place is null or {differs}\n\
         order by given.{keys}\non conflict (project, {keys}) do update set {set}\nreturning {keys}",
        insert = insert_into(table, |_, (name, _)| format!("given.{name}")),
        given = unnest("given", 2, &given_columns(table)),
        held = looked_up(table, "own.ctid as place, own.*", &same(&key, "given"), "held"),
        set = list(plain_columns(table), |column| format!("{0} = excluded.{0}", column.name)),
    );
    Some(sql.leak())
}

/// The tables in which rows of these records differ, by the record's id.
pub(in crate::warehouse) async fn differing(
    connection: &mut PgConnection,
    scope: &Scope,
    records: &[Stored<'_>],
) -> Result<BTreeMap<String, BTreeSet<String>>, WarehouseError> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if records.is_empty() {
        return Ok(found);
    }
    let all: Vec<&Stored<'_>> = records.iter().collect();
    let untouched = BTreeSet::new();
    let compare = &statements(scope.stream).compare;
    for (place, statement) in catalogue::tables(scope.stream).iter().enumerate().zip(compare) {
        let arguments =
            arguments(&scope.project, |arguments| write::bind(arguments, place, &all, &untouched))?;
        // The text comes from the catalogue, which is part of the program; values travel as
        // arguments.
        let ids: Vec<String> = sqlx::query_scalar_with(AssertSqlSafe(*statement), arguments)
            .fetch_all(&mut *connection)
            .await
            .map_err(WarehouseError::database("comparing rows"))?;
        let (index, table) = place;
        let ids = if table.key == Key::Set { users(records, index, &ids) } else { ids };
        for id in ids {
            found.entry(id).or_default().insert(table.qualified());
        }
    }
    Ok(found)
}

/// Rewrites the sets of these records that are changed or missing; returns the ids of the records
/// that use them.
pub(in crate::warehouse) async fn rewrite_sets(
    connection: &mut PgConnection,
    scope: &Scope,
    records: &[Stored<'_>],
) -> Result<Vec<String>, WarehouseError> {
    let mut rewritten = Vec::new();
    let rewrite = &statements(scope.stream).rewrite;
    let tables = catalogue::tables(scope.stream).iter().enumerate().zip(rewrite);
    for ((index, table), statement) in tables {
        let Some(statement) = *statement else { continue };
        let sets: BTreeMap<&str, &Row<'_>> = records
            .iter()
            .flat_map(|record| record.rows(index))
            .filter_map(|row| Some((key_of(row)?, row)))
            .collect();
        let mut rows = Rows::of_count(table, sets.len());
        for row in sets.values() {
            rows.add("", 0, row);
        }
        let arguments = arguments(&scope.project, |arguments| rows.bind(arguments))?;
        // The text comes from the catalogue, which is part of the program; values travel as
        // arguments.
        let keys: Vec<String> = sqlx::query_scalar_with(AssertSqlSafe(statement), arguments)
            .fetch_all(&mut *connection)
            .await
            .map_err(WarehouseError::database("rewriting sets"))?;
        rewritten.extend(users(records, index, &keys));
    }
    Ok(rewritten)
}

/// The ids of the records that use one of these sets.
fn users(records: &[Stored<'_>], index: usize, keys: &[String]) -> Vec<String> {
    let keys: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
    let uses = |record: &&Stored<'_>| {
        record.rows(index).iter().any(|row| key_of(row).is_some_and(|key| keys.contains(key)))
    };
    records.iter().filter(uses).map(|record| record.id.to_owned()).collect()
}

/// The key of a set.
fn key_of<'r>(row: &'r Row<'_>) -> Option<&'r str> {
    match row.first() {
        Some(Cell::Text(key)) => Some(key),
        _ => None,
    }
}
