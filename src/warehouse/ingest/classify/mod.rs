//! Classifies each item of an answer. Pure: the decisions are values, tested with tables below.

use std::collections::{BTreeMap, HashMap};

use super::marks::{self, Meaning};
use crate::{
    domain::{Call, ItemKey},
    normalize::Refusal,
    warehouse::{
        postgres::error::WarehouseError,
        raw::codec::Inflater,
        record::{
            compare::{
                ItemChange, compare, compare_changed, compare_same, is_news, is_seen_elsewhere,
            },
            doubt,
            observation::{ItemToStore, Observation, Origin, Work},
            stored::{Known, StoredRecord},
        },
        scope::Scope,
    },
};

/// An observation with its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyedItem<'a> {
    pub(super) observation: &'a Observation,
    pub(super) key: &'a ItemKey,
}

impl<'a> KeyedItem<'a> {
    pub(super) fn id(&self) -> &'a str {
        &self.key.id
    }

    pub(super) fn to_store(self) -> ItemToStore {
        ItemToStore::of(self.observation, self.key)
    }
}

/// The items of one answer.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// One item for each id, in id order. If an answer contains an id twice, the later item counts.
    pub(super) items: BTreeMap<&'a str, KeyedItem<'a>>,
    /// Items whose key could not be read.
    pub(super) refused: Vec<(&'a Observation, &'a Refusal)>,
    /// Earlier items of ids that the answer contains twice.
    pub(super) duplicate: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn of(observations: &[&'a Observation]) -> Self {
        let mut batch = Self { items: BTreeMap::new(), refused: Vec::new(), duplicate: 0 };
        for observation in observations.iter().copied() {
            match &observation.key {
                Ok(key) => {
                    let item = KeyedItem { observation, key };
                    batch.duplicate += usize::from(batch.items.insert(&key.id, item).is_some());
                }
                Err(refusal) => batch.refused.push((observation, refusal)),
            }
        }
        batch
    }
}

/// The items of an answer, by the required action.
#[derive(Debug, Default)]
pub(super) struct Classified<'a> {
    /// Items of unknown records.
    pub(super) new: Vec<KeyedItem<'a>>,
    /// Items that may change a known record. The decision is repeated once the record is locked.
    pub(super) changed: Vec<KeyedItem<'a>>,
    /// The number of items that change nothing.
    pub(super) unchanged: usize,
    /// The number of items of known records that another pass stores (I6).
    pub(super) other_window: usize,
    /// Records that need a detail call regardless of their item.
    pub(super) due: Vec<&'a str>,
}

/// Classifies the items of an answer. A record that is not in `known` is stored with the same
/// digest as its item.
pub(super) fn classify<'a>(
    scope: &Scope,
    origin: Origin,
    batch: &Batch<'a>,
    known: &HashMap<String, Known>,
) -> Classified<'a> {
    let mut classified = Classified::default();
    let wants_every_sight = scope.details.wants_every_sight() && origin.call() == Call::List;
    for (id, item) in &batch.items {
        let KeyedItem { observation, key } = *item;
        let (change, is_news) = match known.get(*id) {
            None => (Some(compare_same(origin, key)), false),
            Some(Known::Changed) => (Some(compare_changed(origin, key)), true),
            Some(Known::Special(stored)) => {
                (Some(compare(origin, observation.read, key, stored)), is_news(key, stored))
            }
            Some(Known::New) => (None, false),
        };
        match change {
            None => classified.new.push(*item),
            Some(ItemChange::Changed) => classified.changed.push(*item),
            Some(ItemChange::Unchanged) if marks::is_evidence(scope, origin, observation) => {
                classified.changed.push(*item);
            }
            Some(ItemChange::Unchanged) => classified.unchanged += 1,
            Some(ItemChange::OtherWindow) => classified.other_window += 1,
        }
        if wants_every_sight || (is_news && is_seen_elsewhere(origin, key)) {
            classified.due.push(*id);
        }
    }
    classified
}

/// Items of locked records, by the required action.
#[derive(Debug, Default)]
pub(super) struct LockedItems {
    /// Items whose facts are stored.
    pub(super) facts: Vec<Work>,
    /// Items that are older than the stored record by the vendor's own times.
    pub(super) doubtful: Vec<Work>,
    /// Items with a deletion mark, and items of deleted records.
    pub(super) special: Vec<(Work, Meaning)>,
    /// The number of items that change nothing.
    pub(super) unchanged: usize,
    /// The number of items that another pass stores (I6).
    pub(super) other_window: usize,
}

/// Repeats the decision for locked records, because another writer may have been faster.
pub(super) fn classify_locked(
    scope: &Scope,
    origin: Origin,
    items: &[KeyedItem<'_>],
    mut locked: HashMap<String, StoredRecord>,
) -> Result<LockedItems, WarehouseError> {
    let mut inflater = Inflater::new()?;
    let mut classified = LockedItems::default();
    for item in items {
        // A record that was deleted between the two statements is found by the next pass if it
        // still exists.
        let Some(stored) = locked.remove(item.id()) else {
            classified.unchanged += 1;
            continue;
        };
        let change = compare(origin, item.observation.read, item.key, &stored);
        match change {
            ItemChange::OtherWindow => {
                classified.other_window += 1;
                continue;
            }
            ItemChange::Unchanged if !marks::is_evidence(scope, origin, item.observation) => {
                classified.unchanged += 1;
                continue;
            }
            ItemChange::Changed | ItemChange::Unchanged => {}
        }
        let work = Work { item: item.to_store(), stored };
        match marks::meaning(scope, origin, &work) {
            Meaning::Facts if doubt::is_doubtful(scope, origin, &work, &mut inflater) => {
                classified.doubtful.push(work);
            }
            Meaning::Facts => classified.facts.push(work),
            meaning => classified.special.push((work, meaning)),
        }
    }
    Ok(classified)
}

#[cfg(test)]
mod tests;
