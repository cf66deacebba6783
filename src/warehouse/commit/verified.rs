//! Results of comparing records with their stored items.

use std::collections::{BTreeMap, BTreeSet};

use super::sound::{Lost, Sound};
use crate::{
    domain::Stream,
    normalize,
    warehouse::{raw::bodies, record::stored::StoredRecord, tables::record_rows::RecordRows},
};

/// The result of comparing records with their stored items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Records whose rows were compared.
    pub compared: i64,
    /// Records with a row that is changed, missing or surplus.
    pub differing: i64,
    /// Number of differing records by table. A record may differ in several tables.
    pub differing_by_table: BTreeMap<String, i64>,
    /// Records with a stored item that is missing, unreadable or wrong.
    pub lost_raw: i64,
    /// Records with rows in data tables or raw items but no row in `argos_sync.record`, by table.
    pub without_record: BTreeMap<String, i64>,
    /// Deleted records, which are not compared.
    pub deleted: i64,
    /// Records written by another normalizer, which are not compared.
    pub older: i64,
    /// Records that were rewritten.
    pub repaired: i64,
    /// Records for which a detail call was made due.
    pub asked: i64,
}

impl Verified {
    /// Whether any fault was found.
    pub fn is_wrong(&self) -> bool {
        self.differing > 0 || self.lost_raw > 0 || !self.without_record.is_empty()
    }
}

impl std::ops::AddAssign for Verified {
    fn add_assign(&mut self, other: Self) {
        self.compared += other.compared;
        self.differing += other.differing;
        self.lost_raw += other.lost_raw;
        self.deleted += other.deleted;
        self.older += other.older;
        self.repaired += other.repaired;
        self.asked += other.asked;
        for (table, records) in other.differing_by_table {
            *self.differing_by_table.entry(table).or_default() += records;
        }
        for (table, records) in other.without_record {
            *self.without_record.entry(table).or_default() += records;
        }
    }
}

/// The faulty records of a chunk.
#[derive(Debug, Clone, Default)]
pub struct InvalidRecords {
    /// The tables with differing rows, by record id.
    pub(super) differing: BTreeMap<String, BTreeSet<String>>,
    pub(super) lost: Vec<LostItem>,
}

impl InvalidRecords {
    /// Whether the chunk has no faulty record.
    pub fn is_empty(&self) -> bool {
        self.differing.is_empty() && self.lost.is_empty()
    }

    /// The tables in which records are damaged, by record id. Lost items count for the table of raw
    /// items.
    pub(super) fn tables(&self, stream: Stream) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (id, differing) in &self.differing {
            tables.entry(id).or_default().extend(differing.iter().map(String::as_str));
        }
        for item in &self.lost {
            tables.entry(&item.id).or_default().insert(bodies::table(stream));
        }
        tables
    }
}

/// A chunk of compared records.
#[derive(Debug)]
pub struct Chunk {
    /// The result of the comparison.
    pub verified: Verified,
    /// The faulty records.
    pub found: InvalidRecords,
    /// The ids of the chunk, in the given order.
    pub ids: Vec<String>,
}

/// Whether a record can be compared: it is neither deleted nor written by another normalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparability {
    Comparable,
    Deleted,
    Older,
}

impl Comparability {
    pub(super) fn of(stored: &StoredRecord) -> Self {
        if stored.deleted_at.is_some() || stored.deleted_by_absence {
            Self::Deleted
        } else if stored.normalizer_version == normalize::VERSION {
            Self::Comparable
        } else {
            Self::Older
        }
    }
}

/// Whether a record is assigned to a day other than that of its creation.
pub(super) fn is_on_wrong_day(stored: &StoredRecord, record: &RecordRows<'_>) -> bool {
    record.normalized.created_at.is_some_and(|at| at.date_naive() != stored.window_day)
}

/// A record with lost items.
#[derive(Debug, Clone)]
pub(super) struct LostItem {
    pub(super) id: String,
    pub(super) lost: Lost,
    /// The record's rows can no longer be made: a detail call must fetch the item again.
    pub(super) is_needed: bool,
}

impl LostItem {
    pub(super) fn of(id: &str, sound: &Sound) -> Self {
        Self { id: id.to_owned(), lost: sound.lost, is_needed: sound.texts.is_none() }
    }
}
