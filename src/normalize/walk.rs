//! Visits an item once along the catalogue: fills the cells, and finds fields that are not in the
//! catalogue.

use std::{cmp::Ordering, sync::LazyLock};

use super::{
    Cell, Deviation, Normalized, Note, Row,
    catalogue::{self, Key, Source, Table, Type},
    note, value,
};
use crate::{
    domain::{Stream, field_name},
    json::{Json, Member},
};

/// Whether a row without values is omitted from this table.
fn may_be_left_out(table: &Table, stream: Stream) -> bool {
    table.key == Key::Record && table.name != stream.as_str()
}

/// Normalizes everything that the catalogue alone describes.
pub(super) fn walk<'a>(stream: Stream, item: &'a Json<'_>) -> Normalized<'a> {
    let tables = catalogue::tables(stream);
    let rows = tables.iter().map(|table| match table.source {
        Source::Item => vec![empty_row(table)],
        Source::Elements(_) | Source::Derived => Vec::new(),
    });
    let mut walk =
        ColumnWriter { tables, rows: rows.collect(), notes: Vec::new(), path: Vec::new() };
    walk.visit(tree(stream), item);
    leave_out_empty_rows(stream, &mut walk.rows);
    Normalized {
        rows: walk.rows,
        created_at: super::created_at(stream, item),
        is_marked: false,
        unsettled: false,
        notes: walk.notes,
    }
}

