//! Due detail calls and their answers.

use crate::{domain::ReadNumber, warehouse::record::observation::Observation};

/// A record whose detail call this process has claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueDetail {
    /// The record's id.
    pub id: String,
    /// A pass missed the record, or an item of it has the vendor's deletion mark: the call is
    /// evidence.
    pub is_suspect: bool,
    /// A pass missed the record: if the vendor does not find it, that is evidence.
    pub was_missed: bool,
    pub(super) fence: i64,
}

impl DueDetail {
    /// Creates a claimed call. `was_missed` is `None` for a record that is not suspected of being
    /// deleted.
    pub(super) fn new(id: String, fence: i64, was_missed: Option<bool>) -> Self {
        let is_suspect = was_missed.is_some();
        Self { id, is_suspect, was_missed: was_missed == Some(true), fence }
    }

    #[cfg(test)]
    pub(super) fn sample(was_missed: bool) -> Self {
        Self::new("a".to_owned(), 1, was_missed.then_some(true))
    }
}

/// The result of a detail call.
#[derive(Debug)]
pub enum DetailAnswer {
    /// An item with its key.
    Found(Observation),
    /// The vendor has no such record. That alone does not prove a deletion (I7).
    NotFound(ReadNumber),
    /// The call failed; it stays due for a later retry.
    Failed,
    /// The call was not made; it stays due.
    NotAsked,
}

impl DetailAnswer {
    /// The read number of the answer; `None` without an answer.
    pub(super) fn read(&self) -> Option<ReadNumber> {
        match self {
            Self::Found(observation) => Some(observation.read),
            Self::NotFound(read) => Some(*read),
            Self::Failed | Self::NotAsked => None,
        }
    }
}
