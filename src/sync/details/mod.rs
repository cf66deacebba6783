//! Detail calls: which are claimed, how many are in flight, and the memory of their answers.

pub(super) mod answer_memory;
pub(super) mod drain;
pub(super) mod sparse;
pub(super) mod workers;
