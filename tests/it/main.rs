//! Tests of the whole program, in one binary so that it links once.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "the functions around the tests are tests too"
)]

mod account;
mod adaptive_rate;
mod budget;
mod cancelled;
mod changed;
mod cli;
mod clocks;
mod configuration;
mod consumers;
mod control;
mod database;
mod deletions;
mod deploy;
#[cfg(feature = "embedded")]
mod embedded;
mod empty;
mod encryption;
mod evidence;
mod explain;
mod faults;
mod filters;
mod hints;
mod history;
mod item_keys;
mod kills;
mod lag;
mod large_answers;
mod layout;
mod list_end;
mod logs;
mod marks;
mod metrics_artifacts;
mod model;
mod moments;
mod notify;
mod numbers;
mod odd_answers;
mod oddities;
mod order;
mod output;
mod poolers;
mod privacy;
mod probe;
mod project_names;
mod projects;
mod quarantine;
mod quiet;
mod random;
mod renormalize;
mod rotation;
mod runs;
mod schema;
mod server;
mod service;
mod shared_backfills;
mod since;
mod sparse;
mod surroundings;
mod sync;
mod tls;
#[cfg(feature = "embedded")]
mod trouble;
mod truth;
mod undated;
mod unreleased;
mod verify;
mod waiting;
mod world;
