//! Decides whether a call may be made now: the budget of a lane, and the time between calls.

pub(super) mod call_block;
pub(super) mod lane_limiter;
