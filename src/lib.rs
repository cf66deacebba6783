//! Keeps a PostgreSQL warehouse equal to what the ARGOS Identity API knows.

pub mod domain;
pub mod json;
#[cfg(feature = "simulator")]
pub mod simulator;
