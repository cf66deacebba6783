//! Makes new records ready to be written: pure work, from an item's bytes to the bytes that PostgreSQL takes.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    Scope, WarehouseError,
    body::{self, Compressor, RawStorage},
    copy::CopyRows,
    held::NewRecord,
    store::{ItemToStore, Origin, first_day, mark_deleted},
    tables::is_parent,
};
use crate::{
    domain::{Call, Stream},
    json,
    normalize::{
        self, Cell, Note, Row,
        catalogue::{self, Key, Table},
    },
};

/// Rows that take fewer bytes are inserted: PostgreSQL takes a little longer for that, but the end of a COPY is a message of
/// its own, which the network may hold back until what went before is acknowledged (Nagle's algorithm).
const COPY_BYTES_MIN: usize = 512 << 10;

/// Rows of one table, in the form that pays.
#[derive(Debug)]
pub(super) struct Rows<T> {
    pub(super) copy: CopyRows,
    /// The same rows as values, as long as they are few.
    pub(super) few: Option<Vec<T>>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { copy: CopyRows::default(), few: Some(Vec::new()) }
    }
}

impl<T> Rows<T> {
    /// Notes a row that was added to `copy`.
    fn note(&mut self, row: impl FnOnce() -> T) {
        if self.copy.len() >= COPY_BYTES_MIN {
            self.few = None;
        }
        if let Some(few) = &mut self.few {
            few.push(row());
        }
    }
}

/// A row with the keys it does not carry itself: record and ordinal.
pub(super) type KeyedRow = (String, i32, Row<'static>);

/// New records as PostgreSQL takes them.
pub(super) struct Ready {
    /// The items they were made of.
    pub(super) chunk: Arc<[ItemToStore]>,
    pub(super) records: Vec<NewRecord>,
    /// For each table of the catalogue.
    pub(super) rows: Vec<Rows<KeyedRow>>,
    /// Rows that many records share, for each table of the catalogue, by their key.
    pub(super) sets: Vec<BTreeMap<String, Row<'static>>>,
    pub(super) bodies: Rows<(String, Vec<u8>)>,
    pub(super) notes: Vec<(String, Vec<Note>)>,
    compressor: Compressor,
}

impl Ready {
    /// Nothing yet of these items.
    pub(super) fn new(stream: Stream, chunk: Arc<[ItemToStore]>) -> Result<Self, WarehouseError> {
        let tables = catalogue::tables(stream);
        Ok(Self {
            chunk,
            records: Vec::new(),
            rows: tables.iter().map(|_| Rows::default()).collect(),
            sets: tables.iter().map(|_| BTreeMap::new()).collect(),
            bodies: Rows::default(),
            notes: Vec::new(),
            compressor: Compressor::new()?,
        })
    }

    /// The ids of the records.
    pub(super) fn ids(&self) -> Vec<&str> {
        self.records.iter().map(|record| record.id.as_str()).collect()
    }

    /// Normalizes one item and adds all that is stored of its record.
    pub(super) fn add(
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
            } else if let Some(kept) = self.rows.get_mut(index) {
                for (ordinal, row) in (1..).zip(rows) {
                    add_row(&mut kept.copy, scope, table, &item.id, ordinal, row, now);
                    kept.note(|| (item.id.clone(), ordinal, owned(row)));
                }
            }
        }
        let is_kept = deleted_at.is_none() || scope.deletion.keep_personal;
        if scope.raw == RawStorage::Zstd && is_kept {
            let packed = self.compressor.compress(&item.body)?;
            let copy = &mut self.bodies.copy;
            copy.begin_row(4);
            copy.text(scope.project.as_str());
            copy.text(&item.id);
            copy.text(body::ZSTD);
            copy.bytes(&packed);
            self.bodies.note(|| (item.id.clone(), packed));
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
                sets.insert(key.clone().into_owned(), owned(row));
            }
        }
    }
}

fn owned(row: &Row<'_>) -> Row<'static> {
    row.iter().cloned().map(Cell::into_owned).collect()
}

/// Adds a row with its keys; its fields stand in the order of [`columns`].
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
    let times = if is_parent(table) { 2 } else { 0 };
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

/// The columns of a row that is copied.
pub(super) fn columns(table: &Table) -> Vec<&'static str> {
    let mut columns = vec!["project", table.id_column()];
    if table.key == Key::Ordinal {
        columns.push("ordinal");
    }
    columns.extend(table.columns.iter().map(|column| column.name));
    if is_parent(table) {
        columns.extend(["first_seen_at", "changed_at"]);
    }
    columns
}
