//! Bodies as received, compressed.

pub(super) mod bodies;
pub(super) mod codec;
