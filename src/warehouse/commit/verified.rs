//! What a comparison of records with their kept items came to.

use std::collections::{BTreeMap, BTreeSet};

use super::sound::{Lost, Sound};
use crate::{
    domain::Stream,
    normalize,
    warehouse::{raw::bodies, record::stored::StoredRecord, tables::record_rows::RecordRows},
};

/// What a comparison of records with their kept items came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Records whose rows were compared.
    pub compared: i64,
    /// Records with a row that is changed, missing or surplus.
    pub differing: i64,
    /// The same by table. A record may differ in several.
    pub differing_by_table: BTreeMap<String, i64>,
    /// Records with a kept item that is missing, unreadable, or not the one that was stored.
    pub lost_raw: i64,
    /// Records with rows in data tables, or kept items, but no row in `argos_sync.record`: counted
    /// once for each table.
    pub without_record: BTreeMap<String, i64>,
    /// Deleted records, which are not compared.
    pub deleted: i64,
    /// Records of another normalizer, which are not compared.
    pub older: i64,
    /// Records that were rewritten.
    pub repaired: i64,
    /// Records for which a detail call was made due.
    pub asked: i64,
}

impl Verified {
    /// Whether anything was found that is not as it should be.
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

/// The records of a chunk that are not as they should be.
#[derive(Debug, Clone, Default)]
pub struct InvalidRecords {
    /// The tables in which rows differ, by the record's id.
    pub(super) differing: BTreeMap<String, BTreeSet<String>>,
    pub(super) lost: Vec<LostItem>,
}

impl InvalidRecords {
    /// Whether all records of the chunk are as they should be.
    pub fn is_empty(&self) -> bool {
        self.differing.is_empty() && self.lost.is_empty()
    }

    /// The tables in which records are damaged, by the record's id. Lost items count for the table
    /// of kept items.
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

/// Some records that were compared.
#[derive(Debug)]
pub struct Chunk {
    /// What the comparison came to.
    pub verified: Verified,
    /// The records that are not as they should be.
    pub found: InvalidRecords,
    /// The ids of the chunk, in the order in which they were given.
    pub ids: Vec<String>,
}

/// A record that can be compared: neither deleted nor written by another normalizer.
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

/// Whether a record is noted on another day than that of its creation.
pub(super) fn is_on_wrong_day(stored: &StoredRecord, record: &RecordRows<'_>) -> bool {
    record.normalized.created_at.is_some_and(|at| at.date_naive() != stored.window_day)
}

/// A record with kept items that are lost.
#[derive(Debug, Clone)]
pub(super) struct LostItem {
    pub(super) id: String,
    pub(super) lost: Lost,
    /// The record's rows cannot be made any more: a detail call brings the item again.
    pub(super) is_needed: bool,
}

impl LostItem {
    pub(super) fn of(id: &str, sound: &Sound) -> Self {
        Self { id: id.to_owned(), lost: sound.lost, is_needed: sound.texts.is_none() }
    }
}
