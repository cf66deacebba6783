//! HTTP: the listener, the router, the vendor's calls, and control calls.

pub(super) mod listener;
pub(super) mod routes;

mod control;
mod response;
mod vendor;
