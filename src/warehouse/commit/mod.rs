//! Transactions, one kind for each file.

pub(super) mod answer;
pub(super) mod details;
mod due;
pub(super) mod page;
pub(super) mod quarantine;
pub(super) mod renormalize;
pub(super) mod repair;
pub(super) mod sample;
mod settle;
pub(super) mod sound;
pub(super) mod verified;
pub(super) mod verify;
