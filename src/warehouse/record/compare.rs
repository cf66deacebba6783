//! Compares digests and read numbers to decide whether an item changes a known record.

use super::{
    observation::Origin,
    stored::{KnownItem, StoredRecord},
};
use crate::domain::{Call, ItemKey, ListScope, ReadNumber};

/// How an item affects a known record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::warehouse) enum ItemChange {
    /// The digest differs, or the observation decides between list and detail.
    Changed,
    /// The item changes nothing.
    Unchanged,
    /// A known record's item from outside the claimed window: another pass stores it (I6).
    OtherWindow,
}

/// Compares one item with its known record.
pub(in crate::warehouse) fn compare(
    origin: Origin,
    read: ReadNumber,
    key: &ItemKey,
    stored: &StoredRecord,
) -> ItemChange {
    if is_of_other_window(origin, key) {
        return ItemChange::OtherWindow;
    }
    if let Origin::List { reading, .. } = origin
        && stored.unlisted
        && reading.is_filtered()
        && read > stored.newest
    {
        return ItemChange::Changed;
    }
    if stored.deleted_by_absence {
        return if read > stored.newest { ItemChange::Changed } else { ItemChange::Unchanged };
    }
    if let (Call::List, Some(doubted)) = (origin.call(), stored.doubted)
        && doubted.digest == key.digest
    {
        // A detail answered since then may have the same content.
        let is_answered = stored.detail.is_some_and(|detail| detail.read > doubted.read);
        return if read > doubted.read && is_answered {
            ItemChange::Changed
        } else {
            ItemChange::Unchanged
        };
    }
    let (own, other) = match origin.call() {
        Call::List => (stored.list, stored.detail),
        Call::Detail => (stored.detail, stored.list),
    };
    let Some(own) = own else { return ItemChange::Changed };
    if read <= own.read {
        return ItemChange::Unchanged;
    }
    let outvoted = stored.sources_differ && other.is_some_and(|other| other.read > own.read);
    if own.digest == key.digest && !outvoted { ItemChange::Unchanged } else { ItemChange::Changed }
}

/// Compares an item whose digest matches and whose record has no special state.
pub(in crate::warehouse) fn compare_same(origin: Origin, key: &ItemKey) -> ItemChange {
    if is_of_other_window(origin, key) { ItemChange::OtherWindow } else { ItemChange::Unchanged }
}

/// Compares an item whose digest differs and whose record has no special state. The decision is
/// repeated once the record is locked.
pub(in crate::warehouse) fn compare_changed(origin: Origin, key: &ItemKey) -> ItemChange {
    if is_of_other_window(origin, key) { ItemChange::OtherWindow } else { ItemChange::Changed }
}

fn is_of_other_window(origin: Origin, key: &ItemKey) -> bool {
    let Origin::List { reading, .. } = origin else { return false };
    key.created_at.is_some_and(|at| !reading.claimed().contains(at.date_naive()))
}

/// Whether an item contains anything that is not known of its record.
pub(in crate::warehouse) fn is_news(key: &ItemKey, stored: &StoredRecord) -> bool {
    let is_other = |known: Option<KnownItem>| known.is_none_or(|known| known.digest != key.digest);
    stored.deleted_by_absence || (is_other(stored.list) && is_other(stored.doubted))
}

/// Whether a pass without a date filter shows a record that passes of its day should have shown.
/// Its day is not claimed, so a detail call must confirm any news.
pub(in crate::warehouse) fn is_seen_elsewhere(origin: Origin, key: &ItemKey) -> bool {
    matches!(origin, Origin::List { reading: ListScope::All, .. }) && key.created_at.is_some()
}
