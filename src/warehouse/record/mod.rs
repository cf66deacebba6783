//! A single record: its received item, its stored state, and the decision between them.

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
