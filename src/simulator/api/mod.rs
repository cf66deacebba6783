//! The vendor's answers: reads requests, cuts lists into pages, and composes answers. Does not use
//! HTTP.

pub(super) mod answer;
pub(super) mod encryption;
pub(super) mod project;

mod envelope;
mod list;
mod order;
mod request;
