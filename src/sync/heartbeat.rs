//! Heartbeats that distinguish a working process from one that was killed.

use std::{convert::Infallible, time::Duration};

use tokio::time::{sleep, timeout};

/// Runs the work with periodic heartbeats.
///
/// A heartbeat that hangs or fails blocks nothing and is not retried, because the next one is due
/// soon. The last one ends with the work.
pub(super) async fn with_heartbeat<T>(
    every: Duration,
    work: impl Future<Output = T>,
    beat: impl AsyncFn(),
) -> T {
    tokio::select! {
        biased;
        done = work => done,
        never = beat_for_ever(every, beat) => match never {},
    }
}

async fn beat_for_ever(every: Duration, beat: impl AsyncFn()) -> Infallible {
    loop {
        sleep(every).await;
        let _too_slow = timeout(every, beat()).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn it_beats_again_and_again_until_the_work_is_done() {
        let beats = Semaphore::new(0);
        let work = async { beats.acquire_many(3).await.is_ok() };
        assert!(with_heartbeat(SOON, work, async || beats.add_permits(1)).await);
    }

    #[tokio::test]
    async fn a_beat_that_hangs_holds_up_neither_the_work_nor_the_next_beat() {
        let begun = Semaphore::new(0);
        let work = async { begun.acquire_many(2).await.is_ok() };
        let hanging = async || {
            begun.add_permits(1);
            std::future::pending::<()>().await;
        };
        assert!(with_heartbeat(SOON, work, hanging).await);
    }

    #[tokio::test]
    async fn work_that_is_done_waits_for_no_beat() {
        let never = Duration::from_hours(1);
        assert_eq!(with_heartbeat(never, async { "done" }, async || {}).await, "done");
    }
}
