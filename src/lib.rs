//! Keeps a PostgreSQL warehouse equal to what the ARGOS Identity API knows.

pub mod domain;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod json;
