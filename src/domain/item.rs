//! The identity and order of a record's observations.

use std::fmt;

use chrono::{DateTime, Utc};

/// The kind of call that returned an item.
///
/// A list item may be sparse: a missing member proves nothing about its value. A detail item is
/// complete: a missing member is empty (contract section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// An element of a list answer.
    List,
    /// The answer to a call for one id.
    Detail,
}

/// Orders observations: a higher number belongs to a later request.
///
/// Drawn from a PostgreSQL sequence just before the HTTP attempt that was answered, so that the
/// order does not depend on clocks (I6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadNumber(pub i64);

/// A hash of an item's bytes in canonical form, without volatile paths.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

/// The parts of an item that are read before any other processing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemKey {
    /// The record's id.
    pub id: String,
    /// The item's digest.
    pub digest: Digest,
    /// The record's creation time according to the item.
    pub created_at: Option<DateTime<Utc>>,
}

impl Digest {
    /// Replaces the digest of a stored item that is lost, so that the next item of its kind is
    /// always stored. No item has this digest.
    pub const LOST: Self = Self([0; 16]);

    /// Restores a digest from the bytes that [`Digest::0`] stored; `None` if the length is wrong.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
