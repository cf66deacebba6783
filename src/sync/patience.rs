//! How long a project retries failures that may pass by themselves.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

use super::{stop::pause, world::World};

/// Longest wait for a closed limiter.
const GATE_WAIT_MAX: Duration = Duration::from_mins(1);

/// The retry budget in time. Starts at the first failure, and is reset by every success.
#[derive(Debug)]
pub(super) struct Patience {
    /// Its duration. Zero for the daemon, which leaves failed work to the next scheduled round.
    pub(super) time: Duration,
    failing_since: Cell<Option<Instant>>,
    is_over: Cell<bool>,
}

impl Patience {
    pub(super) fn of(world: &World) -> Self {
        let time = if world.is_daemon { Duration::ZERO } else { world.settings.give_up_after };
        Self { time, failing_since: Cell::new(None), is_over: Cell::new(false) }
    }

    /// Resets the budget after a success.
    pub(super) fn renew(&self) {
        self.failing_since.set(None);
        self.is_over.set(false);
    }

    /// Whether it has ended. Other work that would fail in the same way is then not worth a try.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// The delay before the next attempt; `None` if there is none.
    pub(super) fn next(&self, failures: i32, not_before: Option<Duration>) -> Option<Duration> {
        let since = self.failing_since.get().unwrap_or_else(Instant::now);
        self.failing_since.set(Some(since));
        let exponent = u32::try_from(failures.clamp(1, 7)).unwrap_or(1);
        let delay =
            not_before.unwrap_or_default().max(Duration::from_secs(1) * 2u32.pow(exponent - 1));
        let is_over = Instant::now() + delay >= since + self.time;
        self.is_over.set(is_over);
        (!is_over).then_some(delay)
    }

    /// The delay until a closed limiter is tried again; `None` if it opens too late.
    ///
    /// A lane that has used its share of a large budget gets calls again all the time, as others
    /// lend theirs. With a small budget it would get one only occasionally, and a run would seem to
    /// hang.
    pub(super) fn next_of_limiter(&self, not_before: Option<Duration>) -> Option<Duration> {
        if not_before.is_some_and(|time| time > GATE_WAIT_MAX) {
            self.is_over.set(true);
            return None;
        }
        self.next(1, not_before)
    }

    /// Waits before the next attempt; returns whether there is one.
    pub(super) async fn wait(
        &self,
        world: &World,
        failures: i32,
        not_before: Option<Duration>,
    ) -> bool {
        match self.next(failures, not_before) {
            Some(delay) => pause(&world.stop, delay).await,
            None => false,
        }
    }

    /// Waits for a closed limiter; returns whether there is another attempt.
    pub(super) async fn wait_for_limiter(
        &self,
        world: &World,
        not_before: Option<Duration>,
    ) -> bool {
        match self.next_of_limiter(not_before) {
            Some(delay) => pause(&world.stop, delay).await,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_gate_that_opens_late_is_not_waited_for_whatever_the_patience() {
        for (opens_in, waits) in [
            (None, true),
            (Some(Duration::from_secs(5)), true),
            (Some(MINUTE), true),
            (Some(MINUTE + Duration::from_secs(1)), false),
            (Some(10 * MINUTE), false),
        ] {
            let patience = Patience {
                time: 30 * MINUTE,
                failing_since: Cell::new(None),
                is_over: Cell::new(false),
            };
            assert_eq!(patience.next_of_limiter(opens_in).is_some(), waits, "{opens_in:?}");
            assert_eq!(patience.is_over(), !waits, "{opens_in:?}");
        }
    }
}
