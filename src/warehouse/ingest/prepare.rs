//! Prepares new records for writing. Pure work, from an item's bytes to the statement's parameters.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use crate::{
    domain::{Call, ReadNumber, Stream},
    json,
    normalize::{
        self, Cell, Note, Row,
        catalogue::{self, Key},
    },
    warehouse::{
        postgres::error::WarehouseError,
        raw::{bodies::Bodies, codec::Compressor},
        record::{
            observation::{ItemToStore, Origin, first_day},
            stored::NewRecord,
        },
        scope::{RawStorage, Scope},
        tables::batch::ColumnBatch,
    },
};

/// The memory used by earlier records, to allocate it at once for the next: growing would copy the
/// buffers.
#[derive(Debug, Default)]
pub(super) struct Capacity {
    records: usize,
    rows: Vec<Vec<usize>>,
    bodies: [usize; 2],
}

/// What the items of one call have in common.
#[derive(Debug, Clone)]
pub(super) struct ItemContext {
    pub(super) scope: Arc<Scope>,
    pub(super) origin: Origin,
    /// The time of the transaction.
    pub(super) now: DateTime<Utc>,
}

/// New records as parameters of a statement.
pub(super) struct Ready {
    pub(super) records: Vec<NewRecord>,
    /// The rows of each table of the catalogue.
    pub(super) rows: Vec<ColumnBatch>,
    pub(super) bodies: Bodies,
    pub(super) notes: Vec<(String, Vec<Note>)>,
    /// Records that the vendor marks as deleted.
    pub(super) marked: Vec<(String, ReadNumber)>,
    /// Rows shared by many records, by their key, for each table of the catalogue.
    sets: Vec<BTreeMap<String, Row<'static>>>,
}

impl Ready {
    /// Creates an empty set with this capacity.
    pub(super) fn new(stream: Stream, capacity: &Capacity) -> Self {
        let tables = catalogue::tables(stream);
        let rows = tables.iter().enumerate().map(|(index, table)| {
            ColumnBatch::with_capacity(table, capacity.rows.get(index).map_or(&[], Vec::as_slice))
        });
        Self {
            records: Vec::with_capacity(capacity.records),
            rows: rows.collect(),
            bodies: Bodies::with_capacity(capacity.bodies),
            notes: Vec::new(),
            marked: Vec::new(),
            sets: tables.iter().map(|_| BTreeMap::new()).collect(),
        }
    }

    /// The capacity to reserve for a similar number of records.
    pub(super) fn capacity(&self) -> Capacity {
        Capacity {
            records: self.records.len() + self.records.len() / 8,
            rows: self.rows.iter().map(ColumnBatch::capacity).collect(),
            bodies: self.bodies.capacity(),
        }
    }

    /// The ids of the records.
    pub(super) fn ids(&self) -> Vec<&str> {
        self.records.iter().map(|record| record.id.as_str()).collect()
    }

    /// Normalizes one item and adds all rows of its record.
    pub(super) fn add(
        &mut self,
        context: &ItemContext,
        item: &ItemToStore,
        compressor: &mut Compressor,
    ) -> Result<(), WarehouseError> {
        let &ItemContext { ref scope, origin, now } = context;
        let text = json::text(&item.body);
        let parsed = json::parse(&text)
            .map_err(|_malformed| WarehouseError::CorruptRaw("no longer valid JSON"))?;
        let damaged = parsed.damaged || matches!(text, std::borrow::Cow::Owned(_));
        let observed = Some((parsed.value, item.read));
        let merged = match origin.call() {
            Call::List => normalize::merge(scope.stream, observed, None),
            Call::Detail => normalize::merge(scope.stream, None, observed),
        };
        let Some(merged) = merged else { return Ok(()) };
        let normalized = normalize::normalize(scope.stream, &scope.context, &merged, damaged);
        if normalized.is_marked {
            self.marked.push((item.id.clone(), item.read));
        }
        for (index, table) in catalogue::tables(scope.stream).iter().enumerate() {
            let rows = normalized.rows.get(index).into_iter().flatten();
            if table.key == Key::Set {
                self.keep_sets(index, rows);
            } else if let Some(kept) = self.rows.get_mut(index) {
                for (ordinal, row) in (1..).zip(rows) {
                    kept.add(&item.id, ordinal, row);
                }
            }
        }
        if scope.raw == RawStorage::Zstd {
            self.bodies.add(&item.id, compressor.compress(&item.body)?);
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
        });
        if !normalized.notes.is_empty() {
            self.notes.push((item.id.clone(), normalized.notes));
        }
        Ok(())
    }

    /// Adds the rows that records share, in key order, so that writers cannot deadlock.
    pub(super) fn add_sets(&mut self) {
        for (rows, sets) in self.rows.iter_mut().zip(&self.sets) {
            for row in sets.values() {
                rows.add("", 0, row);
            }
        }
    }

    fn keep_sets<'a>(&mut self, index: usize, rows: impl Iterator<Item = &'a Row<'a>>) {
        let Some(sets) = self.sets.get_mut(index) else { return };
        for row in rows {
            if let Some(Cell::Text(key)) = row.first()
                && !sets.contains_key(key.as_ref())
            {
                sets.insert(key.clone().into_owned(), normalize::owned(row.clone()));
            }
        }
    }
}
