//! The rows of a known record, and the context of a change.

use super::diff::RowDiff;
use crate::{
    domain::{Call, Lane},
    normalize::{Normalized, Note, Row, catalogue::Table},
    warehouse::record::{observation::Origin, stored::StoredRecord},
};

/// The context in which a known record is observed again.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct ChangeContext {
    /// The lane of the observation.
    pub(super) lane: Lane,
    /// True for the first detail call of a record and for its return after a deletion. Values that
    /// were null before then complete the record and are not changes.
    pub(super) completes: bool,
    /// The record was deleted. Its return refills its identity fields and is recorded itself.
    pub(super) deletion: bool,
}

impl ChangeContext {
    /// The context of an item from `origin`.
    pub(in crate::warehouse) fn of(origin: Origin, stored: &StoredRecord) -> Self {
        let deletion = stored.deleted_at.is_some();
        let is_first_call = origin.call() == Call::Detail && stored.detail.is_none();
        Self { lane: origin.lane(), completes: is_first_call || deletion, deletion }
    }
}

/// A known record with everything to store.
#[derive(Debug)]
pub(in crate::warehouse) struct RecordRows<'a> {
    pub(in crate::warehouse) id: String,
    /// The context for its history; `None` if no history is recorded, such as when it is refilled
    /// from raw items.
    pub(in crate::warehouse) change_context: Option<ChangeContext>,
    /// The differences from its stored rows.
    pub(in crate::warehouse) diff: RowDiff,
    pub(in crate::warehouse) normalized: Normalized<'a>,
}

impl RecordRows<'_> {
    /// The rows of this table.
    pub(super) fn rows(&self, table: &Table) -> &[Row<'_>] {
        self.normalized.rows.get(table.index).map_or(&[], Vec::as_slice)
    }
}

/// The notes of these records that may have changed.
pub(in crate::warehouse) fn noted<'s>(records: &'s [RecordRows<'_>]) -> Vec<Noted<'s>> {
    let may_differ = |record: &&RecordRows<'_>| record.diff.may_change_notes();
    let noted =
        |record: &'s RecordRows<'_>| Noted { id: &record.id, notes: &record.normalized.notes };
    records.iter().filter(may_differ).map(noted).collect()
}

/// The notes of one record.
pub(in crate::warehouse) struct Noted<'a> {
    pub(in crate::warehouse) id: &'a str,
    pub(in crate::warehouse) notes: &'a [Note],
}
