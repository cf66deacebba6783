//! The statements that write the data tables, made from the catalogue.
//!
//! Arrays in, rows out, whatever the number of rows. New records go into all tables of a stream by one statement; of records
//! that are known a table is written only where it changed, by a statement of its own (`replace`).

use std::sync::LazyLock;

use super::{
    differences, history,
    replace::{self, Changes},
};
use crate::{
    domain::{Call, Stream},
    normalize::catalogue::{self, Key, Table, Type},
    warehouse::raw::bodies,
};

/// The number of the writing transaction, for consumers of changes: a subquery, evaluated once a
/// statement and only when a row is written. Every statement that writes a `change_number` uses it.
pub(in crate::warehouse) const CHANGE_NUMBER: &str = "(select argos_sync.change_number())";

/// The statements of one stream.
pub(super) struct Statements {
    /// Adds new records that a list brought.
    insert_listed: &'static str,
    /// Adds new records that single calls brought.
    insert_detailed: &'static str,
    /// For each table: makes it hold the rows that are given for known records, and no others of them.
    pub(super) replace: Vec<&'static str>,
    /// For each table: change rows that stand there.
    pub(super) changes: Vec<Option<Changes>>,
    /// For each table: records which elements came and went; only where a history of them is kept.
    pub(super) elements: Vec<Option<&'static str>>,
    /// For each table: returns which records, or which sets, have other rows than those given.
    pub(super) compare: Vec<&'static str>,
    /// For each table of sets: rewrites those that differ.
    pub(super) rewrite: Vec<Option<&'static str>>,
}

impl Statements {
    /// Adds new records in the order of their ids, with all that is kept of them, or fails where anything of it is there.
    /// `$1` to `$4`: the project, the stream, the version that normalized and how bodies are kept; then, as arrays, what
    /// stands in `argos_sync.record`, and ids and bodies as they are kept; behind them, for each table, its keys and its
    /// columns.
    pub(super) fn insert(&self, call: Call) -> &'static str {
        match call {
            Call::List => self.insert_listed,
            Call::Detail => self.insert_detailed,
        }
    }
}

/// The statements of a stream, composed once.
pub(super) fn statements(stream: Stream) -> &'static Statements {
    static SUBMISSION: LazyLock<Statements> = LazyLock::new(|| compose(Stream::Submission));
    static FACEAUTH: LazyLock<Statements> = LazyLock::new(|| compose(Stream::Faceauth));
    match stream {
        Stream::Submission => &SUBMISSION,
        Stream::Faceauth => &FACEAUTH,
    }
}

/// Every statement, for the test that has PostgreSQL check them against the migrated schema.
#[doc(hidden)]
pub fn all_statements() -> impl Iterator<Item = &'static str> {
    Stream::ALL.into_iter().map(statements).flat_map(|statements| {
        let elements = statements.elements.iter().copied().flatten();
        let inserts = [statements.insert_listed, statements.insert_detailed];
        let changes = statements.changes.iter().flatten();
        let changes = changes.flat_map(|changes| [changes.whole.sql, changes.small.sql]);
        let compared = statements.compare.iter().copied();
        let rewritten = statements.rewrite.iter().copied().flatten();
        let written = inserts.into_iter().chain(statements.replace.iter().copied()).chain(changes);
        written.chain(elements).chain(compared).chain(rewritten)
    })
}

fn compose(stream: Stream) -> Statements {
    let tables = catalogue::tables(stream);
    let elements = |table| history::compose_elements(table).map(|moves| &*moves.leak());
    Statements {
        insert_listed: compose_insert(stream, Call::List).leak(),
        insert_detailed: compose_insert(stream, Call::Detail).leak(),
        replace: tables.iter().map(|table| &*replace::compose(table).leak()).collect(),
        changes: tables.iter().map(replace::compose_changes).collect(),
        elements: tables.iter().map(elements).collect(),
        compare: tables.iter().map(|table| &*differences::compose(table).leak()).collect(),
        rewrite: tables.iter().map(differences::compose_rewrite).collect(),
    }
}

