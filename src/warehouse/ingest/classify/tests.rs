//! Items and their classes.

use super::*;
use crate::{
    domain::{Digest, ReadNumber},
    warehouse::{
        record::{
            samples::{digest, item, list, observe, record, record_of, scope, unfiltered},
            stored::KnownItem,
        },
        scope::DetailMode,
    },
};

const MARK: &str = r#"{"submission_id":"a","created_at":"2025-01-05T08:00:00.000Z",
    "data":{"name":"Deleted Submission"},"email":"Deleted Submission"}"#;

/// Returns the class of an item, and whether a detail call is due.
fn class(origin: Origin, details: DetailMode, item: &Observation, known: Option<Known>) -> String {
    let observations = [item];
    let batch = Batch::of(&observations);
    let known = known.map(|known| ("a".to_owned(), known)).into_iter().collect();
    let found = classify(&scope(details), origin, &batch, &known);
    let counts = [
        (found.new.len(), "new"),
        (found.changed.len(), "changed"),
        (found.unchanged, "unchanged"),
        (found.other_window, "other window"),
        (found.due.len(), "due"),
    ];
    let words = counts.iter().filter(|(count, _)| *count > 0).map(|(_, word)| *word);
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn items_are_classified_by_what_is_stored() {
    let special = |record: StoredRecord| Some(Known::Special(Box::new(record)));
    let newer = item("a", 5, "approved", 9);
    let older = item("a", 5, "pending", 1);
    let elsewhere = item("a", 20, "approved", 9);
    let stored = || record_of(Some(&older), None);
    let (detail, list, all) = (Origin::Detail, list(), unfiltered());
    for (origin, item, known, expected) in [
        (list, &newer, None, "unchanged"),
        (list, &newer, Some(Known::New), "new"),
        (list, &newer, Some(Known::Changed), "changed"),
        (list, &elsewhere, None, "other window"),
        (list, &elsewhere, Some(Known::New), "new"),
        (list, &elsewhere, Some(Known::Changed), "other window"),
        (all, &elsewhere, Some(Known::Changed), "other window, due"),
        (all, &elsewhere, None, "other window"),
        (detail, &elsewhere, Some(Known::Changed), "changed"),
        (list, &newer, special(stored()), "changed"),
        (list, &older, special(record_of(Some(&newer), None)), "unchanged"),
        (
            list,
            &newer,
            special(StoredRecord {
                unlisted: true,
                ..record_of(Some(&item("a", 5, "approved", 2)), None)
            }),
            "changed",
        ),
        (list, &newer, special(StoredRecord { deleted_by_absence: true, ..stored() }), "changed"),
        (
            list,
            &older,
            special(StoredRecord { deleted_by_absence: true, ..record_of(Some(&newer), None) }),
            "unchanged",
        ),
    ] {
        let details = DetailMode::OnChange;
        assert_eq!(class(origin, details, item, known), expected, "{origin:?} {item:?}");
    }
}

#[test]
fn with_details_always_each_sight_in_a_list_makes_a_detail_call_due() {
    let item = item("a", 5, "approved", 9);
    assert_eq!(class(list(), DetailMode::Always, &item, None), "unchanged, due");
    assert_eq!(class(Origin::Detail, DetailMode::Always, &item, None), "unchanged");
    assert_eq!(class(list(), DetailMode::Never, &item, None), "unchanged");
}

#[test]
fn a_detail_call_that_shows_a_mark_again_is_evidence() {
    let marked = observe(MARK, 9);
    let known = || Some(Known::Special(Box::new(record_of(None, Some(&observe(MARK, 2))))));
    assert_eq!(class(Origin::Detail, DetailMode::OnChange, &marked, known()), "changed");
    assert_eq!(class(list(), DetailMode::OnChange, &marked, None), "unchanged");
}

#[test]
fn of_an_id_that_is_there_twice_the_later_item_counts() {
    let (first, second) = (item("a", 5, "pending", 1), item("a", 5, "approved", 1));
    let (other, broken) = (item("b", 5, "approved", 1), observe("[]", 1));
    let observations = [&first, &other, &broken, &second];
    let batch = Batch::of(&observations);
    assert_eq!(batch.items.keys().copied().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(batch.items["a"].key.digest, digest(&second));
    assert_eq!((batch.duplicate, batch.refused.len()), (1, 1));
}

/// Returns the class of an item of a locked record.
fn locked_class(origin: Origin, item: &Observation, stored: Option<StoredRecord>) -> String {
    let items = [KeyedItem { observation: item, key: item.key.as_ref().unwrap() }];
    let locked = stored.map(|stored| ("a".to_owned(), stored)).into_iter().collect();
    let found = classify_locked(&scope(DetailMode::OnChange), origin, &items, locked).unwrap();
    if let Some((_, meaning)) = found.special.first() {
        let meaning = format!("{meaning:?}");
        return meaning.split('(').next().unwrap_or_default().to_owned();
    }
    let counts = [
        (found.facts.len(), "facts"),
        (found.doubtful.len(), "doubtful"),
        (found.unchanged, "unchanged"),
        (found.other_window, "other window"),
    ];
    counts.iter().find(|(count, _)| *count > 0).map_or("nothing", |(_, word)| *word).to_owned()
}

#[test]
fn the_decision_is_repeated_for_locked_records() {
    let (older, newer) = (item("a", 5, "pending", 1), item("a", 5, "approved", 9));
    let deleted = |record| StoredRecord {
        deleted_at: Some("2025-02-01T00:00:00Z".parse().unwrap()),
        ..record
    };
    let marked = observe(MARK, 9);
    let of_older = || record_of(Some(&older), None);
    for (origin, item, stored, expected) in [
        (list(), &newer, None, "unchanged"),
        (list(), &newer, Some(of_older()), "facts"),
        (list(), &older, Some(record_of(Some(&newer), None)), "unchanged"),
        (list(), &item("a", 20, "approved", 9), Some(of_older()), "other window"),
        (list(), &marked, Some(of_older()), "Mark"),
        (list(), &observe(MARK, 1), Some(record_of(None, Some(&newer))), "Nothing"),
        (list(), &newer, Some(deleted(of_older())), "Hint"),
        (Origin::Detail, &newer, Some(deleted(of_older())), "Nothing"),
        (
            Origin::Detail,
            &newer,
            Some(StoredRecord { deleted_by_absence: true, ..deleted(of_older()) }),
            "Facts",
        ),
        (Origin::Detail, &marked, Some(record_of(None, Some(&observe(MARK, 2)))), "Mark"),
    ] {
        let expected = if expected == "Facts" { "facts" } else { expected };
        assert_eq!(locked_class(origin, item, stored), expected, "{origin:?} {item:?}");
    }
}

#[test]
fn a_digest_that_was_set_aside_counts_again_only_after_a_detail_call() {
    let doubted = item("a", 5, "pending", 9);
    let stored = |answered: i64| StoredRecord {
        doubted: Some(KnownItem { digest: digest(&doubted), read: ReadNumber(5) }),
        detail: Some(KnownItem { digest: Digest([7; 16]), read: ReadNumber(answered) }),
        newest: ReadNumber(answered),
        ..record()
    };
    let key = doubted.key.as_ref().unwrap();
    let change = |answered, read| compare(list(), ReadNumber(read), key, &stored(answered));
    assert_eq!(change(4, 9), ItemChange::Unchanged, "no detail call since then");
    assert_eq!(change(6, 9), ItemChange::Changed);
    assert_eq!(change(6, 5), ItemChange::Unchanged, "read before it was set aside");
}
