//! Keeps a PostgreSQL warehouse equal to what the ARGOS Identity API knows.

pub mod client;
pub mod domain;
pub mod json;
pub mod normalize;
pub mod warehouse;
