//! Compares rows with the values that `serde_json` finds at the catalogue's paths, as an
//! independent check.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{full_size, rows_with};
use crate::{
    domain::{Call, Stream},
    normalize::{
        Cell, Normalized,
        catalogue::{self, Column, Key, Source, Type},
    },
};

/// The value at a path below a place; null if there is none.
fn look_up<'v>(place: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(place, |place, key| place.get(key).unwrap_or(&Value::Null))
}

/// Whether a cell has the value of the item. Handles only values in their documented form.
fn says_the_same(cell: &Cell<'_>, kind: Type, value: &Value) -> bool {
    match (cell, value) {
        (Cell::Null, Value::Null) => true,
        (Cell::Bool(cell), Value::Bool(value)) => cell == value,
        (Cell::Integer(cell), Value::Number(value)) => value.as_i64() == Some(*cell),
        (Cell::Double(cell), Value::Number(value)) => value.as_f64() == Some(*cell),
        (Cell::Double(cell), Value::String(value)) => value.parse() == Ok(*cell),
        (Cell::Text(cell), Value::String(value)) if kind == Type::Enum => {
            *cell == value.to_lowercase()
        }
        (Cell::Text(cell), Value::String(value)) => cell == value,
        (Cell::TextArray(cells), Value::Array(values)) => {
            values.iter().map(|value| value.as_str().unwrap()).eq(cells.iter().map(AsRef::as_ref))
        }
        (Cell::Timestamp(cell), Value::String(value)) => {
            let value: DateTime<Utc> = value.parse().unwrap();
            *cell == value
        }
        (Cell::Date(cell), Value::String(value)) => cell.to_string() == *value,
        (Cell::Json(cell), value) => serde_json::from_str::<Value>(cell).unwrap() == *value,
        _ => false,
    }
}

/// Compares every table that the catalogue alone describes, and counts the cells with a value.
fn compare(stream: Stream, item: &Value, normalized: &Normalized<'_>) -> usize {
    let mut filled = 0;
    for (table, rows) in catalogue::tables(stream).iter().zip(&normalized.rows) {
        let (places, prefix): (Vec<&Value>, _) = match table.source {
            Source::Item => (vec![item], String::new()),
            Source::Elements(array) => (
                look_up(item, array).as_array().into_iter().flatten().collect(),
                format!("{array}."),
            ),
            Source::Derived => continue,
        };
        let value_of = |column: &Column, place| {
            let spellings = column.path.split('|').map(|path| path.strip_prefix(&prefix).unwrap());
            spellings.map(|path| look_up(place, path)).find(|value| !value.is_null())
        };
        let read_here = |column: &&Column| !["", "delete_time"].contains(&column.path);
        let is_empty =
            table.columns.iter().filter(read_here).all(|column| value_of(column, item).is_none());
        if table.key == Key::Record && table.name != stream.as_str() && is_empty {
            assert!(rows.is_empty(), "{} has a row of nothing", table.name);
            continue;
        }
        assert_eq!(rows.len(), places.len(), "{}", table.name);
        for (row, place) in rows.iter().zip(places) {
            for (column, cell) in table.columns.iter().zip(row).filter(|(c, _)| read_here(c)) {
                let value = value_of(column, place).unwrap_or(&Value::Null);
                let same = says_the_same(cell, column.kind, value);
                assert!(same, "{} {}: {cell:?} of {value}", table.name, column.name);
                filled += usize::from(*cell != Cell::Null);
            }
        }
    }
    filled
}

fn check(stream: Stream, item: &Value) -> usize {
    let bytes = item.to_string().into_bytes();
    rows_with(stream, &[(Call::Detail, 1, &bytes)], |normalized| {
        assert_eq!(normalized.notes, []);
        compare(stream, item, normalized)
    })
    .unwrap()
}

/// A documented value of this type, or null, chosen by a number.
fn value_of(kind: Type, choice: u32) -> Value {
    let variant = choice / 8;
    if choice.is_multiple_of(8) {
        return Value::Null;
    }
    match kind {
        Type::Text | Type::Enum => json!(format!("Wort {variant} \"é\\\n🏠")),
        Type::TextArray => json!(vec![format!("text {variant}"); variant as usize % 4]),
        Type::Double if variant.is_multiple_of(3) => json!(f64::from(variant).to_string()),
        Type::Double => json!(f64::from(variant) / 1021.0),
        Type::Integer => json!(variant),
        Type::Bool => json!(variant.is_multiple_of(2)),
        Type::Timestamp => json!(
            DateTime::from_timestamp(i64::from(variant) * 11, 554_000_000).unwrap().to_rfc3339()
        ),
        Type::Date => json!(format!("19{:02}-0{}-11", variant % 100, 1 + variant % 9)),
        Type::Json => json!({ format!("k{variant}"): [variant, null, {"": "x"}] }),
    }
}

fn put(place: &mut Value, path: &str, value: Value) {
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    let members = place.as_object_mut().unwrap();
    match path.split_once('.') {
        None => drop(members.insert(path.to_owned(), value)),
        Some((key, rest)) => put(members.entry(key).or_insert(Value::Null), rest, value),
    }
}

/// An item of the catalogue's shape, with this number of elements in every array.
fn item(stream: Stream, elements: usize, choices: &[u32]) -> Value {
    let mut choices = choices.iter().copied().cycle();
    let mut item = json!({ catalogue::id_column(stream): "id-1" });
    let mut arrays: Map<String, Value> = Map::new();
    for table in catalogue::tables(stream) {
        for column in table.columns {
            for path in column.path.split('|').filter(|path| !path.is_empty()) {
                let mut value = || value_of(column.kind, choices.next().unwrap());
                let Source::Elements(array) = table.source else {
                    put(&mut item, path, value());
                    continue;
                };
                let rows = arrays.entry(array).or_insert_with(|| json!(vec![json!({}); elements]));
                let path = path.strip_prefix(&format!("{array}.")).unwrap();
                rows.as_array_mut().unwrap().iter_mut().for_each(|row| put(row, path, value()));
            }
        }
    }
    arrays.into_iter().for_each(|(path, rows)| put(&mut item, &path, rows));
    item
}

#[test]
fn a_full_size_item_gives_the_values_that_serde_finds() {
    let item: Value = serde_json::from_slice(&full_size()).unwrap();
    let filled = check(Stream::Submission, &item);
    assert!(filled > 120, "{filled}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn items_of_the_documented_shape_give_the_values_that_serde_finds(
        elements in 0usize..4,
        choices in proptest::collection::vec(0u32..80_000, 50..400),
    ) {
        for stream in [Stream::Submission, Stream::Faceauth] {
            check(stream, &item(stream, elements, &choices));
        }
    }
}
