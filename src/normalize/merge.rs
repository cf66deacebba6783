//! Merges a record's last list item and its last detail item (I5).
//!
//! A detail item is complete. If it is newer, it is the record, and members that it omits are null.
//!
//! A list item may be sparse. If it is newer, every leaf that it contains wins, and leaves that
//! only the detail item contains stay. Null in a list item waits for the next detail item.
//!
//! A newer list item whose own times are earlier than the detail item's may come from a stale list.
//! The detail item then stays the record until a later one arrives.
//!
//! For an array in both items, the newer one decides which elements exist. Each is merged with the
//! element of the same natural key, or else of the same position.
//!
//! An item with the vendor's deletion mark proves nothing about the facts. It is used only if there
//! is no other item.

use std::collections::{HashMap, HashSet};

use super::{Times, catalogue::natural_key, mark::mark};
use crate::{
    domain::{ReadNumber, Stream},
    json::{Json, Member},
};

/// A record, merged from its items.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged<'a> {
    /// The record.
    pub value: Json<'a>,
}

/// Merges the available items; `None` if there are none.
pub fn merge<'a>(
    stream: Stream,
    list: Option<(Json<'a>, ReadNumber)>,
    detail: Option<(Json<'a>, ReadNumber)>,
) -> Option<Merged<'a>> {
    let is_marked = |item: &Option<(Json<'_>, ReadNumber)>| {
        item.as_ref().is_some_and(|(item, _)| mark(stream, item).is_some())
    };
    let (list, detail) = match (is_marked(&list), is_marked(&detail)) {
        (true, false) if detail.is_some() => (None, detail),
        (false, true) if list.is_some() => (list, None),
        _ => (list, detail),
    };
    let value = match (list, detail) {
        (None, None) => return None,
        (Some((list, _)), None) => list,
        (None, Some((detail, _))) => detail,
        (Some((_, asked)), Some((detail, answered))) if answered > asked => detail,
        (Some((list, _)), Some((detail, _)))
            if Times::of(&detail).is_later_than(&Times::of(&list)) =>
        {
            detail
        }
        (Some((list, _)), Some((detail, _))) => overlay(list, detail),
    };
    Some(Merged { value })
}

/// Overlays a newer list item on an older detail item.
pub fn overlay<'a>(list: Json<'a>, detail: Json<'a>) -> Json<'a> {
    lay(list, detail, &mut String::new())
}

fn lay<'a>(list: Json<'a>, detail: Json<'a>, path: &mut String) -> Json<'a> {
    match (list, detail) {
        (Json::Null, detail) => detail,
        (Json::Object(list), Json::Object(detail)) => Json::Object(lay_members(list, detail, path)),
        (Json::Array(list), Json::Array(detail)) => Json::Array(lay_elements(list, detail, path)),
        (list, _) => list,
    }
}

/// Merges two member lists sorted by key. The result is sorted too.
fn lay_members<'a>(
    list: Vec<Member<'a>>,
    detail: Vec<Member<'a>>,
    path: &mut String,
) -> Vec<Member<'a>> {
    let mut merged = Vec::with_capacity(detail.len().max(list.len()));
    let mut older = detail.into_iter().peekable();
    for (key, value) in list {
        while let Some(only_detail) = older.next_if(|(name, _)| *name < key) {
            merged.push(only_detail);
        }
        let value = match older.next_if(|(name, _)| *name == key) {
            None => value,
            Some((_, below)) => {
                let length = path.len();
                if length > 0 {
                    path.push('.');
                }
                path.push_str(&key);
                let value = lay(value, below, path);
                path.truncate(length);
                value
            }
        };
        merged.push((key, value));
    }
    merged.extend(older);
    merged
}

fn lay_elements<'a>(
    list: Vec<Json<'a>>,
    detail: Vec<Json<'a>>,
    path: &mut String,
) -> Vec<Json<'a>> {
    let key_of = |element: &Json<'_>| natural_key(path).and_then(|name| key_text(element, name));
    // The first of several elements with the same key counts.
    let mut by_key: HashMap<String, usize> = HashMap::new();
    for (position, element) in detail.iter().enumerate() {
        if let Some(key) = key_of(element) {
            by_key.entry(key).or_insert(position);
        }
    }
    let twins: Vec<Option<usize>> =
        list.iter().map(|element| by_key.remove(&key_of(element)?)).collect();
    // An element without a key matches the one at its position, unless that one matches another by
    // key.
    let taken: HashSet<usize> = twins.iter().copied().flatten().collect();
    let by_position = |position: usize, element: &Json<'_>| {
        (key_of(element).is_none() && !taken.contains(&position)).then_some(position)
    };
    let twins: Vec<Option<usize>> = twins
        .into_iter()
        .zip(list.iter().enumerate())
        .map(|(twin, (position, element))| twin.or_else(|| by_position(position, element)))
        .collect();
    let mut older: Vec<Option<Json<'a>>> = detail.into_iter().map(Some).collect();
    list.into_iter()
        .zip(twins)
        .map(|(element, twin)| {
            match twin.and_then(|position| older.get_mut(position)).and_then(Option::take) {
                Some(twin) => lay(element, twin, path),
                None => element,
            }
        })
        .collect()
}

