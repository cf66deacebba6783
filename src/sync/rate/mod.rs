//! Decides whether a call may be made now: the pace of a key, and the budget of a lane.

pub(super) mod call_block;
pub(super) mod key_pace;
pub(super) mod lane_limiter;
