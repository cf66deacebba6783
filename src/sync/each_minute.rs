//! Lines about the progress of long work, at most one a minute, and durations in lines.

use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);

/// When a line was last written.
#[derive(Debug)]
pub(super) struct EachMinute(Instant);

impl Default for EachMinute {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl EachMinute {
    /// Writes a line if the last one, or the beginning of the work, was a minute ago.
    pub(super) fn note(&mut self, write: impl FnOnce()) {
        if self.0.elapsed() >= MINUTE {
            self.0 = Instant::now();
            write();
        }
    }
}

/// The seconds of a duration for a line, to the millisecond.
pub(super) fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}
