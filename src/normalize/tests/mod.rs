//! Tests of the whole module: bytes of an item in, rows out.

mod against_contract;
mod against_serde;
mod fixtures;
mod item_keys;
mod laws;
mod oddities;

use std::{fmt::Write as _, path::PathBuf};

use super::{Cell, Context, Merged, Normalized, Refusal, catalogue, merge, normalize};
use crate::{
    domain::{Call, ProjectName, ReadNumber, Stream},
    json::{self, Paths},
};

/// The fixtures whose names begin with the stream's name: names without extension, and bytes.
fn fixtures(stream: Stream) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name.starts_with(&format!("{}-", stream.as_str())))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    found.sort();
    assert!(found.len() > 5, "the fixtures of {stream:?} are gone");
    found
}

fn full_size() -> Vec<u8> {
    let all = fixtures(Stream::Submission);
    let found = all.into_iter().find(|(name, _)| name == "submission-detail-full-size");
    found.unwrap().1
}

fn context() -> Context {
    Context {
        pseudonym_key: Some("not a secret".to_owned().into()),
        parent: Some("main".parse::<ProjectName>().unwrap()),
    }
}

fn volatile(stream: Stream) -> Paths {
    Paths::new(catalogue::volatile_paths(stream).iter().copied())
}

/// An observation of a record: the call, a number that orders it, and the item's bytes.
type Seen<'b> = (Call, i64, &'b [u8]);

/// The rows of a record with these observations as text, or the reason why there are none.
fn rows(stream: Stream, seen: &[Seen<'_>]) -> Result<String, Refusal> {
    rows_with(stream, seen, |normalized| render(stream, normalized))
}

fn rows_with<T>(
    stream: Stream,
    seen: &[Seen<'_>],
    then: impl FnOnce(&Normalized<'_>) -> T,
) -> Result<T, Refusal> {
    for (.., bytes) in seen {
        super::read_key(stream, &volatile(stream), bytes)?;
    }
    let newest = |call: Call| {
        seen.iter().filter(|(by, ..)| *by == call).max_by_key(|(_, number, _)| *number)
    };
    let texts = [Call::List, Call::Detail]
        .map(|call| newest(call).map(|(_, number, bytes)| (json::text(bytes), *number)));
    let mut damaged = texts.iter().flatten().any(|(text, _)| text.contains('\u{fffd}'));
    let [list, detail] = texts.each_ref().map(|text| {
        text.as_ref().map(|(text, number)| {
            let parsed = json::parse(text).unwrap();
            damaged |= parsed.damaged;
            (parsed.value, ReadNumber(*number))
        })
    });
    let merged: Merged<'_> = merge(stream, list, detail).unwrap();
    Ok(then(&normalize(stream, &context(), &merged, damaged)))
}

fn of_detail(stream: Stream, item: &str) -> String {
    rows(stream, &[(Call::Detail, 1, item.as_bytes())]).unwrap()
}

/// The content of the notes, without the rows.
fn notes_of(stream: Stream, item: &str) -> Vec<String> {
    let text = of_detail(stream, item);
    text.lines().filter_map(|line| line.strip_prefix("note ")).map(str::to_owned).collect()
}

/// Rows as text, without null cells and empty tables.
fn render(stream: Stream, normalized: &Normalized<'_>) -> String {
    let mut out = String::new();
    for (table, rows) in catalogue::tables(stream).iter().zip(&normalized.rows) {
        for (position, row) in rows.iter().enumerate() {
            assert_eq!(row.len(), table.columns.len(), "{}", table.name);
            writeln!(out, "{} {}", table.qualified(), position + 1).unwrap();
            for (column, cell) in table.columns.iter().zip(row) {
                if *cell != Cell::Null {
                    writeln!(out, "  {} = {}", column.name, shorten(&show(cell))).unwrap();
                }
            }
        }
    }
    writeln!(out, "created_at {:?}", normalized.created_at).unwrap();
    writeln!(out, "marked {}", normalized.is_marked).unwrap();
    for note in &normalized.notes {
        writeln!(out, "note {}: {}, {}", shorten(&note.path), note.found.as_str(), note.json_type)
            .unwrap();
    }
    out
}

fn show(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Double(value) => format!("{value:?}"),
        Cell::Text(value) => format!("{value:?}"),
        Cell::TextArray(values) => format!("{values:?}"),
        Cell::Timestamp(value) => value.to_rfc3339(),
        Cell::Date(value) => value.to_string(),
        Cell::Json(value) => format!("json {value}"),
    }
}

fn shorten(text: &str) -> String {
    let length = text.chars().count();
    if length <= 2000 {
        return text.to_owned();
    }
    format!("{}... {length} characters", text.chars().take(20).collect::<String>())
}
