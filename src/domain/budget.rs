//! Calls of a UTC day that a project's lanes have used or let lapse.

use super::ByLane;

/// Calls of a UTC day that one lane has used or let lapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Calls granted to the lane.
    pub taken: u64,
    /// Calls of the lane's share that it did not request in time; other lanes may use them.
    pub lapsed: u64,
}

/// Calls of the current UTC day that all lanes of a project have used or let lapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spending {
    /// The calls of each lane.
    pub lanes: ByLane<Spent>,
    /// Seconds until the UTC day ends.
    pub seconds_left: u32,
}

impl Spending {
    /// Calls granted to all lanes together.
    pub fn taken(&self) -> u64 {
        self.lanes.iter().map(|(_, spent)| spent.taken).sum()
    }
}

/// Calls granted to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The number of calls; 0 means none for now.
    pub calls: u32,
    /// The new value of [`Spent::lapsed`] of the requesting lane.
    pub lapsed: u64,
}
