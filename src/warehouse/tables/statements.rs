//! The statements that write the data tables, made from the catalogue.
//!
//! Arrays in, rows out, whatever the number of rows. New records go into all tables of a stream by
//! one statement; of records that are known a table is written only where it changed, by a
//! statement of its own (`replace`).

use super::{
    differences, history,
    replace::{self, Changes},
};
use crate::{domain::Stream, normalize::catalogue};
use std::sync::LazyLock;

/// The statements of one stream.
pub(super) struct Statements {
    /// For each table: makes it hold the rows that are given for known records, and no others of
    /// them.
    pub(super) replace: Vec<&'static str>,
    /// For each table: change rows that stand there.
    pub(super) changes: Vec<Option<Changes>>,
    /// For each table: records which elements came and went; only where a history of them is kept.
    pub(super) elements: Vec<Option<&'static str>>,
    /// For each table: returns which records, or which sets, have other rows than those given.
    pub(super) compare: Vec<&'static str>,
    /// For each table of sets: rewrites those that differ.
    pub(super) rewrite: Vec<Option<&'static str>>,
}

/// The statements of a stream, composed once.
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
