//! The clock of the simulated vendor.

use chrono::{DateTime, Utc};

/// The current time in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    now().timestamp_millis()
}

/// The current time.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated vendor is another machine with a clock of its own"
)]
pub(super) fn now() -> DateTime<Utc> {
    Utc::now()
}
