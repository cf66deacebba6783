//! Properties: nothing panics, digests depend only on content, and merging follows the laws of I5.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{context, fixtures, rows, volatile};
use crate::{
    domain::{Call, Digest, ReadNumber, Stream},
    json,
    normalize::{catalogue, merge, normalize, overlay, read_key},
};

const STREAMS: [Stream; 2] = [Stream::Submission, Stream::Faceauth];

/// Applies every function to an item's bytes.
fn put_through(stream: Stream, bytes: &[u8]) {
    let _ = read_key(stream, &volatile(stream), bytes);
    let text = json::text(bytes);
    let Ok(item) = json::parse(&text) else { return };
    let _ = json::digest(&item.value, &volatile(stream));
    let other = item.value.clone();
    let merged =
        merge(stream, Some((item.value, ReadNumber(2))), Some((other, ReadNumber(1)))).unwrap();
    let normalized = normalize(stream, &context(), &merged, true);
    let _ = super::render(stream, &normalized);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..9).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "[a-c]{0,2}".prop_map(Value::from),
        Just(json!("2025-03-14T09:26:53.589Z")),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,2}", Just("kyc".to_owned()), Just("attempts".to_owned())]
}

/// Writes a value with the members of every object in another order, and white space between them.
fn write_shuffled(value: &Value, turn: usize, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            let length = members.len().max(1);
            members.rotate_left(turn % length);
            if turn.is_multiple_of(2) {
                members.reverse();
            }
            out.push_str("{ ");
            for (index, (key, value)) in members.into_iter().enumerate() {
                out.push_str(if index > 0 { " ,\n" } else { "" });
                out.push_str(&json!(key).to_string());
                out.push_str("\t: ");
                write_shuffled(value, turn / 2 + index, out);
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (index, value) in elements.iter().enumerate() {
                out.push_str(if index > 0 { " , " } else { "" });
                write_shuffled(value, turn / 2 + index, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn digest_of(text: &str, volatile: &[&str]) -> Digest {
    json::digest(&json::parse(text).unwrap().value, &json::Paths::new(volatile.iter().copied()))
}

/// A sparser list item of the same record. The choices decide which leaves are kept, changed, set
/// to null or omitted.
fn thin_out(detail: &Value, choices: &mut impl Iterator<Item = u8>) -> Option<Value> {
    match (detail, choices.next().unwrap_or(0) % 5) {
        (_, 0) => None,
        (_, 1) => Some(Value::Null),
        (Value::Object(members), _) => {
            let mut thin: Map<_, _> = members
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), thin_out(value, choices)?)))
                .collect();
            thin.insert("new".to_owned(), json!(1));
            Some(Value::Object(thin))
        }
        (Value::Array(elements), _) => Some(Value::Array(
            elements.iter().map(|value| thin_out(value, choices).unwrap_or_default()).collect(),
        )),
        (_, 2) => Some(json!("changed")),
        (other, _) => Some(other.clone()),
    }
}

/// The laws of I5 for a newer list item, implemented independently. Elements are matched by
/// position here.
fn follows_the_laws(list: Option<&Value>, detail: Option<&Value>, merged: Option<&Value>) -> bool {
    match (list, detail) {
        (None, None) => merged.is_none(),
        // Values that only the detail item contains stay.
        (None | Some(Value::Null), Some(_)) => merged == detail,
        (Some(Value::Object(list)), Some(Value::Object(detail))) => {
            let Some(Value::Object(merged)) = merged else { return false };
            let keys: Vec<_> = list.keys().chain(detail.keys()).collect();
            merged.keys().all(|key| keys.contains(&key))
                && keys
                    .iter()
                    .all(|key| follows_the_laws(list.get(*key), detail.get(*key), merged.get(*key)))
        }
        (Some(Value::Array(list)), Some(Value::Array(detail))) => {
            let Some(Value::Array(merged)) = merged else { return false };
            merged.len() == list.len()
                && (0..list.len()).all(|index| {
                    follows_the_laws(list.get(index), detail.get(index), merged.get(index))
                })
        }
        // Every leaf in both items has the value of the list item.
        (Some(_), _) => merged == list,
    }
}

