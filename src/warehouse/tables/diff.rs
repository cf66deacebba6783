//! Differences between a record's old and new rows.

use super::columns::{self, is_large, key_columns};
use crate::{
    domain::Stream,
    normalize::{
        Normalized, Row,
        catalogue::{self, Table},
    },
};

/// The differences of one record.
#[derive(Debug)]
pub(in crate::warehouse) enum RowDiff {
    /// The stored rows are not known for certain.
    Unknown,
    Known {
        /// The changed rows of each table of the catalogue. `None`: a row was added or removed, or
        /// a column changed whose history is recorded.
        tables: Vec<Option<Vec<ChangedRow>>>,
        /// The notes of the record changed.
        notes: bool,
    },
}

/// A row whose values changed.
#[derive(Debug)]
pub(in crate::warehouse) struct ChangedRow {
    /// Its position among the record's rows, from 0.
    pub(super) position: usize,
    /// Whether a large column changed too.
    pub(super) is_whole: bool,
}

impl RowDiff {
    /// Compares a record's old and new rows.
    pub(in crate::warehouse) fn between(
        stream: Stream,
        before: &Normalized<'_>,
        now: &Normalized<'_>,
    ) -> Self {
        let rows = catalogue::tables(stream).iter().zip(before.rows.iter().zip(&now.rows));
        let tables = rows.map(|(table, (before, now))| changed_rows(table, before, now));
        Self::Known { tables: tables.collect(), notes: before.notes != now.notes }
    }

    /// The changed rows of the table at this index of the catalogue. `None` if they must be
    /// compared with the stored rows.
    pub(super) fn rows(&self, index: usize) -> Option<&[ChangedRow]> {
        match self {
            Self::Unknown => None,
            Self::Known { tables, .. } => tables.get(index)?.as_deref(),
        }
    }

    /// Whether the notes of the record may have changed.
    pub(super) fn may_change_notes(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Known { notes, .. } => *notes,
        }
    }
}

fn changed_rows(table: &Table, before: &[Row<'_>], now: &[Row<'_>]) -> Option<Vec<ChangedRow>> {
    let keys = key_columns(table).len();
    let is_same_row = |before: &Row<'_>, now: &Row<'_>| {
        before.get(..keys) == now.get(..keys) && !columns::is_told(table, before, now)
    };
    let pairs = || before.iter().zip(now);
    if before.len() != now.len() || !pairs().all(|(before, now)| is_same_row(before, now)) {
        return None;
    }
    let changed = pairs().enumerate().filter(|(_, (before, now))| before != now);
    let changed = changed.map(|(position, (before, now))| {
        let mut columns = (0..).zip(table.columns).filter(|(_, column)| is_large(column));
        let is_whole = columns.any(|(place, _)| before.get(place) != now.get(place));
        ChangedRow { position, is_whole }
    });
    Some(changed.collect())
}
