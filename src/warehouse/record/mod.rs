//! One record: what was received, what is stored, what follows.

pub(super) mod body;
pub(super) mod compare;
pub(super) mod doubt;
pub(super) mod merge;
pub(super) mod observation;
pub(super) mod since;
pub(super) mod stored;
pub(super) mod usual;

#[cfg(test)]
pub(super) mod samples;
