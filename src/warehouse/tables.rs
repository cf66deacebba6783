//! Writes rows into the data tables with statements made from the catalogue.
//!
//! Arrays in, rows out: one statement a table whatever the number of rows. A row that is there already just so is
//! found by a join before anything is locked or logged, and rows go in key order, so that writers cannot deadlock.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::LazyLock,
};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Arguments as _, AssertSqlSafe, PgConnection, Row as _, postgres::PgArguments};

use super::{
    WarehouseError,
    history::{self, Sight},
    notes::Noted,
    ready::KeyedRow,
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
        let batch = Batch::gather(table, index, records);
        if !batch.rows.is_empty() {
            let arguments = batch.upsert_arguments(project)?;
            run(connection, statements.upsert, arguments, &mut touched).await?;
        }
        if let Some(delete) = &statements.delete {
            let arguments = batch.delete_arguments(project, records)?;
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
        let batch = Batch { table, rows: sets.values().map(|row| ("", 0, row)).collect() };
        run(connection, statements.upsert, batch.upsert_arguments(project)?, &mut BTreeSet::new())
            .await?;
    }
    Ok(())
}

/// Adds a few rows of new records to one table.
pub(super) async fn write_few(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    index: usize,
    rows: &[KeyedRow],
) -> Result<(), WarehouseError> {
    let table = catalogue::tables(stream).get(index).zip(statements(stream).get(index));
    if let Some((table, statements)) = table.filter(|_| !rows.is_empty()) {
        let rows = rows.iter().map(|(id, ordinal, row)| (id.as_str(), *ordinal, row)).collect();
        let arguments = Batch { table, rows }.upsert_arguments(project)?;
        run(connection, statements.insert, arguments, &mut BTreeSet::new()).await?;
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
    let sql = format!("delete from {table} where project = $1 and {id_column} = any($2)");
    sqlx::query(AssertSqlSafe(sql))
        .bind(project.as_str())
        .bind(ids)
        .execute(connection)
        .await
        .map(drop)
        .map_err(WarehouseError::database("emptying deleted records"))
}

/// The rows of one table with the keys they do not carry themselves.
pub(super) struct Batch<'a> {
    pub(super) table: &'static Table,
    /// Record, ordinal, cells.
    pub(super) rows: Vec<(&'a str, i32, &'a Row<'a>)>,
}

impl<'a> Batch<'a> {
    fn gather(table: &'static Table, index: usize, records: &'a [Stored<'_>]) -> Self {
        let mut rows = Vec::new();
        let mut sets = BTreeSet::new();
        for record in records {
            for (position, row) in
                record.normalized.rows.get(index).into_iter().flatten().enumerate()
            {
                // Many records share a policy; a statement must not hold a key twice.
                if table.key == Key::Set
                    && let Some(Cell::Text(id)) = row.first()
                    && !sets.insert(id.as_ref())
                {
                    continue;
                }
                rows.push((record.id, i32::try_from(position + 1).unwrap_or(i32::MAX), row));
            }
        }
        Self { table, rows }
    }

    fn add_keys(&self, arguments: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
        match self.table.key {
            Key::Set => {}
            Key::Record | Key::Columns(_) => {
                arguments.add(self.rows.iter().map(|(id, ..)| *id).collect::<Vec<_>>())?;
            }
            Key::Ordinal => {
                arguments.add(self.rows.iter().map(|(id, ..)| *id).collect::<Vec<_>>())?;
                arguments
                    .add(self.rows.iter().map(|(_, ordinal, _)| *ordinal).collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    /// Adds one column of the catalogue, by its position, as an array.
    pub(super) fn add_column(
        &self,
        arguments: &mut PgArguments,
        position: usize,
    ) -> Result<(), sqlx::error::BoxDynError> {
        let Some(column) = self.table.columns.get(position) else { return Ok(()) };
        let cells = self.rows.iter().map(|(_, _, row)| row.get(position).unwrap_or(&Cell::Null));
        match column.kind {
            Type::Text | Type::Word | Type::Texts | Type::Json => {
                let texts: Vec<Option<Cow<'_, str>>> = cells.map(as_text).collect();
                arguments.add(texts.iter().map(Option::as_deref).collect::<Vec<_>>())
            }
            Type::Double => arguments.add(cells.map(as_double).collect::<Vec<_>>()),
            Type::Integer => arguments.add(cells.map(as_integer).collect::<Vec<_>>()),
            Type::Bool => arguments.add(cells.map(as_bool).collect::<Vec<_>>()),
            Type::At => arguments.add(cells.map(as_time).collect::<Vec<_>>()),
            Type::Date => arguments.add(cells.map(as_date).collect::<Vec<_>>()),
        }
    }

    fn upsert_arguments(&self, project: &ProjectName) -> Result<PgArguments, WarehouseError> {
        let mut arguments = PgArguments::default();
        let added = arguments
            .add(project.as_str())
            .and_then(|()| self.add_keys(&mut arguments))
            .and_then(|()| {
                (0..self.table.columns.len())
                    .try_for_each(|position| self.add_column(&mut arguments, position))
            });
        added
            .map(|()| arguments)
            .map_err(|_too_large| WarehouseError::Shape { doing: "sending rows" })
    }

    fn delete_arguments(
        &self,
        project: &ProjectName,
        records: &[Stored<'_>],
    ) -> Result<PgArguments, WarehouseError> {
        let mut arguments = PgArguments::default();
        let known = records.iter().map(|record| record.id);
        let added = arguments
            .add(project.as_str())
            .and_then(|()| arguments.add(known.collect::<Vec<_>>()))
            .and_then(|()| self.add_keys(&mut arguments))
            .and_then(|()| {
                (0..key_columns(self.table).len())
                    .try_for_each(|position| self.add_column(&mut arguments, position))
            });
        added
            .map(|()| arguments)
            .map_err(|_too_large| WarehouseError::Shape { doing: "sending keys" })
    }
}

fn as_text<'a>(cell: &'a Cell<'_>) -> Option<Cow<'a, str>> {
    match cell {
        Cell::Text(text) => Some(Cow::Borrowed(text.as_ref())),
        Cell::Json(text) => Some(Cow::Borrowed(text.as_str())),
        Cell::Texts(texts) => Some(Cow::Owned(array_literal(texts))),
        Cell::Null
        | Cell::Bool(_)
        | Cell::Integer(_)
        | Cell::Double(_)
        | Cell::At(_)
        | Cell::Date(_) => None,
    }
}

fn as_double(cell: &Cell<'_>) -> Option<f64> {
    if let Cell::Double(value) = cell { Some(*value) } else { None }
}

fn as_integer(cell: &Cell<'_>) -> Option<i64> {
    if let Cell::Integer(value) = cell { Some(*value) } else { None }
}

fn as_bool(cell: &Cell<'_>) -> Option<bool> {
    if let Cell::Bool(value) = cell { Some(*value) } else { None }
}

fn as_time(cell: &Cell<'_>) -> Option<DateTime<Utc>> {
    if let Cell::At(value) = cell { Some(*value) } else { None }
}

fn as_date(cell: &Cell<'_>) -> Option<NaiveDate> {
    if let Cell::Date(value) = cell { Some(*value) } else { None }
}

/// PostgreSQL's text form of an array, since `unnest` flattens arrays of arrays.
fn array_literal(texts: &[Cow<'_, str>]) -> String {
    let mut literal = String::from("{");
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for char in text.chars() {
            if matches!(char, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(char);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
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
        delete: (table.key != Key::Set).then(|| &*compose_delete(table).leak()),
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

/// The type a column's values travel as; arrays and JSON go as text and are cast on arrival.
pub(super) fn sent_type(kind: Type) -> &'static str {
    match kind {
        Type::Texts | Type::Json => "text",
        Type::Text
        | Type::Word
        | Type::Double
        | Type::Integer
        | Type::Bool
        | Type::At
        | Type::Date => kind.sql(),
    }
}

fn arrived(column: &catalogue::Column) -> String {
    match column.kind {
        Type::Texts | Type::Json => format!("given.{}::{}", column.name, column.kind.sql()),
        Type::Text
        | Type::Word
        | Type::Double
        | Type::Integer
        | Type::Bool
        | Type::At
        | Type::Date => {
            format!("given.{}", column.name)
        }
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

/// The beginning of every statement that writes rows: where they go, and what of those given.
fn compose_insert(table: &Table) -> String {
    let given = given_columns(table);
    let keys = key_parts(table).len();
    let plain = table.columns.get(key_columns(table).len()..).unwrap_or_default();
    let (own, own_values) = if is_parent(table) {
        (", first_seen_at, changed_at", ", argos_sync.clock(), argos_sync.clock()")
    } else {
        ("", "")
    };
    format!(
        "insert into {table} (project, {names}{own})\nselect $1, {keys}{values}{own_values}\nfrom {rows}",
        table = table.qualified(),
        names = list(&given, |(name, _)| (*name).to_owned()),
        keys = list(given.iter().take(keys), |(name, _)| format!("given.{name}")),
        values = plain.iter().fold(String::new(), |text, column| text + ", " + &arrived(column)),
        rows = unnest("given", 2, &given),
    )
}

/// The key after `project` and the other columns, with the types they travel as.
fn given_columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    let plain = table.columns.get(key_columns(table).len()..).unwrap_or_default();
    let mut given = key_parts(table);
    given.extend(plain.iter().map(|column| (column.name, sent_type(column.kind))));
    given
}

/// The table named like the stream tells when its records were first seen and last changed.
pub(super) fn is_parent(table: &Table) -> bool {
    table.name == table.stream.as_str()
}

/// Rows that are there already just so are left out before anything is locked.
fn compose_upsert(table: &Table) -> String {
    let key = key_parts(table);
    let plain = table.columns.get(key_columns(table).len()..).unwrap_or_default();
    let own_update = if is_parent(table) { ", changed_at = excluded.changed_at" } else { "" };
    let keys = list(&key, |(name, _)| (*name).to_owned());
    let mut sql = format!(
        "{insert}\nleft join {table} as held on held.project = $1 and {same}\nwhere held.project is null",
        insert = compose_insert(table),
        table = table.qualified(),
        same = key
            .iter()
            .map(|(name, _)| format!("held.{name} = given.{name}"))
            .collect::<Vec<_>>()
            .join(" and "),
    );
    let conflict = if plain.is_empty() || table.key == Key::Set {
        "do nothing".to_owned()
    } else {
        let _infallible = write!(
            sql,
            " or ({}) is distinct from ({})",
            list(plain, |column| format!("held.{}", column.name)),
            list(plain, arrived),
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

fn compose_delete(table: &Table) -> String {
    let key = key_parts(table);
    format!(
        "delete from {table} as held using unnest($2::text[]) as known (id)\n\
         where held.project = $1 and held.{id} = known.id and not exists (\n\
         select from {kept} where {same})\nreturning held.{id}",
        table = table.qualified(),
        id = table.id_column(),
        kept = unnest("kept", 3, &key),
        same = key
            .iter()
            .map(|(name, _)| format!("kept.{name} = held.{name}"))
            .collect::<Vec<_>>()
            .join(" and "),
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
