//! The changes that items make.

use super::*;
use crate::{
    domain::ReadNumber,
    warehouse::{
        record::{
            observation::{ItemToStore, Observation},
            samples::{day, item, list, record, record_of, scope},
            stored::{KnownItem, StoredRecord},
        },
        scope::DetailMode,
    },
};

const NOW: &str = "2025-03-01T00:00:00Z";

/// The changes caused by one item.
fn change(
    origin: Origin,
    details: DetailMode,
    item: &Observation,
    stored: StoredRecord,
) -> ChangeSet {
    let item = ItemToStore::of(item, item.key.as_ref().unwrap());
    let work = [Work { item, stored }];
    build(&scope(details), origin, &work, Usual::default(), NOW.parse().unwrap()).unwrap()
}

#[test]
fn a_changed_list_item_updates_the_record_and_makes_a_detail_call_due() {
    let (older, newer) = (item("a", 5, "pending", 1), item("a", 7, "approved", 9));
    let changes = change(list(), DetailMode::OnChange, &newer, record_of(Some(&older), None));
    let update = &changes.updates[0];
    assert_eq!((update.read, update.window_day, update.undated), (ReadNumber(9), day(7), false));
    assert_eq!((update.changed_at, update.unsettled), (Some(NOW.parse().unwrap()), false));
    assert_eq!(changes.records[0].id, "a");
    assert_eq!(changes.due, ["a"]);
}

#[test]
fn whether_a_detail_call_follows_depends_on_mode_and_stored_detail() {
    let (older, newer) = (item("a", 5, "pending", 1), item("a", 5, "approved", 9));
    let without_detail = || record_of(Some(&older), None);
    for (origin, details, stored, is_due) in [
        (list(), DetailMode::OnChange, without_detail(), true),
        (list(), DetailMode::Always, without_detail(), true),
        (list(), DetailMode::Never, without_detail(), false),
        // The stored detail cannot be read back, so the items cannot be merged.
        (list(), DetailMode::Never, record_of(None, Some(&older)), true),
        (list(), DetailMode::OnChange, record_of(Some(&newer), None), false),
        (Origin::Detail, DetailMode::OnChange, without_detail(), false),
    ] {
        let due = change(origin, details, &newer, stored.clone()).due;
        assert_eq!(!due.is_empty(), is_due, "{origin:?} {details:?} {stored:?}");
    }
}

#[test]
fn a_record_whose_other_item_is_lost_keeps_its_state_until_its_detail_call() {
    let (older, newer) = (item("a", 5, "pending", 1), item("a", 7, "approved", 9));
    let deleted_at = Some("2025-02-01T00:00:00Z".parse().unwrap());
    let stored = StoredRecord {
        unsettled: true,
        deleted_by_absence: true,
        deleted_at,
        ..record_of(None, Some(&older))
    };
    let changes = change(list(), DetailMode::OnChange, &newer, stored);
    let update = &changes.updates[0];
    assert!(changes.records.is_empty() && update.unsettled && update.deleted_by_absence);
    assert_eq!(update.deleted_at, deleted_at);
}

#[test]
fn only_another_digest_of_the_same_call_is_a_change_of_the_record() {
    let (older, newer) = (item("a", 5, "pending", 1), item("a", 5, "approved", 9));
    let lost = StoredRecord {
        list: Some(KnownItem { digest: Digest::LOST, read: ReadNumber(1) }),
        ..record()
    };
    for (origin, stored, is_change) in [
        (list(), record_of(Some(&older), None), true),
        (list(), record_of(Some(&newer), None), false),
        (list(), record_of(None, Some(&older)), false),
        (list(), lost, false),
        (Origin::Detail, record_of(Some(&older), None), false),
    ] {
        let changed_at = change(origin, DetailMode::OnChange, &newer, stored).updates[0].changed_at;
        assert_eq!(changed_at.is_some(), is_change, "{origin:?}");
    }
}

#[test]
fn rows_are_compared_only_where_the_stored_items_are_known() {
    let (older, newer) = (item("a", 5, "pending", 1), item("a", 5, "approved", 9));
    let changes = change(list(), DetailMode::OnChange, &newer, record_of(Some(&older), None));
    assert!(matches!(changes.records[0].diff, RowDiff::Unknown), "its raw items are not kept");
}
