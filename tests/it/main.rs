//! Tests of the whole program, in one binary so that it links once.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "the functions around the tests are tests too"
)]

mod budget;
mod changed;
mod cli;
mod configuration;
mod database;
mod deletions;
#[cfg(feature = "embedded")]
mod embedded;
mod encryption;
mod evidence;
mod explain;
mod faults;
mod filters;
mod glances;
mod history;
mod kills;
mod layout;
mod marks;
mod model;
mod oddities;
mod order;
mod privacy;
mod probe;
mod projects;
mod quarantine;
mod quiet;
mod random;
mod renormalize;
mod runs;
mod schema;
mod sync;
mod truth;
mod undated;
mod world;
