//! Whether the work of a project continues: the time of its last step, and whether it waits for
//! something outside of this process.
//!
//! A stuck loop takes no step and has not begun a wait. No timer counts as a step.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::stop::pause;

/// Longest time between two steps of a project's work: more than any attempt of a transaction
/// takes. For calls, see [`Pulse::new`].
const STEP_MAX: Duration = Duration::from_mins(5);

/// The pulse of a project's work.
#[derive(Debug)]
pub struct Pulse {
    stepped_at: Mutex<Instant>,
    /// Number of waits whose end does not depend on this process.
    waits: AtomicUsize,
    step_max: Duration,
}

impl Pulse {
    /// The pulse of a project whose calls take at most `call_max`.
    pub(super) fn new(call_max: Duration) -> Self {
        Self {
            stepped_at: Mutex::new(Instant::now()),
            waits: AtomicUsize::new(0),
            step_max: STEP_MAX.max(call_max * 2),
        }
    }

    /// Notes that a call was answered, something was stored, or a round ended.
    pub(super) fn step(&self) {
        *self.stepped_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits for something that does not depend on this process, such as a schedule, the vendor or
    /// another process.
    pub(super) async fn wait<T>(&self, waiting: impl Future<Output = T>) -> T {
        let _wait = Wait::begin(self);
        waiting.await
    }

    /// Whether the work has taken a step since then, or waits.
    pub fn moves_since(&self, since: Instant) -> bool {
        let stepped_at = *self.stepped_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.waits.load(Relaxed) > 0 || stepped_at >= since
    }

    /// Whether the work continues or waits.
    pub fn is_alive(&self, now: Instant) -> bool {
        let stepped_at = *self.stepped_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.waits.load(Relaxed) > 0 || now.saturating_duration_since(stepped_at) < self.step_max
    }
}

/// Pauses of a project that end with the program.
#[derive(Debug, Clone)]
pub(super) struct Pauses {
    pub(super) stop: CancellationToken,
    pub(super) pulse: Arc<Pulse>,
}

impl Pauses {
    /// Waits for this time, or until the program has to end. Returns whether the program goes on.
    pub(super) async fn pause(&self, time: Duration) -> bool {
        self.pulse.wait(pause(&self.stop, time)).await
    }
}

/// A wait. Its end is a step.
struct Wait<'a>(&'a Pulse);

impl<'a> Wait<'a> {
    fn begin(pulse: &'a Pulse) -> Self {
        pulse.waits.fetch_add(1, Relaxed);
        Self(pulse)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.step();
        self.0.waits.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin, task::Poll};

    use super::*;

    #[test]
    fn work_without_steps_is_stuck_unless_it_waits() {
        let pulse = Pulse::new(Duration::from_mins(1));
        let start = Instant::now();
        assert!(pulse.is_alive(start + STEP_MAX - Duration::from_secs(1)));
        let later = start + STEP_MAX + Duration::from_secs(1);
        assert!(!pulse.is_alive(later));
        {
            let mut waiting = pin!(pulse.wait(pending::<()>()));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
            assert!(pulse.is_alive(later + STEP_MAX));
        }
        assert!(!pulse.is_alive(Instant::now() + STEP_MAX), "the wait has ended");
        let slow = Pulse::new(STEP_MAX);
        assert!(slow.is_alive(Instant::now() + STEP_MAX), "a call may take this long");
    }
}