fn overlaid(list: &Value, detail: &Value) -> Value {
    let (list, detail) = (list.to_string(), detail.to_string());
    let mut text = String::new();
    overlay(json::parse(&list).unwrap().value, json::parse(&detail).unwrap().value)
        .write(&mut text);
    serde_json::from_str(&text).unwrap()
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for stream in STREAMS {
            put_through(stream, &bytes);
        }
    }

    #[test]
    fn no_damaged_fixture_panics(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        length in 0usize..20,
        patch in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..6),
            "(null|1e999|\\[\\]|\\{\\}|\"\"|\\\\u0000|\\\\ud800|,|:|\"|\\}|-)".prop_map(String::into_bytes),
        ],
    ) {
        for stream in STREAMS {
            let all = fixtures(stream);
            let mut bytes = which.get(&all).1.clone();
            let from = cut.index(bytes.len());
            let to = (from + length).min(bytes.len());
            bytes.splice(from..to, patch.iter().copied());
            put_through(stream, &bytes);
        }
    }

    #[test]
    fn no_value_at_a_known_place_panics(values in proptest::collection::vec(any_json(), 1..20)) {
        for stream in STREAMS {
            let mut values = values.iter().cycle();
            let mut item = json!({ catalogue::id_column(stream): "a" });
            let columns = catalogue::tables(stream).iter().flat_map(|table| table.columns);
            for path in columns.flat_map(|column| column.path.split('|')) {
                let key = path.split('.').next().unwrap();
                item[key] = values.next().unwrap().clone();
                if let (Some((_, rest)), Some(members)) =
                    (path.split_once('.'), item[key].as_object_mut())
                {
                    members.insert(rest.to_owned(), values.next().unwrap().clone());
                }
            }
            put_through(stream, item.to_string().as_bytes());
        }
    }

    #[test]
    fn the_digest_ignores_the_order_of_keys_and_white_space(
        value in any_json(),
        turn in any::<usize>(),
    ) {
        let mut shuffled = String::new();
        write_shuffled(&value, turn, &mut shuffled);
        prop_assert_eq!(digest_of(&value.to_string(), &[]), digest_of(&shuffled, &[]));
    }

    #[test]
    fn the_digest_ignores_what_stands_at_volatile_paths(
        value in any_json(),
        one in any_json(),
        other in any_json(),
    ) {
        let item = |volatile: &Value| {
            json!({
                "image": volatile,
                "kyc": {"attempts": [{"selfieImage": volatile, "n": value}], "image": 1},
                "rest": value,
            })
            .to_string()
        };
        let paths = ["image", "kyc.attempts.selfieImage"];
        prop_assert_eq!(digest_of(&item(&one), &paths), digest_of(&item(&other), &paths));
        let alike = digest_of(&item(&one), &[]) == digest_of(&item(&other), &[]);
        prop_assert_eq!(alike, item(&one) == item(&other));
    }

    #[test]
    fn the_digest_tells_different_values_apart(one in any_json(), other in any_json()) {
        let (one, other) = (one.to_string(), other.to_string());
        let alike = digest_of(&one, &[]) == digest_of(&other, &[]);
        prop_assert_eq!(alike, one == other);
    }

    #[test]
    fn a_newer_detail_is_the_record(list in any_json(), detail in any_json()) {
        let (list, detail) = (list.to_string(), detail.to_string());
        let value = |text| json::parse(text).unwrap().value;
        let merged =
            merge(Stream::Submission, Some((value(&list), ReadNumber(1))), Some((value(&detail), ReadNumber(2))));
        prop_assert_eq!(merged.unwrap().value, value(&detail));
    }

    #[test]
    fn a_newer_list_item_wins_what_it_carries_and_erases_nothing(
        detail in any_json(),
        choices in proptest::collection::vec(any::<u8>(), 40),
    ) {
        // Elements of `kyc.attempts` have no `attemptCnt` here, so all arrays are merged by
        // position.
        let list = thin_out(&detail, &mut choices.into_iter()).unwrap_or_default();
        let merged = overlaid(&list, &detail);
        prop_assert!(
            follows_the_laws(Some(&list), Some(&detail), Some(&merged)),
            "{} over {} gave {}", list, detail, merged
        );
        prop_assert_eq!(overlaid(&list, &merged), merged, "laid twice is laid once");
    }

    #[test]
    fn attempts_keep_what_their_own_detail_carried_in_whatever_order_they_come(
        detail in Just((1..6).collect::<Vec<u32>>()).prop_shuffle(),
        list in proptest::sample::subsequence((1..8).collect::<Vec<u32>>(), 0..7).prop_shuffle(),
    ) {
        let of = |member: &str, numbers: &[u32]| {
            let attempts: Vec<_> = numbers
                .iter()
                .map(|number| json!({"attemptCnt": number, member: format!("{member} {number}")}))
                .collect();
            json!({"kyc": {"attempts": attempts}})
        };
        let merged = overlaid(&of("list", &list), &of("detail", &detail));
        let merged = merged["kyc"]["attempts"].as_array().unwrap();
        prop_assert_eq!(merged.len(), list.len());
        for (attempt, number) in merged.iter().zip(list) {
            prop_assert_eq!(&attempt["attemptCnt"], &json!(number));
            prop_assert_eq!(&attempt["list"], &json!(format!("list {number}")));
            let detail = attempt.get("detail").cloned();
            prop_assert_eq!(detail, (number < 6).then(|| json!(format!("detail {number}"))));
        }
    }

    #[test]
    fn any_order_of_the_same_observations_gives_the_same_rows(
        which in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..6),
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let all = fixtures(Stream::Submission);
        let usable: Vec<_> = all
            .iter()
            .filter(|(_, bytes)| rows(Stream::Submission, &[(Call::Detail, 1, bytes)]).is_ok())
            .collect();
        let seen: Vec<(Call, i64, &[u8])> = which
            .iter()
            .zip(1..)
            .map(|((is_list, which), number)| {
                let call = if *is_list { Call::List } else { Call::Detail };
                (call, number, which.get(&usable).1.as_slice())
            })
            .collect();
        // As in the warehouse: only the item with the highest number is kept for each call.
        let mut kept: BTreeMap<Call, (Call, i64, &[u8])> = BTreeMap::new();
        for index in order {
            let Some(new) = seen.get(index) else { continue };
            let place = kept.entry(new.0).or_insert(*new);
            if new.1 > place.1 {
                *place = *new;
            }
        }
        let kept: Vec<_> = kept.into_values().collect();
        prop_assert_eq!(rows(Stream::Submission, &kept), rows(Stream::Submission, &seen));
    }
}
