//! What the vendor answers: requests are read, lists walked, answers composed. Knows no HTTP.

pub(super) mod answer;
pub(super) mod encryption;
pub(super) mod project;

mod envelope;
mod list;
mod order;
mod request;
