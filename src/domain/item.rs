//! What identifies and orders the observations of a record.

use std::fmt;

use chrono::{DateTime, Utc};

/// Which kind of call brought an item.
///
/// A list item may be sparse: what it leaves out it says nothing about. A detail item is complete:
/// what it leaves out is empty (contract section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// An element of a list answer.
    List,
    /// The answer of a call for one id.
    Detail,
}

/// Orders observations: the higher number was asked later.
///
/// Drawn from a PostgreSQL sequence just before the HTTP attempt that answered, so that clocks
/// decide nothing (I6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadNumber(pub i64);

/// A hash of an item's bytes in canonical form, without volatile paths.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

/// What has to be known of an item before anything else is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemKey {
    /// The record's id.
    pub id: String,
    /// The digest of the item.
    pub digest: Digest,
    /// When it says its record was created.
    pub created_at: Option<DateTime<Utc>>,
}

impl Digest {
    /// Stored in place of the digest of a kept item that is lost, so that the next item of its kind
    /// is stored whatever it shows. No item has it.
    pub const LOST: Self = Self([0; 16]);

    /// Reads back what [`Digest::0`] stored; `None` when the length is wrong.
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
