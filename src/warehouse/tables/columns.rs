//! Columns of the data tables, and SQL fragments composed from them.

use crate::{
    normalize::{
        Row,
        catalogue::{Column, Key, Table, Tracking, Type},
    },
    warehouse::postgres::sql::{CHANGE_NUMBER, list},
};

/// The catalogue's columns that are part of the key.
pub(super) fn key_columns(table: &Table) -> &[Column] {
    let count = match table.key {
        Key::Record | Key::Ordinal => 0,
        Key::Columns(count) => count,
        Key::Set => 1,
    };
    table.columns.get(..count).unwrap_or_default()
}

/// The catalogue's columns that are not part of the key.
pub(super) fn plain_columns(table: &Table) -> &[Column] {
    table.columns.get(key_columns(table).len()..).unwrap_or_default()
}

/// The key after `project`: name and array type of each part.
pub(super) fn key_parts(table: &Table) -> Vec<(&'static str, &'static str)> {
    let mut parts = Vec::new();
    if table.key != Key::Set {
        parts.push((table.id_column(), "text"));
    }
    if table.key == Key::Ordinal {
        parts.push(("ordinal", "int"));
    }
    parts.extend(key_columns(table).iter().map(|column| (column.name, sent_type(column.kind))));
    parts
}

/// The array element type in which a column's values are sent. Arrays are sent as text because
/// `unnest` would flatten them.
pub(super) fn sent_type(kind: Type) -> &'static str {
    if kind == Type::TextArray { Type::Text.sql() } else { kind.sql() }
}

/// An expression that converts a sent value into its column's type.
pub(super) fn arrived(column: &Column, name: &str) -> String {
    if column.kind == Type::TextArray {
        format!("{name}::{}", column.kind.sql())
    } else {
        name.to_owned()
    }
}

/// The beginning of an `insert` statement: the target columns and the selected values.
pub(super) fn insert_into(
    table: &Table,
    arrived_as: impl Fn(usize, &(&str, &str)) -> String,
) -> String {
    let given = given_columns(table);
    let (own, own_values) = if is_parent(table) {
        let values = format!(", argos_sync.clock(), argos_sync.clock(), {CHANGE_NUMBER}");
        (", first_seen_at, changed_at, change_number", values)
    } else {
        ("", String::new())
    };
    let values = list(given.iter().enumerate(), |(index, column)| {
        let name = arrived_as(index, column);
        let keys = key_parts(table).len();
        let plain = index.checked_sub(keys).and_then(|index| plain_columns(table).get(index));
        if let Some(column) = plain { arrived(column, &name) } else { name }
    });
    format!(
        "insert into {table} (project, {names}{own})\nselect $1, {values}{own_values}",
        table = table.qualified(),
        names = list(&given, |(name, _)| (*name).to_owned()),
    )
}

/// Composes a statement that inserts rows from arrays. `unnest` is in the select list: in `from`,
/// PostgreSQL would first materialize the rows.
pub(in crate::warehouse) fn add_rows(table: &Table, first: usize) -> String {
    let insert =
        insert_into(table, |index, (_, kind)| format!("unnest(${}::{kind}[])", index + first));
    // Many records share a set.
    if table.key == Key::Set { insert + "\non conflict do nothing" } else { insert }
}

/// The key after `project` and the other columns, with the types in which they are sent.
pub(in crate::warehouse) fn given_columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    given_such(table, |_| true)
}

/// The key after `project` and the other columns that `is_such` selects.
pub(super) fn given_such(
    table: &Table,
    is_such: impl Fn(&Column) -> bool,
) -> Vec<(&'static str, &'static str)> {
    let mut given = key_parts(table);
    let such = plain_columns(table).iter().filter(|column| is_such(column));
    given.extend(such.map(|column| (column.name, sent_type(column.kind))));
    given
}

/// Whether this is the table named after the stream. It contains when its records were first seen
/// and last changed.
pub(in crate::warehouse) fn is_parent(table: &Table) -> bool {
    table.name == table.stream.as_str()
}

/// A condition that compares a table's `own` key with the given one.
pub(super) fn same(key: &[(&str, &str)], given: &str) -> String {
    let part = |(name, _): &(&str, &str)| format!("own.{name} = {given}.{name}");
    key.iter().map(part).collect::<Vec<_>>().join(" and ")
}

/// A lateral subquery for a table's `own` rows that meet a condition on the preceding `from` items.
///
/// `offset 0` prevents flattening, so that the rows are looked up for each record in turn. Without
/// up-to-date statistics PostgreSQL might prefer to read the whole table.
pub(super) fn looked_up(table: &Table, columns: &str, condition: &str, name: &str) -> String {
    let table = table.qualified();
    format!(
        "lateral (select {columns} from {table} as own where own.project = $1 and {condition} \
         offset 0) as {name}"
    )
}

/// Whether a column's values are long and seldom change. PostgreSQL would parse, compress and write
/// them again each time.
pub(super) fn is_large(column: &Column) -> bool {
    column.kind == Type::Json
}

/// Whether any column whose history is recorded changed.
pub(super) fn is_told(table: &Table, before: &Row<'_>, now: &Row<'_>) -> bool {
    let mut positions = (0..).zip(table.columns);
    positions.any(|(position, column)| {
        before.get(position) != now.get(position) && Tracking::of(table, column).is_some()
    })
}
