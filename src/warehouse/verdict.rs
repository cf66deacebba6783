//! Whether an item says anything new about a record that is known: decided by digests and read numbers alone.

use super::{held::Held, store::Origin};
use crate::domain::{Call, Glance, ReadNumber, Reading};

/// What to do with an item of a known record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another digest, or an observation that decides between list and detail.
    Changed,
    /// Nothing to do.
    Unchanged,
    /// Known, and from outside the claimed window: another pass stores it (I6).
    Foreign,
}

/// The decision for one item, from what is held of its record.
pub(super) fn verdict(origin: Origin, read: ReadNumber, glance: &Glance, held: &Held) -> Verdict {
    if is_foreign(origin, glance) {
        return Verdict::Foreign;
    }
    if let Origin::List { reading, .. } = origin
        && held.unlisted
        && reading.is_filtered()
        && read > held.newest
    {
        return Verdict::Changed;
    }
    if held.absent {
        return if read > held.newest { Verdict::Changed } else { Verdict::Unchanged };
    }
    let (own, other) = match origin.call() {
        Call::List => (held.list, held.detail),
        Call::Detail => (held.detail, held.list),
    };
    let Some((digest, number)) = own else { return Verdict::Changed };
    if read <= number {
        return Verdict::Unchanged;
    }
    let outvoted = held.contested && other.is_some_and(|(_, other)| other > number);
    if digest == glance.digest && !outvoted { Verdict::Unchanged } else { Verdict::Changed }
}

/// The decision for an item that is stored just so, of a record of which there is no more to say.
pub(super) fn verdict_of_same(origin: Origin, glance: &Glance) -> Verdict {
    if is_foreign(origin, glance) { Verdict::Foreign } else { Verdict::Unchanged }
}

fn is_foreign(origin: Origin, glance: &Glance) -> bool {
    let Origin::List { reading, .. } = origin else { return false };
    glance.created_at.is_some_and(|at| !reading.claimed().contains(at.date_naive()))
}

/// Whether a walk without a date filter shows something new of a record that walks of its day should have shown. Its day is
/// not claimed, so that a single call has to tell.
pub(super) fn is_changed_elsewhere(origin: Origin, glance: &Glance, held: &Held) -> bool {
    let Origin::List { reading: Reading::Everything, .. } = origin else { return false };
    let is_known = held.list.is_some_and(|(digest, _)| digest == glance.digest);
    glance.created_at.is_some() && (held.absent || !is_known)
}
