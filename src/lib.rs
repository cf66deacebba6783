//! Keeps a PostgreSQL warehouse equal to what the ARGOS Identity API knows.
//!
//! # Layout
//!
//! In the order of the data:
//!
//! - [`domain`]: the words: projects, windows, cursors, digests. Knows nobody.
//! - [`json`]: reads the vendor's JSON, tolerant of bad text, borrowing from the page.
//! - [`planner`]: pure; decides which days to read, and what to do with a window that fails.
//! - [`client`]: the only room that knows HTTP; a window goes in, pages of items come out as bytes.
//! - [`normalize`]: pure; an item becomes typed rows along one catalogue.
//! - [`warehouse`]: the only room that knows SQL; a page is one transaction.
//! - [`sync`]: knows them all: walks windows, drains detail calls, rings bells.
//! - [`config`]: files, environment and secrets become checked settings.
//! - [`telemetry`]: where log lines go.
//! - [`cli`]: commands, what they print, and how the process ends.
//!
//! Beside them `blocking`, for work that takes long, and, each behind a cargo feature:
//! `embedded`, an embedded PostgreSQL, and `simulator`, the vendor as a program.

mod blocking;
pub mod cli;
pub mod client;
pub mod config;
pub mod domain;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod json;
pub mod normalize;
pub mod planner;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod sync;
pub mod telemetry;
pub mod warehouse;