/// Removes rows without values from the tables in which a record's row is optional.
pub(super) fn leave_out_empty_rows(stream: Stream, rows: &mut [Vec<Row<'_>>]) {
    for (table, rows) in catalogue::tables(stream).iter().zip(rows) {
        if may_be_left_out(table, stream) {
            rows.retain(|row| row.iter().any(|cell| *cell != Cell::Null));
        }
    }
}

/// The part of a path that may be shown. Below an open map, even the keys may be personal data.
pub(super) fn cut_at_open_map(stream: Stream, path: &str) -> &str {
    let mut node = tree(stream);
    let mut end = 0;
    for key in path.split('.') {
        match node.at(key) {
            Some(below) => node = below,
            // The name of an unknown field may be shown, but nothing below it.
            None if node.below.is_empty() => break,
            None => return path.get(..end + usize::from(end > 0) + key.len()).unwrap_or(path),
        }
        end += usize::from(end > 0) + key.len();
    }
    path.get(..end).unwrap_or(path)
}

fn empty_row<'a>(table: &Table) -> Row<'a> {
    vec![Cell::Null; table.columns.len()]
}

/// A place in an item, with its columns and tables.
#[derive(Debug, Default)]
struct CatalogueNode {
    /// The cells that the value at this place fills.
    cells: Vec<Filling>,
    /// Tables that get a row for each element of the array at this place.
    elements: Vec<usize>,
    /// Known members, sorted; empty if the catalogue has nothing below.
    below: Vec<(&'static str, CatalogueNode)>,
}

/// A cell that a place fills.
#[derive(Debug)]
struct Filling {
    table: usize,
    column: usize,
    kind: Type,
    is_first_spelling: bool,
}

impl CatalogueNode {
    fn at(&self, key: &str) -> Option<&Self> {
        let index = self.below.binary_search_by(|(name, _)| (*name).cmp(key)).ok()?;
        self.below.get(index).map(|(_, node)| node)
    }

    fn insert(&mut self, path: &'static str) -> &mut Self {
        let (key, rest) = path.split_once('.').map_or((path, ""), |(key, rest)| (key, rest));
        let index = match self.below.binary_search_by(|(name, _)| (*name).cmp(key)) {
            Ok(index) => index,
            Err(index) => {
                self.below.insert(index, (key, Self::default()));
                index
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or inserted just above")]
        let node = &mut self.below[index].1;
        if rest.is_empty() { node } else { node.insert(rest) }
    }
}

/// The catalogue of a stream as a tree, built once.
fn tree(stream: Stream) -> &'static CatalogueNode {
    static SUBMISSION: LazyLock<CatalogueNode> = LazyLock::new(|| grow(Stream::Submission));
    static FACEAUTH: LazyLock<CatalogueNode> = LazyLock::new(|| grow(Stream::Faceauth));
    match stream {
        Stream::Submission => &SUBMISSION,
        Stream::Faceauth => &FACEAUTH,
    }
}

fn grow(stream: Stream) -> CatalogueNode {
    let mut root = CatalogueNode::default();
    for (table_index, table) in catalogue::tables(stream).iter().enumerate() {
        if let Source::Elements(path) = table.source {
            root.insert(path).elements.push(table_index);
        }
        for (column_index, column) in table.columns.iter().enumerate() {
            let spellings = column.path.split('|').filter(|path| !path.is_empty());
            for (spelling, path) in spellings.enumerate() {
                let node = root.insert(path);
                if table.source != Source::Derived && !is_decided_elsewhere(stream, path) {
                    node.cells.push(Filling {
                        table: table_index,
                        column: column_index,
                        kind: column.kind,
                        is_first_spelling: spelling == 0,
                    });
                }
            }
        }
    }
    for (path, _, _) in catalogue::other_paths(stream) {
        root.insert(path);
    }
    root
}

/// Whether a path is handled elsewhere: `delete_time` counts only once the deletion is proven.
fn is_decided_elsewhere(stream: Stream, path: &str) -> bool {
    stream == Stream::Faceauth && path == "delete_time"
}

struct ColumnWriter<'a> {
    tables: &'static [Table],
    rows: Vec<Vec<Row<'a>>>,
    notes: Vec<Note>,
    /// The keys that lead to the current place.
    path: Vec<&'a str>,
}

impl<'a> ColumnWriter<'a> {
    fn visit(&mut self, node: &CatalogueNode, value: &'a Json<'_>) {
        for filling in &node.cells {
            if filling.kind == Type::Json {
                let (cell, is_cut) = value::read_json(value);
                self.fill(filling, cell);
                if is_cut {
                    self.note(Deviation::NumberOutOfRange, value);
                }
                continue;
            }
            match value::read(filling.kind, value) {
                Ok(cell) => self.fill(filling, cell),
                Err(why) => self.note(why.into(), value),
            }
        }
        if !node.elements.is_empty() {
            self.visit_elements(node, value);
        } else if !node.below.is_empty() {
            match value {
                Json::Object(members) => self.visit_members(node, members),
                Json::Null => {}
                // If several objects arrive instead of one, the last one counts.
                Json::Array(several) => {
                    if let Some(Json::Object(members)) = several.last() {
                        self.visit_members(node, members);
                    }
                    if !several.is_empty() {
                        self.note(Deviation::WrongType, value);
                    }
                }
                Json::Bool(_) | Json::Number(_) | Json::Text(_) => {
                    self.note(Deviation::WrongType, value);
                }
            }
        }
    }

    /// Fills a cell. Null changes nothing. Of two spellings the catalogue's first one counts,
    /// whatever their order in the item.
    fn fill(&mut self, filling: &Filling, cell: Cell<'a>) {
        let row = self.rows.get_mut(filling.table).and_then(|rows| rows.last_mut());
        if let Some(place) = row.and_then(|row| row.get_mut(filling.column))
            && cell != Cell::Null
            && (filling.is_first_spelling || *place == Cell::Null)
        {
            *place = cell;
        }
    }

    fn visit_elements(&mut self, node: &CatalogueNode, value: &'a Json<'_>) {
        match value {
            Json::Null => {}
            Json::Array(elements) => {
                for element in elements {
                    self.visit_element(node, element);
                }
            }
            // A single object counts as one element (quirk Q7), an empty one as none.
            Json::Object(members) if members.is_empty() => {}
            Json::Object(_) => self.visit_element(node, value),
            Json::Bool(_) | Json::Number(_) | Json::Text(_) => {
                self.note(Deviation::WrongType, value);
            }
        }
    }

    fn visit_element(&mut self, node: &CatalogueNode, element: &'a Json<'_>) {
        for table in &node.elements {
            if let (Some(rows), Some(table)) = (self.rows.get_mut(*table), self.tables.get(*table))
            {
                rows.push(empty_row(table));
            }
        }
        match element {
            Json::Object(members) => self.visit_members(node, members),
            _ => self.note(Deviation::WrongType, element),
        }
    }

    /// Both sides are in key order, so each is traversed only once.
    fn visit_members(&mut self, node: &CatalogueNode, members: &'a [Member<'_>]) {
        let mut known = node.below.iter();
        let mut next = known.next();
        for (key, value) in members {
            self.path.push(key);
            let found = loop {
                let Some((name, below)) = next else { break None };
                match (*name).cmp(key.as_ref()) {
                    Ordering::Less => next = known.next(),
                    Ordering::Equal => break Some(below),
                    Ordering::Greater => break None,
                }
            };
            match found {
                Some(below) => self.visit(below, value),
                None => self.note(Deviation::UnknownField, value),
            }
            self.path.pop();
        }
    }

    fn note(&mut self, found: Deviation, value: &Json<'_>) {
        let path: Vec<&str> = self.path.iter().copied().map(field_name).collect();
        note::keep(&mut self.notes, &path.join("."), found, value.type_name());
    }
}
