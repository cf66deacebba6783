//! What the lanes of a project have had of a day's calls.

use super::ByLane;

/// What one lane has had of a day's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Calls it was given.
    pub taken: u64,
    /// Calls of its share that it let pass by: since it did not ask for them in time, others may
    /// have them.
    pub lapsed: u64,
}

/// What all lanes of a project have had of the present UTC day's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spending {
    /// Lane by lane.
    pub lanes: ByLane<Spent>,
    /// Seconds until the day ends.
    pub seconds_left: u32,
}

impl Spending {
    /// Calls that were given to any lane.
    pub fn taken(&self) -> u64 {
        self.lanes.iter().map(|(_, spent)| spent.taken).sum()
    }
}

/// Calls that a lane may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How many; 0: none for now.
    pub calls: u32,
    /// What is to be noted as [`Spent::lapsed`] of the lane that asked.
    pub lapsed: u64,
}
