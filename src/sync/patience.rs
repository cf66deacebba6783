//! How long a project goes on trying what may pass by itself.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

use super::{World, pause};

/// Counts from the first failure, and anew after every success.
#[derive(Debug)]
pub(super) struct Patience {
    /// How long it lasts. The daemon has none: it leaves what fails to the next bell.
    pub(super) time: Duration,
    failing_since: Cell<Option<Instant>>,
    is_over: Cell<bool>,
}

impl Patience {
    pub(super) fn of(world: &World) -> Self {
        let time = if world.is_daemon { Duration::ZERO } else { world.settings.patience };
        Self { time, failing_since: Cell::new(None), is_over: Cell::new(false) }
    }

    /// Something succeeded.
    pub(super) fn renew(&self) {
        self.failing_since.set(None);
        self.is_over.set(false);
    }

    /// Whether it came to its end: then nothing else is worth a try that would fail alike.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Waits before another try; returns whether there will be one.
    pub(super) async fn wait(
        &self,
        world: &World,
        failures: i32,
        not_before: Option<Duration>,
    ) -> bool {
        let since = self.failing_since.get().unwrap_or_else(Instant::now);
        self.failing_since.set(Some(since));
        let exponent = u32::try_from(failures.clamp(1, 7)).unwrap_or(1);
        let delay =
            not_before.unwrap_or_default().max(Duration::from_secs(1) * 2u32.pow(exponent - 1));
        let is_over = Instant::now() + delay >= since + self.time;
        self.is_over.set(is_over);
        !is_over && pause(&world.stop, delay).await
    }
}
