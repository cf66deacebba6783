//! Writes items as bytes.

pub(super) mod faceauth;
pub(super) mod style;
pub(super) mod submission;
pub(super) mod writer;

mod checks;
mod data;
mod kyc;
mod signed;
