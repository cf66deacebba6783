//! Items as received, with their origin.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{
    body::Body,
    stored::{KnownItem, StoredRecord},
};
use crate::{
    domain::{Call, Day, Digest, ItemKey, Lane, ListScope, ReadNumber, Stream},
    normalize::{self, Refusal},
    warehouse::scope::Scope,
};

/// A received item with its key.
#[derive(Debug)]
pub struct Observation {
    /// The read number, which orders the observations of a record.
    pub read: ReadNumber,
    /// The item's bytes.
    pub body: Body,
    /// The item's key, or why the item cannot be stored in any table.
    pub key: Result<ItemKey, Refusal>,
}

impl Observation {
    /// Reads the key from an item's bytes.
    pub fn of(scope: &Scope, read: ReadNumber, body: Bytes) -> Self {
        let key = normalize::read_key(scope.stream, &scope.volatile, &body);
        Self { read, body: body.into(), key }
    }

    /// Whether the item has the vendor's deletion mark.
    pub fn is_marked(&self, stream: Stream) -> bool {
        normalize::mark_in(stream, &self.body).is_some()
    }
}

/// The origin of the items.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) enum Origin {
    /// A list answer, read by this pass under a claim.
    List { reading: ListScope, lane: Lane, pass_id: i64 },
    /// Detail calls.
    Detail,
    /// Quarantine: received earlier by this call, in a window that began on this day.
    Quarantine { call: Call, day: Day },
}

impl Origin {
    pub(in crate::warehouse) fn call(self) -> Call {
        match self {
            Self::List { .. } => Call::List,
            Self::Detail => Call::Detail,
            Self::Quarantine { call, .. } => call,
        }
    }

    /// The lane that received the items.
    pub(in crate::warehouse) fn lane(self) -> Lane {
        match self {
            Self::List { lane, .. } => lane,
            Self::Detail | Self::Quarantine { .. } => Lane::Detail,
        }
    }
}

/// An item whose record must be written.
#[derive(Debug, Clone)]
pub(in crate::warehouse) struct ItemToStore {
    pub(in crate::warehouse) id: String,
    pub(in crate::warehouse) digest: Digest,
    pub(in crate::warehouse) read: ReadNumber,
    pub(in crate::warehouse) created_at: Option<DateTime<Utc>>,
    pub(in crate::warehouse) body: Body,
}

impl ItemToStore {
    pub(in crate::warehouse) fn of(observation: &Observation, key: &ItemKey) -> Self {
        Self {
            id: key.id.clone(),
            digest: key.digest,
            read: observation.read,
            created_at: key.created_at,
            body: observation.body.clone(),
        }
    }
}

/// An item of a known record, with the record's stored state.
#[derive(Debug)]
pub(in crate::warehouse) struct Work {
    pub(in crate::warehouse) item: ItemToStore,
    pub(in crate::warehouse) stored: StoredRecord,
}

impl Work {
    /// Whether the list item contains anything new.
    ///
    /// An item that only outvotes an older detail does not: its content is known, and a detail call
    /// would be outvoted again at every later pass. Neither does an item that was set aside before
    /// and agrees with a detail requested since then.
    pub(in crate::warehouse) fn is_news(&self) -> bool {
        let is_other =
            |known: Option<KnownItem>| known.is_none_or(|known| known.digest != self.item.digest);
        is_other(self.stored.list) && is_other(self.stored.doubted)
    }
}

pub(in crate::warehouse) fn is_listed(origin: Origin) -> bool {
    matches!(origin, Origin::List { reading: ListScope::Window(_), .. })
}

/// The day assigned to an undated record.
pub(in crate::warehouse) fn first_day(origin: Origin, now: DateTime<Utc>) -> Day {
    match origin {
        Origin::List { reading: ListScope::Window(window), .. } => window.from(),
        Origin::List { reading: ListScope::All, .. } | Origin::Detail => now.date_naive(),
        Origin::Quarantine { day, .. } => day,
    }
}
