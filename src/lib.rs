//! Keeps a PostgreSQL warehouse in sync with the ARGOS Identity API.
//!
//! # Layout
//!
//! In the order of the data flow:
//!
//! - [`domain`]: the vocabulary: projects, windows, cursors, digests. Depends on no other module.
//! - [`json`]: reads the vendor's JSON, tolerant of damaged text, borrowing from the page.
//! - [`planner`]: pure functions that decide which days to read, and what to do with a failed
//!   window.
//! - [`client`]: the only module that uses HTTP; takes windows and returns pages of items as bytes.
//! - [`normalize`]: pure functions that turn an item into typed rows, driven by one catalogue.
//! - [`warehouse`]: the only module that uses SQL; stores each page in one transaction.
//! - [`sync`]: connects all modules: reads windows, makes detail calls, runs the daemon's
//!   schedules.
//! - [`config`]: turns files, environment and secrets into checked settings.
//! - [`telemetry`]: sets up logging.
//! - `status`: gathers the state of the warehouse for people and monitors.
//! - [`service`]: the daemon's HTTP service: health, metrics, and the status as JSON and as a page.
//! - [`cli`]: the commands, their output and their exit codes.
//!
//! In addition, `blocking` runs CPU-bound work, and `metrics` counts what the modules do. Two
//! modules are cargo features: `embedded`, an embedded PostgreSQL, and `simulator`, the vendor's
//! API as a program.

mod blocking;
pub mod cli;
pub mod client;
pub mod config;
pub mod domain;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod json;
mod metrics;
pub mod normalize;
pub mod planner;
pub mod service;
#[cfg(feature = "simulator")]
pub mod simulator;
mod status;
pub mod sync;
pub mod telemetry;
pub mod warehouse;
