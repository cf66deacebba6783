//! Tests of the whole program, in one binary so that it links once.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the functions around the tests are tests too"
)]

mod cli;
mod configuration;
mod database;
#[cfg(feature = "embedded")]
mod embedded;
mod evidence;
mod faults;
mod kills;
mod layout;
mod oddities;
mod order;
mod privacy;
mod projects;
mod quarantine;
mod renormalize;
mod runs;
mod schema;
mod sync;
mod truth;
mod world;
