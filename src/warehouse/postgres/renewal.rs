//! Closes connections to a server that no longer accepts writes, and records refused passwords.
//!
//! After a failover, connections to the old server may stay open while new ones reach the new
//! server. So every connection opened before such a failure is closed instead of reused.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Covers all connections of the process, because an error does not name its pool.
static LAST_FAILURE: Mutex<Option<Instant>> = Mutex::new(None);

/// Whether the server refused the user or the password.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);
const REFUSED: [&str; 2] = ["28000", "28P01"];

/// SQLSTATE of a read-only transaction, returned for every statement that writes.
pub(super) const READ_ONLY: &str = "25006";
/// The server shut down, crashed, is starting or stopping, or dropped the database or session.
const SHUTDOWN: [&str; 5] = ["57P01", "57P02", "57P03", "57P04", "57P05"];

/// Whether the server refused the user or the password since the last call. Resets the flag.
pub fn take_refusal() -> bool {
    IS_REFUSED.swap(false, Relaxed)
}

/// Records errors after which open connections or the password are no longer usable.
pub(super) fn note(sqlstate: &str) {
    if REFUSED.contains(&sqlstate) {
        IS_REFUSED.store(true, Relaxed);
    }
    if sqlstate == READ_ONLY || SHUTDOWN.contains(&sqlstate) {
        *LAST_FAILURE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Whether a connection of this age was opened before the last recorded failure.
pub(super) fn is_stale(age: Duration) -> bool {
    let last = *LAST_FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    last.is_some_and(|failure| failure.elapsed() < age)
}
