//! The state of the warehouse and of each project, for `status` and for the service.

pub(crate) mod clocks;
pub(crate) mod json;
pub(crate) mod rate;
pub(crate) mod report;
pub(crate) mod samples;
pub(crate) mod sparse;
pub(crate) mod words;