/// The rows of `argos_sync.record` come first, since the last line asks for them: who has them need not wait for anybody
/// behind them, and so no two writers wait for each other.
fn compose_insert(stream: Stream, call: Call) -> String {
    let call = match call {
        Call::List => "list",
        Call::Detail => "detail",
    };
    let mut parts = vec![
        format!(
            "record as (\n\
             insert into argos_sync.record (project, stream, normalizer_version, id, {call}_digest, {call}_no, first_no,\n\
             window_day, undated, unsettled)\n\
             select $1, $2, $3, unnest($5::text[]), unnest($6::bytea[]), unnest($7::bigint[]), unnest($7::bigint[]),\n\
             unnest($8::date[]), unnest($9::boolean[]), unnest($10::boolean[])\n\
             returning id)"
        ),
        format!(
            "raw as (\n\
             insert into {table} (project, encoding, {id}, {call}_body)\n\
             select $1, $4, unnest($11::text[]), unnest($12::bytea[]))",
            table = bodies::table(stream),
            id = catalogue::id_column(stream),
        ),
    ];
    let mut first = 13;
    for table in catalogue::tables(stream) {
        parts.push(format!("{} as (\n{})", table.name, add_rows(table, first)));
        first += given_columns(table).len();
    }
    format!("with {}\nselect count(*) from record", parts.join(",\n"))
}

/// The catalogue's columns that belong to the key.
pub(super) fn key_columns(table: &Table) -> &[catalogue::Column] {
    let count = match table.key {
        Key::Record | Key::Ordinal => 0,
        Key::Columns(count) => count,
        Key::Set => 1,
    };
    table.columns.get(..count).unwrap_or_default()
}

/// The catalogue's columns that do not.
pub(super) fn plain_columns(table: &Table) -> &[catalogue::Column] {
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

/// The type a column's values travel as; arrays go as text, since `unnest` would flatten them.
pub(super) fn sent_type(kind: Type) -> &'static str {
    if kind == Type::Texts { Type::Text.sql() } else { kind.sql() }
}

/// A value that arrived as `name`, as its column takes it.
pub(super) fn arrived(column: &catalogue::Column, name: &str) -> String {
    if column.kind == Type::Texts {
        format!("{name}::{}", column.kind.sql())
    } else {
        name.to_owned()
    }
}

pub(in crate::warehouse) fn list<T>(
    items: impl IntoIterator<Item = T>,
    text: impl Fn(T) -> String,
) -> String {
    items.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

/// `unnest($2::text[], …) as <name> (<columns>)`, from that argument on.
pub(super) fn unnest(name: &str, first: usize, columns: &[(&str, &str)]) -> String {
    let arrays = list(columns.iter().enumerate(), |(index, (_, kind))| {
        format!("${}::{kind}[]", first + index)
    });
    format!("unnest({arrays}) as {name} ({})", list(columns, |(name, _)| (*name).to_owned()))
}

/// The beginning of every statement that writes rows: where they go, and what is selected for them.
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

/// The arrays are taken apart side by side where the rows are made: as a table of their own they would be written down first.
fn add_rows(table: &Table, first: usize) -> String {
    let insert =
        insert_into(table, |index, (_, kind)| format!("unnest(${}::{kind}[])", index + first));
    // Many records share a set.
    if table.key == Key::Set { insert + "\non conflict do nothing" } else { insert }
}

/// The key after `project` and the other columns, with the types they travel as.
pub(super) fn given_columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    given_such(table, |_| true)
}

/// The same with no other columns behind the key than these.
pub(super) fn given_such(
    table: &Table,
    is_such: impl Fn(&catalogue::Column) -> bool,
) -> Vec<(&'static str, &'static str)> {
    let mut given = key_parts(table);
    let such = plain_columns(table).iter().filter(|column| is_such(column));
    given.extend(such.map(|column| (column.name, sent_type(column.kind))));
    given
}

/// The table named like the stream tells when its records were first seen and last changed.
pub(in crate::warehouse) fn is_parent(table: &Table) -> bool {
    table.name == table.stream.as_str()
}

/// Whether a row of a table has the key of one that is given.
pub(super) fn same(key: &[(&str, &str)], given: &str) -> String {
    let part = |(name, _): &(&str, &str)| format!("own.{name} = {given}.{name}");
    key.iter().map(part).collect::<Vec<_>>().join(" and ")
}

/// A table's `own` rows that meet a condition on what stands before them in `from`.
///
/// `offset 0` keeps this apart, so that they are looked up for one record after the other. PostgreSQL may not know yet how
/// many rows there are, and would rather read them all.
pub(super) fn looked_up(table: &Table, columns: &str, condition: &str, name: &str) -> String {
    let table = table.qualified();
    format!(
        "lateral (select {columns} from {table} as own where own.project = $1 and {condition} offset 0) as {name}"
    )
}

/// What stands in `from` to find the rows of the project `$1` and the records `$2` in a table, each record by its key.
pub(in crate::warehouse) fn found(table: &str, id_column: &str, columns: &str) -> String {
    format!(
        "unnest($2::text[]) as given (id)\n\
         cross join lateral (\n\
         select {columns} from {table} where project = $1 and {id_column} = given.id offset 0) as found"
    )
}
