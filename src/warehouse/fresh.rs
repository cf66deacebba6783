//! Records that nobody has seen before: the larger part of a first load.
//!
//! Who inserts the row of `argos_sync.record` owns the record until the transaction ends, and where that row was missing
//! there are no others of it: nothing has to be looked for, so that its rows are copied. Should somebody have emptied
//! tables by hand, so that others are there after all, they belong to nobody and make way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use super::{
    Scope, WarehouseError,
    body::{self, Compressor, RawStorage},
    copy::CopyRows,
    due::{self, Rank},
    held::{self, NewRecord},
    notes::{self, Noted},
    own_thread::on_own_thread,
    raw,
    store::{ItemToStore, Origin, first_day, mark_deleted},
    tables,
};
use crate::{
    domain::{Call, Stream},
    json,
    normalize::{
        self, Cell, Note, Row,
        catalogue::{self, Key, Table},
    },
};

/// Records that are made ready and written at a time; bounds the memory of their rows.
const CHUNK: usize = 500;

/// Writes records that have no row yet, in the order of their ids; returns the ids that were written.
///
/// The others were inserted by another writer at the same moment: they are known now. While PostgreSQL takes some, the next
/// are made ready.
pub(super) async fn store(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    items: Vec<ItemToStore>,
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, WarehouseError> {
    let mut written = BTreeSet::new();
    let mut chunks = items.chunks(CHUNK).map(Arc::<[ItemToStore]>::from);
    let prepare = async |chunk: Option<Arc<[ItemToStore]>>| match chunk {
        Some(chunk) => prepare(scope, origin, chunk, None, now).await.map(Some),
        None => Ok(None),
    };
    let mut next = prepare(chunks.next()).await?;
    while let Some(ready) = next {
        let writing = write(connection, scope, origin, ready, now);
        let (ids, coming) = tokio::join!(writing, prepare(chunks.next()));
        written.extend(ids?);
        next = coming?;
    }
    Ok(written)
}

/// Makes records ready on a thread of their own; all of the chunk, or those with such ids.
async fn prepare(
    scope: &Arc<Scope>,
    origin: Origin,
    chunk: Arc<[ItemToStore]>,
    only: Option<BTreeSet<String>>,
    now: DateTime<Utc>,
) -> Result<Ready, WarehouseError> {
    let scope = Arc::clone(scope);
    on_own_thread(move || {
        let mut ready = Ready::new(scope.stream, Arc::clone(&chunk))?;
        let ours = |item: &&ItemToStore| only.as_ref().is_none_or(|only| only.contains(&item.id));
        for item in chunk.iter().filter(ours) {
            ready.add(&scope, origin, item, now)?;
        }
        Ok(ready)
    })
    .await
}

/// Writes one chunk; returns the ids that were written.
async fn write(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    mut ready: Ready,
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, WarehouseError> {
    let inserted = held::insert(connection, scope, origin.call(), &ready.records).await?;
    if inserted.len() < ready.records.len() {
        let ours = Some(inserted.clone());
        ready = prepare(scope, origin, Arc::clone(&ready.chunk), ours, now).await?;
    }
    match copy(connection, scope, origin, &ready).await {
        Err(error) if error.is_unique_violation() => {
            clear(connection, scope, &ready).await?;
            copy(connection, scope, origin, &ready).await?;
        }
        other => other?,
    }
    note(connection, scope, origin, &ready, now).await?;
    Ok(inserted)
}

/// Copies the rows of these records, all or none of them.
async fn copy(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    ready: &Ready,
) -> Result<(), WarehouseError> {
    let doing = "writing rows of new records";
    let mut savepoint = connection.begin().await.map_err(WarehouseError::database(doing))?;
    let of_table = ready.sets.iter().zip(&ready.rows).zip(statements(scope.stream)).enumerate();
    for (index, ((sets, rows), statement)) in of_table {
        tables::write_sets(&mut savepoint, &scope.project, scope.stream, index, sets).await?;
        rows.send(&mut savepoint, statement, doing).await?;
    }
    let statement = raw::copy_statement(scope.stream, origin.call());
    ready.bodies.send(&mut savepoint, &statement, "keeping raw items of new records").await?;
    savepoint.commit().await.map_err(WarehouseError::database(doing))
}

/// Removes what stands in the tables of records that had no row of their own.
async fn clear(
    connection: &mut PgConnection,
    scope: &Scope,
    ready: &Ready,
) -> Result<(), WarehouseError> {
    let ids = ready.ids();
    for table in catalogue::tables(scope.stream).iter().filter(|table| table.key != Key::Set) {
        let (name, id) = (table.qualified(), table.id_column());
        tables::empty(connection, &scope.project, &name, id, &ids).await?;
    }
    raw::drop_bodies(connection, scope, &ids).await
}

/// Keeps what deviated in these records, and makes their single calls due.
async fn note(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    ready: &Ready,
    now: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    let noted = ready.notes.iter().map(|(id, notes)| Noted { id, notes });
    notes::add(connection, scope, &noted.collect::<Vec<_>>(), now).await?;
    if origin.call() == Call::List && scope.detail.wants_changed() {
        due::mark(connection, scope, &ready.ids(), Rank::of(origin.lane()), now).await?;
    }
    Ok(())
}

/// New records as PostgreSQL takes them.
struct Ready {
    /// The items they were made of.
    chunk: Arc<[ItemToStore]>,
    records: Vec<NewRecord>,
    /// For each table of the catalogue.
    rows: Vec<CopyRows>,
    /// Rows that many records share, for each table of the catalogue, by their key.
    sets: Vec<BTreeMap<String, Row<'static>>>,
    bodies: CopyRows,
    notes: Vec<(String, Vec<Note>)>,
    compressor: Compressor,
}

impl Ready {
    fn new(stream: Stream, chunk: Arc<[ItemToStore]>) -> Result<Self, WarehouseError> {
        let tables = catalogue::tables(stream);
        Ok(Self {
            chunk,
            records: Vec::new(),
            rows: tables.iter().map(|_| CopyRows::default()).collect(),
            sets: tables.iter().map(|_| BTreeMap::new()).collect(),
            bodies: CopyRows::default(),
            notes: Vec::new(),
            compressor: Compressor::new()?,
        })
    }

    fn ids(&self) -> Vec<&str> {
        self.records.iter().map(|record| record.id.as_str()).collect()
    }

    /// Normalizes one item and adds all that is stored of its record.
    fn add(
        &mut self,
        scope: &Scope,
        origin: Origin,
        item: &ItemToStore,
        now: DateTime<Utc>,
    ) -> Result<(), WarehouseError> {
        let text = json::text(&item.body);
        let parsed = json::parse(&text)
            .map_err(|_malformed| WarehouseError::CorruptRaw("no JSON any more"))?;
        let damaged = parsed.damaged || matches!(text, std::borrow::Cow::Owned(_));
        let observed = Some((parsed.value, item.read));
        let merged = match origin.call() {
            Call::List => normalize::merge(observed, None),
            Call::Detail => normalize::merge(None, observed),
        };
        let Some(merged) = merged else { return Ok(()) };
        let mut normalized = normalize::normalize(scope.stream, &scope.context, &merged, damaged);
        let deleted_at = normalized.deletion.map(|deletion| deletion.at.unwrap_or(now));
        if let Some(deleted_at) = deleted_at {
            mark_deleted(scope, &mut normalized, deleted_at);
        }
        for (index, table) in catalogue::tables(scope.stream).iter().enumerate() {
            let rows = normalized.rows.get(index).into_iter().flatten();
            if table.key == Key::Set {
                self.add_sets(index, rows);
            } else if let Some(copy) = self.rows.get_mut(index) {
                for (ordinal, row) in (1..).zip(rows) {
                    add_row(copy, scope, table, &item.id, ordinal, row, now);
                }
            }
        }
        let is_kept = deleted_at.is_none() || scope.deletion.keep_personal;
        if scope.raw == RawStorage::Zstd && is_kept {
            let packed = self.compressor.compress(&item.body)?;
            self.bodies.begin_row(4);
            self.bodies.text(scope.project.as_str());
            self.bodies.text(&item.id);
            self.bodies.text(body::ZSTD);
            self.bodies.bytes(&packed);
        }
        let window_day =
            item.created_at.map_or_else(|| first_day(origin, now), |at| at.date_naive());
        self.records.push(NewRecord {
            id: item.id.clone(),
            digest: item.digest,
            read: item.read,
            window_day,
            undated: item.created_at.is_none(),
            unsettled: normalized.unsettled,
            deleted_at,
        });
        if !normalized.notes.is_empty() {
            self.notes.push((item.id.clone(), normalized.notes));
        }
        Ok(())
    }

    fn add_sets<'a>(&mut self, index: usize, rows: impl Iterator<Item = &'a Row<'a>>) {
        let Some(sets) = self.sets.get_mut(index) else { return };
        for row in rows {
            if let Some(Cell::Text(key)) = row.first()
                && !sets.contains_key(key.as_ref())
            {
                let row = row.iter().cloned().map(Cell::into_owned).collect();
                sets.insert(key.clone().into_owned(), row);
            }
        }
    }
}

/// Adds a row with its keys; its fields stand in the order of [`compose`].
fn add_row(
    copy: &mut CopyRows,
    scope: &Scope,
    table: &Table,
    id: &str,
    ordinal: i32,
    row: &Row<'_>,
    now: DateTime<Utc>,
) {
    let keys = if table.key == Key::Ordinal { 3 } else { 2 };
    let times = if has_times(table) { 2 } else { 0 };
    copy.begin_row(keys + table.columns.len() + times);
    copy.text(scope.project.as_str());
    copy.text(id);
    if table.key == Key::Ordinal {
        copy.int4(ordinal);
    }
    let missing = table.columns.len().saturating_sub(row.len());
    for cell in row.iter().chain(std::iter::repeat_n(&Cell::Null, missing)) {
        match cell {
            Cell::Null => copy.null(),
            Cell::Bool(value) => copy.boolean(*value),
            Cell::Integer(value) => copy.int8(*value),
            Cell::Double(value) => copy.double(*value),
            Cell::Text(value) => copy.text(value),
            Cell::Texts(values) => copy.texts(values),
            Cell::At(value) => copy.at(*value),
            Cell::Date(value) => copy.date(*value),
            Cell::Json(value) => copy.json(value),
        }
    }
    for _ in 0..times {
        copy.at(now);
    }
}

/// The table named like the stream tells when its records were first seen and last changed.
fn has_times(table: &Table) -> bool {
    table.name == table.stream.as_str()
}

/// The COPY of each table of the catalogue.
fn statements(stream: Stream) -> &'static [String] {
    static SUBMISSION: LazyLock<Vec<String>> = LazyLock::new(|| compose_all(Stream::Submission));
    static FACEAUTH: LazyLock<Vec<String>> = LazyLock::new(|| compose_all(Stream::Faceauth));
    match stream {
        Stream::Submission => &SUBMISSION,
        Stream::Faceauth => &FACEAUTH,
    }
}

fn compose_all(stream: Stream) -> Vec<String> {
    catalogue::tables(stream).iter().map(compose).collect()
}

fn compose(table: &Table) -> String {
    let mut columns = vec!["project", table.id_column()];
    if table.key == Key::Ordinal {
        columns.push("ordinal");
    }
    columns.extend(table.columns.iter().map(|column| column.name));
    if has_times(table) {
        columns.extend(["first_seen_at", "changed_at"]);
    }
    format!("copy {} ({}) from stdin (format binary)", table.qualified(), columns.join(", "))
}
