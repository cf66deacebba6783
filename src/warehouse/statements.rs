//! The statements that write the data tables, made from the catalogue.
//!
//! Arrays in, rows out: one statement for all tables of a stream, whatever the number of rows. What is sent and answered once
//! costs one round trip, and PostgreSQL's plan of it is made once a connection.

use std::{fmt::Write as _, sync::LazyLock};

use super::{history, raw};
use crate::{
    domain::{Call, Stream},
    normalize::catalogue::{self, Key, Table, Type},
};

/// The statements of one stream.
pub(super) struct Statements {
    /// Adds new records that a list brought.
    insert_listed: &'static str,
    /// Adds new records that single calls brought.
    insert_detailed: &'static str,
    /// Makes the tables hold the rows that are given for known records, and no others of them; tells the ids of those of
    /// which any row was written or deleted. `$1`: the project; `$2`: the ids of the records; behind them, for each table,
    /// its keys, its columns and what [`Surplus`] takes.
    pub(super) replace: &'static str,
    /// For each table: records what moves; only where a history is kept.
    pub(super) moves: Vec<Option<&'static str>>,
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

/// What tells which rows of the given records are no longer theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surplus {
    /// They belong to nobody.
    None,
    /// The ids of records that have no row any more: one array more.
    Emptied,
    /// How many rows each record has, in the order of the records: one array more.
    Counts,
    /// The keys that are given anyway.
    Keys,
}

impl Surplus {
    pub(super) fn of(table: &Table) -> Self {
        match table.key {
            Key::Set => Self::None,
            Key::Record => Self::Emptied,
            Key::Ordinal => Self::Counts,
            Key::Columns(_) => Self::Keys,
        }
    }

    /// How many arrays it takes.
    fn arrays(self) -> usize {
        match self {
            Self::None | Self::Keys => 0,
            Self::Emptied | Self::Counts => 1,
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
        let moves = statements.moves.iter().copied().flatten();
        let others = [statements.insert_listed, statements.insert_detailed, statements.replace];
        others.into_iter().chain(moves)
    })
}

fn compose(stream: Stream) -> Statements {
    let tables = catalogue::tables(stream);
    let moves = |table| history::compose(table).map(|moves| &*moves.leak());
    Statements {
        insert_listed: compose_insert(stream, Call::List).leak(),
        insert_detailed: compose_insert(stream, Call::Detail).leak(),
        replace: compose_replace(tables).leak(),
        moves: tables.iter().map(moves).collect(),
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
             window_day, undated, unsettled, deleted_at)\n\
             select $1, $2, $3, unnest($5::text[]), unnest($6::bytea[]), unnest($7::bigint[]), unnest($7::bigint[]),\n\
             unnest($8::date[]), unnest($9::boolean[]), unnest($10::boolean[]), unnest($11::timestamptz[])\n\
             returning id)"
        ),
        format!(
            "raw as (\n\
             insert into {table} (project, encoding, {id}, {call}_body)\n\
             select $1, $4, unnest($12::text[]), unnest($13::bytea[]))",
            table = raw::table(stream),
            id = catalogue::id_column(stream),
        ),
    ];
    let mut first = 14;
    for table in catalogue::tables(stream) {
        parts.push(format!("{} as (\n{})", table.name, add_rows(table, first)));
        first += given_columns(table).len();
    }
    format!("with {}\nselect count(*) from record", parts.join(",\n"))
}

fn compose_replace(tables: &[Table]) -> String {
    let mut first = 3;
    let (mut parts, mut touched) = (Vec::new(), Vec::new());
    for table in tables {
        let (name, id) = (table.name, table.id_column());
        let written = put_rows(table, first);
        let behind = first + given_columns(table).len();
        if let Some(removed) = remove_rows(table, first, behind) {
            parts.push(format!("{name} as (\n{written}\nreturning {id})"));
            parts.push(format!("{name}_gone as (\n{removed}\nreturning held.{id})"));
            touched.extend(
                [name.to_owned(), format!("{name}_gone")]
                    .map(|part| format!("select {id} from {part}")),
            );
        } else {
            parts.push(format!("{name} as (\n{written})"));
        }
        first = behind + Surplus::of(table).arrays();
    }
    format!("with {}\n{}", parts.join(",\n"), touched.join(" union all "))
}