/// The natural key as text, because a number may also arrive as a text (quirk Q8). Null is not a
/// key.
fn key_text(element: &Json<'_>, name: &str) -> Option<String> {
    match element.get(name)? {
        Json::Text(key) | Json::Number(key) => Some(key.to_string()).filter(|key| !key.is_empty()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn merged(list: &str, detail: &str, list_number: i64, detail_number: i64) -> String {
        let list = parse(list).unwrap().value;
        let detail = parse(detail).unwrap().value;
        let merged = merge(
            Stream::Submission,
            Some((list, ReadNumber(list_number))),
            Some((detail, ReadNumber(detail_number))),
        );
        let mut text = String::new();
        merged.unwrap().value.write(&mut text);
        text
    }

    #[test]
    fn a_newer_list_item_wins_leaf_by_leaf_and_erases_nothing() {
        assert_eq!(
            merged(
                r#"{"kyc":{"result":"approved"},"memo":null,"new":1}"#,
                r#"{"kyc":{"result":"pending","retry":[]},"memo":{"text":"x"},"ocr":{"a":"b"}}"#,
                2,
                1
            ),
            r#"{"kyc":{"result":"approved","retry":[]},"memo":{"text":"x"},"new":1,"ocr":{"a":"b"}}"#
        );
    }

    #[test]
    fn a_newer_detail_is_the_record() {
        let detail = r#"{"kyc":{"result":"pending"},"memo":null}"#;
        assert_eq!(merged(r#"{"kyc":{"result":"approved"},"extra":1}"#, detail, 1, 2), detail);
    }

    #[test]
    fn an_item_with_the_mark_of_a_deletion_erases_nothing() {
        let live = r#"{"data":{"name":"Ada"},"kyc":{"result":"approved"}}"#;
        let marked = r#"{"data":{"name":"Deleted Submission"},"kyc":{"result":"rejected"}}"#;
        assert_eq!(merged(marked, live, 2, 1), live);
        assert_eq!(merged(live, marked, 1, 2), live);
        assert_eq!(merged(marked, marked, 2, 1), marked);
    }

    #[test]
    fn a_newer_list_item_with_an_earlier_time_leaves_the_detail_as_it_is() {
        let detail = r#"{"kyc":{"result":"approved"},"updated_at":"2025-01-02T00:00:00.000Z"}"#;
        let stale = r#"{"kyc":{"result":"pending"},"updated_at":"2025-01-01T00:00:00.000Z"}"#;
        assert_eq!(merged(stale, detail, 2, 1), detail);
        let taken_back = r#"{"kyc":{"result":"pending"},"updated_at":"2025-01-03T00:00:00.000Z"}"#;
        assert_eq!(merged(taken_back, detail, 2, 1), taken_back);
        assert_eq!(merged(detail, stale, 1, 2), stale, "read numbers decide");
    }

    #[test]
    fn elements_are_matched_by_their_natural_key() {
        assert_eq!(
            merged(
                r#"{"kyc":{"attempts":[{"attemptCnt":2,"s":9},{"attemptCnt":3,"s":8}]}}"#,
                r#"{"kyc":{"attempts":[{"attemptCnt":1,"v":"a"},{"attemptCnt":2,"s":1,"v":"b"}]}}"#,
                2,
                1
            ),
            r#"{"kyc":{"attempts":[{"attemptCnt":2,"s":9,"v":"b"},{"attemptCnt":3,"s":8}]}}"#
        );
    }

    #[test]
    fn an_element_without_its_key_goes_by_position_and_takes_no_other_ones_twin() {
        assert_eq!(
            merged(
                r#"{"kyc":{"attempts":[{"s":9},{"attemptCnt":"1","s":8},{"attemptCnt":null}]}}"#,
                r#"{"kyc":{"attempts":[{"attemptCnt":1,"v":"a"},{"attemptCnt":2},{"v":"c"}]}}"#,
                2,
                1
            ),
            r#"{"kyc":{"attempts":[{"s":9},{"attemptCnt":"1","s":8,"v":"a"},{"attemptCnt":null,"v":"c"}]}}"#
        );
        assert_eq!(
            merged(
                r#"{"aml":{"matches":[{"score":9}]}}"#,
                r#"{"aml":{"matches":[{"resource_id":"r","score":1}]}}"#,
                2,
                1
            ),
            r#"{"aml":{"matches":[{"resource_id":"r","score":9}]}}"#
        );
    }

    #[test]
    fn null_in_an_array_of_a_list_item_waits_for_a_detail() {
        assert_eq!(
            merged(r#"{"l":[null,{"a":1}]}"#, r#"{"l":["x",{"b":2}]}"#, 2, 1),
            r#"{"l":["x",{"a":1,"b":2}]}"#
        );
    }

    #[test]
    fn other_elements_are_matched_by_position_and_an_empty_array_is_a_value() {
        assert_eq!(
            merged(r#"{"l":[{"a":1}]}"#, r#"{"l":[{"b":2},{"b":3}]}"#, 2, 1),
            r#"{"l":[{"a":1,"b":2}]}"#
        );
        assert_eq!(merged(r#"{"l":[]}"#, r#"{"l":["x"]}"#, 2, 1), r#"{"l":[]}"#);
        assert_eq!(merged(r#"{"l":["y"]}"#, r#"{"l":["x","z"]}"#, 2, 1), r#"{"l":["y"]}"#);
    }
}
