//! Writes rows into the data tables with statements made from the catalogue.
//!
//! Arrays in, rows out: one statement a table whatever the number of rows. A row that is there already just so is
//! found by a join before anything is locked or logged, and rows go in key order, so that writers cannot deadlock.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::LazyLock,
};

use sqlx::{
    Arguments as _, AssertSqlSafe, PgConnection, Row as _, error::BoxDynError,
    postgres::PgArguments,
};

use super::{
    WarehouseError,
    history::{self, Sight},
    notes::Noted,
    rows::Rows,
};
use crate::{
    domain::{ProjectName, Stream},
    normalize::{
        Cell, Normalized, Row,
        catalogue::{self, Key, Table, Type},
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
    let mut touched = BTreeSet::new();
    for (index, (table, statements)) in
        catalogue::tables(stream).iter().zip(statements(stream)).enumerate()
    {
        // First, while the rows that stand there can still be compared.
        if let Some(moves) = statements.moves {
            history::record(connection, project, table, index, moves, records).await?;
        }
        let rows = gather(table, index, records);
        if !rows.is_empty() {
            run(connection, statements.upsert, all(project, &rows)?, &mut touched).await?;
        }
        if let Some(delete) = statements.delete
            && let Some(arguments) = surplus(project, table, index, records, &rows)?
        {
            run(connection, delete, arguments, &mut touched).await?;
        }
    }
    Ok(touched)
}

/// Adds rows that many records share and that are not there yet; nothing of the others.
pub(super) async fn write_sets(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    index: usize,
    sets: &BTreeMap<String, Row<'static>>,
) -> Result<(), WarehouseError> {
    let table = catalogue::tables(stream).get(index).zip(statements(stream).get(index));
    if let Some((table, statements)) = table.filter(|_| !sets.is_empty()) {
        let mut rows = Rows::of(table);
        for row in sets.values() {
            rows.add("", 0, row);
        }
        run(connection, statements.upsert, all(project, &rows)?, &mut BTreeSet::new()).await?;
    }
    Ok(())
}

/// Adds rows of new records to one table.
pub(super) async fn insert(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    index: usize,
    rows: &Rows,
) -> Result<(), WarehouseError> {
    if let Some(statements) = statements(stream).get(index)
        && !rows.is_empty()
    {
        run(connection, statements.insert, all(project, rows)?, &mut BTreeSet::new()).await?;
    }
    Ok(())
}

async fn run(
    connection: &mut PgConnection,
    sql: &'static str,
    arguments: PgArguments,
    touched: &mut BTreeSet<String>,
) -> Result<(), WarehouseError> {
    // The text comes from the catalogue, which is part of the program; values travel as arguments.
    let rows = sqlx::query_with(AssertSqlSafe(sql), arguments)
        .fetch_all(connection)
        .await
        .map_err(WarehouseError::database("writing rows"))?;
    for row in rows {
        if let Some(id) = row
            .try_get::<Option<String>, _>(0)
            .map_err(WarehouseError::database("reading what was written"))?
        {
            touched.insert(id);
        }
    }
    Ok(())
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
        "delete from {table} as held using unnest($2::text[]) as given (id)
         cross join lateral (
            select ctid as place from {table} where project = $1 and {id_column} = given.id offset 0
         ) as found
         where held.ctid = found.place"
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

/// All of these rows.
fn all(project: &ProjectName, rows: &Rows) -> Result<PgArguments, WarehouseError> {
    arguments(project, |arguments| {
        rows.bind_keys(arguments)?;
        rows.bind_columns(arguments)
    })
}

/// What tells which rows of these records are no longer theirs; `None`: there can be no such row.
fn surplus(
    project: &ProjectName,
    table: &Table,
    index: usize,
    records: &[Stored<'_>],
    rows: &Rows,
) -> Result<Option<PgArguments>, WarehouseError> {
    let count = |record: &Stored<'_>| record.normalized.rows.get(index).map_or(0, Vec::len);
    let ids = |such: &dyn Fn(&Stored<'_>) -> bool| -> Vec<&str> {
        records.iter().filter(|record| such(record)).map(|record| record.id).collect()
    };
    let arguments = match table.key {
        Key::Set => return Ok(None),
        Key::Record => {
            let empty = ids(&|record| count(record) == 0);
            if empty.is_empty() {
                return Ok(None);
            }
            arguments(project, |arguments| arguments.add(empty))?
        }
        Key::Ordinal => arguments(project, |arguments| {
            let counts = records.iter().map(|record| i32::try_from(count(record)));
            arguments.add(ids(&|_| true))?;
            arguments.add(counts.collect::<Result<Vec<_>, _>>()?)
        })?,
        Key::Columns(columns) => arguments(project, |arguments| {
            arguments.add(ids(&|_| true))?;
            rows.bind_ids(arguments)?;
            (0..columns).try_for_each(|position| rows.bind_column(arguments, position))
        })?,
    };
    Ok(Some(arguments))
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

/// The statements of one table.
struct Statements {
    /// Adds rows that are not there.
    insert: &'static str,
    upsert: &'static str,
    /// Removes rows of known records that are no longer theirs; sets belong to nobody.
    delete: Option<&'static str>,
    /// Records what moves; only where a history is kept.
    moves: Option<&'static str>,
}

fn statements(stream: Stream) -> &'static [Statements] {
    static SUBMISSION: LazyLock<Vec<Statements>> =
        LazyLock::new(|| compose_all(Stream::Submission));
    static FACEAUTH: LazyLock<Vec<Statements>> = LazyLock::new(|| compose_all(Stream::Faceauth));
    match stream {
        Stream::Submission => &SUBMISSION,
        Stream::Faceauth => &FACEAUTH,
    }
}

fn compose_all(stream: Stream) -> Vec<Statements> {
    let compose = |table| Statements {
        insert: compose_insert(table).leak(),
        upsert: compose_upsert(table).leak(),
        delete: compose_delete(table).map(|delete| &*delete.leak()),
        moves: history::compose(table).map(|moves| &*moves.leak()),
    };
    catalogue::tables(stream).iter().map(compose).collect()
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
fn compose_insert(table: &Table) -> String {
    insert_into(table, |index, (_, kind)| format!("unnest(${}::{kind}[])", index + 2))
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
fn compose_upsert(table: &Table) -> String {
    let key = key_parts(table);
    let plain = plain_columns(table);
    let own_update = if is_parent(table) { ", changed_at = excluded.changed_at" } else { "" };
    let keys = list(&key, |(name, _)| (*name).to_owned());
    let mut sql = format!(
        "{insert}\nfrom {rows}\nleft join {held} on true\nwhere held.project is null",
        insert = insert_into(table, |_, (name, _)| format!("given.{name}")),
        rows = unnest("given", 2, &given_columns(table)),
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
    let returned = if table.key == Key::Set { "null::text" } else { table.id_column() };
    let _infallible = write!(
        sql,
        "\norder by {}\non conflict (project, {keys}) {conflict}\nreturning {returned}",
        list(&key, |(name, _)| format!("given.{name}")),
    );
    sql
}

/// Rows of records that are locked: nobody else writes them meanwhile.
fn compose_delete(table: &Table) -> Option<String> {
    let id = table.id_column();
    let of_record = format!("own.{id} = known.id");
    let (known, condition) = match table.key {
        Key::Set => return None,
        Key::Record => (unnest("known", 2, &[("id", "text")]), of_record),
        Key::Ordinal => {
            let known = unnest("known", 2, &[("id", "text"), ("rows", "integer")]);
            (known, format!("{of_record} and own.ordinal > known.rows"))
        }
        Key::Columns(_) => {
            let key = key_parts(table);
            let kept = unnest("kept", 3, &key);
            let is_kept = same(&key, "kept");
            let condition =
                format!("{of_record} and not exists (select from {kept} where {is_kept})");
            (unnest("known", 2, &[("id", "text")]), condition)
        }
    };
    Some(format!(
        "delete from {table} as held using {known}\ncross join {surplus}\n\
         where held.ctid = surplus.place\nreturning held.{id}",
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

/// Every statement, for the test that has PostgreSQL check them against the migrated schema.
#[doc(hidden)]
pub fn all_statements() -> impl Iterator<Item = &'static str> {
    Stream::ALL.into_iter().flat_map(statements).flat_map(|statements| {
        [statements.insert, statements.upsert]
            .into_iter()
            .chain(statements.delete)
            .chain(statements.moves)
    })
}
