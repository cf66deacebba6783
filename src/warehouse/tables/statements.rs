//! The statements that write the data tables, composed from the catalogue.
//!
//! They take arrays, so one statement writes any number of rows. One statement inserts new records
//! into all tables of a stream. For known records, each changed table is written by its own
//! statement (`replace`).

use super::{
    differences, history,
    replace::{self, Changes},
};
use crate::{domain::Stream, normalize::catalogue};
use std::sync::LazyLock;

/// The statements of one stream.
pub(super) struct Statements {
    /// For each table: replaces all rows of known records with the given rows.
    pub(super) replace: Vec<&'static str>,
    /// For each table: updates existing rows.
    pub(super) changes: Vec<Option<Changes>>,
    /// For each table: records which elements were added or removed; `None` without a history of
    /// elements.
    pub(super) elements: Vec<Option<&'static str>>,
    /// For each table: returns the records, or sets, whose rows differ from the given ones.
    pub(super) compare: Vec<&'static str>,
    /// For each table of sets: rewrites the sets that differ.
    pub(super) rewrite: Vec<Option<&'static str>>,
}

/// The statements of a stream; composed once.
pub(super) fn statements(stream: Stream) -> &'static Statements {
    static SUBMISSION: LazyLock<Statements> = LazyLock::new(|| compose(Stream::Submission));
    static FACEAUTH: LazyLock<Statements> = LazyLock::new(|| compose(Stream::Faceauth));
    match stream {
        Stream::Submission => &SUBMISSION,
        Stream::Faceauth => &FACEAUTH,
    }
}

fn compose(stream: Stream) -> Statements {
    let tables = catalogue::tables(stream);
    let elements = |table| history::compose_elements(table).map(|changes| &*changes.leak());
    Statements {
        replace: tables.iter().map(|table| &*replace::compose(table).leak()).collect(),
        changes: tables.iter().map(replace::compose_changes).collect(),
        elements: tables.iter().map(elements).collect(),
        compare: tables.iter().map(|table| &*differences::compose(table).leak()).collect(),
        rewrite: tables.iter().map(differences::compose_rewrite).collect(),
    }
}

/// All statements of all streams.
pub(in crate::warehouse) fn all() -> impl Iterator<Item = &'static str> {
    Stream::ALL.into_iter().map(statements).flat_map(|statements| {
        let elements = statements.elements.iter().copied().flatten();
        let changes = statements.changes.iter().flatten();
        let changes = changes.flat_map(|changes| [changes.whole.sql, changes.small.sql]);
        let compared = statements.compare.iter().copied();
        let rewritten = statements.rewrite.iter().copied().flatten();
        let written = statements.replace.iter().copied().chain(changes);
        written.chain(elements).chain(compared).chain(rewritten)
    })
}
