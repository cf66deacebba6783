//! Reads windows concurrently, page by page, in bounded memory.

pub(super) mod empty;
pub(super) mod hints;
pub(super) mod memory;
pub(super) mod pass;
pub(super) mod queue;
pub(super) mod window;
pub(super) mod windows;
