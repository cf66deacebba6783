//! A pause of all calls with a key.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Delays all workers of a key together when the vendor asks for it.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// The latest time that any answer asked for.
    until: Mutex<Option<Instant>>,
}

impl Pause {
    /// Delays calls until this time; an earlier time changes nothing.
    pub(super) fn until(&self, time: Instant) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(time, |before| before.max(time)));
    }

    /// The remaining time to wait.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_wait_does_not_end_a_longer_one() {
        let (pause, now) = (Pause::default(), Instant::now());
        assert_eq!(pause.left(now), Duration::ZERO);
        pause.until(now + Duration::from_secs(9));
        pause.until(now + Duration::from_secs(3));
        assert_eq!(pause.left(now), Duration::from_secs(9));
        assert_eq!(pause.left(now + Duration::from_secs(10)), Duration::ZERO);
    }
}
