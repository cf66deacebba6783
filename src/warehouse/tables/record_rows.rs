//! The rows of a known record, and how it is seen.

use super::diff::RowDiff;
use crate::{
    domain::{Call, Lane},
    normalize::{Normalized, Note, Row},
    warehouse::record::{observation::Origin, stored::StoredRecord},
};

/// How a record that is known already is seen anew.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct ChangeContext {
    /// The lane that observes it.
    pub(super) lane: Lane,
    /// It is the record's first detail call, or its return: where nothing stood before, it
    /// completes the record and moves nothing.
    pub(super) completes: bool,
    /// The record was deleted: its return refills its identity fields, and says so itself.
    pub(super) deletion: bool,
}

impl ChangeContext {
    /// Tells how a record is seen.
    pub(in crate::warehouse) fn of(origin: Origin, stored: &StoredRecord) -> Self {
        let deletion = stored.deleted_at.is_some();
        let is_first_call = origin.call() == Call::Detail && stored.detail.is_none();
        Self { lane: origin.lane(), completes: is_first_call || deletion, deletion }
    }
}

/// A known record with all that is to be stored of it.
#[derive(Debug)]
pub(in crate::warehouse) struct RecordRows<'a> {
    pub(in crate::warehouse) id: String,
    /// How its moves are recorded; `None`: they are not, as when it is refilled from raw.
    pub(in crate::warehouse) change_context: Option<ChangeContext>,
    /// What of its rows is other than before.
    pub(in crate::warehouse) diff: RowDiff,
    pub(in crate::warehouse) normalized: Normalized<'a>,
}

impl RecordRows<'_> {
    /// The rows of a table, by its place in the catalogue.
    pub(super) fn rows(&self, index: usize) -> &[Row<'_>] {
        self.normalized.rows.get(index).map_or(&[], Vec::as_slice)
    }
}

/// What was noted of these records, where that may be something else than before.
pub(in crate::warehouse) fn noted<'s>(records: &'s [RecordRows<'_>]) -> Vec<Noted<'s>> {
    let may_differ = |record: &&RecordRows<'_>| record.diff.may_change_notes();
    let noted =
        |record: &'s RecordRows<'_>| Noted { id: &record.id, notes: &record.normalized.notes };
    records.iter().filter(may_differ).map(noted).collect()
}

/// What was noted of one record.
pub(in crate::warehouse) struct Noted<'a> {
    pub(in crate::warehouse) id: &'a str,
    pub(in crate::warehouse) notes: &'a [Note],
}