/// The catalogue's columns that belong to the key.
fn key_columns(table: &Table) -> &[catalogue::Column] {
    let count = match table.key {
        Key::Record | Key::Ordinal => 0,
        Key::Columns(count) => count,
        Key::Set => 1,
    };
    table.columns.get(..count).unwrap_or_default()
}

/// The catalogue's columns that do not.
fn plain_columns(table: &Table) -> &[catalogue::Column] {
    table.columns.get(key_columns(table).len()..).unwrap_or_default()
}

/// The key after `project`: name and array type of each part.
fn key_parts(table: &Table) -> Vec<(&'static str, &'static str)> {
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
fn arrived(column: &catalogue::Column, name: &str) -> String {
    if column.kind == Type::Texts {
        format!("{name}::{}", column.kind.sql())
    } else {
        name.to_owned()
    }
}

pub(super) fn list<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
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
fn insert_into(table: &Table, arrived_as: impl Fn(usize, &(&str, &str)) -> String) -> String {
    let given = given_columns(table);
    let (own, own_values) = if is_parent(table) {
        (", first_seen_at, changed_at", ", argos_sync.clock(), argos_sync.clock()")
    } else {
        ("", "")
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
fn given_columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    let mut given = key_parts(table);
    given.extend(plain_columns(table).iter().map(|column| (column.name, sent_type(column.kind))));
    given
}

/// The table named like the stream tells when its records were first seen and last changed.
pub(super) fn is_parent(table: &Table) -> bool {
    table.name == table.stream.as_str()
}

/// Rows that are there already just so are left out before anything is locked.
fn put_rows(table: &Table, first: usize) -> String {
    let key = key_parts(table);
    let plain = plain_columns(table);
    let own_update = if is_parent(table) { ", changed_at = excluded.changed_at" } else { "" };
    let mut sql = format!(
        "{insert}\nfrom {rows}\nleft join {held} on true\nwhere held.project is null",
        insert = insert_into(table, |_, (name, _)| format!("given.{name}")),
        rows = unnest("given", first, &given_columns(table)),
        held = looked_up(table, "*", &same(&key, "given"), "held"),
    );
    let conflict = if plain.is_empty() || table.key == Key::Set {
        "do nothing".to_owned()
    } else {
        let _infallible = write!(
            sql,
            " or ({}) is distinct from ({})",
            list(plain, |column| format!("held.{}", column.name)),
            list(plain, |column| arrived(column, &format!("given.{}", column.name))),
        );
        let update = list(plain, |column| format!("{0} = excluded.{0}", column.name));
        format!("do update set {update}{own_update}")
    };
    let _infallible = write!(
        sql,
        "\norder by {}\non conflict (project, {}) {conflict}",
        list(&key, |(name, _)| format!("given.{name}")),
        list(&key, |(name, _)| (*name).to_owned()),
    );
    sql
}

/// Rows of records that are locked: nobody else writes them meanwhile. The table's own arrays begin at `first`, what its
/// [`Surplus`] takes at `behind`.
fn remove_rows(table: &Table, first: usize, behind: usize) -> Option<String> {
    let id = table.id_column();
    let of_record = format!("own.{id} = known.id");
    let (known, condition) = match Surplus::of(table) {
        Surplus::None => return None,
        Surplus::Emptied => (unnest("known", behind, &[("id", "text")]), of_record),
        Surplus::Counts => {
            let known = format!("unnest($2::text[], ${behind}::integer[]) as known (id, rows)");
            (known, format!("{of_record} and own.ordinal > known.rows"))
        }
        Surplus::Keys => {
            let key = key_parts(table);
            let kept = unnest("kept", first, &key);
            let is_kept = same(&key, "kept");
            let condition =
                format!("{of_record} and not exists (select from {kept} where {is_kept})");
            (unnest("known", 2, &[("id", "text")]), condition)
        }
    };
    Some(format!(
        "delete from {table} as held using {known}\ncross join {surplus}\nwhere held.ctid = surplus.place",
        table = table.qualified(),
        surplus = looked_up(table, "own.ctid as place", &condition, "surplus"),
    ))
}

/// Whether a row of a table has the key of one that is given.
fn same(key: &[(&str, &str)], given: &str) -> String {
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
pub(super) fn found(table: &str, id_column: &str, columns: &str) -> String {
    format!(
        "unnest($2::text[]) as given (id)\n\
         cross join lateral (\n\
         select {columns} from {table} where project = $1 and {id_column} = given.id offset 0) as found"
    )
}
