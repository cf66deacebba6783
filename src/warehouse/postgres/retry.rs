//! Retries transactions while PostgreSQL is unavailable, so that received items are not lost (I11).

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    error::{WarehouseError, WarehouseRemedy},
    unreachable::Unreachable,
};
use crate::metrics;

/// Time for storing received items once the program has to end, over all transactions. With
/// everything else, the program ends within ten seconds.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(7);
/// Time that a transaction gets after that, since an earlier one may have been stuck although
/// PostgreSQL works.
const MIN_ATTEMPT_TIME: Duration = Duration::from_millis(300);
/// Time limit of an attempt. A transaction takes a fraction of it. Without it, a server that
/// vanished without closing its connections would be waited for forever.
const ATTEMPT_TIME: Duration = Duration::from_mins(3);
const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);

/// Retry policy of transactions. Clones share the state of the outage.
#[derive(Debug, Clone)]
pub(super) struct RetryPolicy {
    stop: CancellationToken,
    /// Time from the beginning of an outage; `None` means no limit.
    patience: Option<Duration>,
    /// Set while PostgreSQL does not answer.
    outage: Arc<Mutex<Option<Outage>>>,
    /// Set once the program has to end.
    shutdown_deadline: Arc<OnceLock<Instant>>,
}

/// An outage of PostgreSQL.
#[derive(Debug, Clone, Copy)]
struct Outage {
    began: Instant,
    /// The end of the last attempt.
    tried: Instant,
}

impl RetryPolicy {
    /// Retries for `patience` from the beginning of an outage, or without limit if it is `None`.
    /// `stop` is cancelled when the program has to end.
    pub(super) fn new(stop: CancellationToken, patience: Option<Duration>) -> Self {
        Self { stop, patience, outage: Arc::default(), shutdown_deadline: Arc::default() }
    }

    /// Returns the same policy without a time limit.
    pub(super) fn without_end(self) -> Self {
        Self { patience: None, ..self }
    }

    /// Runs a transaction until it succeeds, fails permanently, or the time for retries is over.
    ///
    /// The time counts from the beginning of the outage, over all transactions of this process.
    ///
    /// Returns [`WarehouseError::NoTime`] if the program has to end and PostgreSQL did not complete
    /// the transaction in time.
    pub(super) async fn run<T>(
        &self,
        mut transaction: impl AsyncFnMut() -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        let trying = async {
            let mut delay = DELAY_MIN;
            loop {
                let error = match tokio::time::timeout(ATTEMPT_TIME, transaction()).await {
                    Ok(Ok(value)) => {
                        self.note_answer();
                        return Ok(value);
                    }
                    Ok(Err(error)) => error,
                    Err(_elapsed) => WarehouseError::Connection {
                        doing: "waiting for PostgreSQL",
                        cause: Unreachable::Silent,
                    },
                };
                if error.remedy() != WarehouseRemedy::Retry || !self.has_time() {
                    return Err(error);
                }
                let advice = error.advice();
                metrics::count_database_retry();
                warn!(%error, advice, delay_ms = delay.as_millis(), "write failed, retrying");
                tokio::time::sleep(delay).await;
                delay =
                    (delay * 2).min(if self.stop.is_cancelled() { DELAY_MIN } else { DELAY_MAX });
            }
        };
        self.once(trying).await
    }

    /// Runs a transaction that must not run twice.
    ///
    /// Returns [`WarehouseError::NoTime`] as [`Self::run`] does.
    pub(super) async fn once<T>(
        &self,
        transaction: impl Future<Output = Result<T, WarehouseError>>,
    ) -> Result<T, WarehouseError> {
        tokio::select! {
            result = transaction => result,
            () = self.shutdown() => Err(WarehouseError::NoTime),
        }
    }

    /// Returns once the program has to end and the time for PostgreSQL is over.
    async fn shutdown(&self) {
        self.stop.cancelled().await;
        let deadline = *self.shutdown_deadline.get_or_init(|| Instant::now() + SHUTDOWN_GRACE);
        tokio::time::sleep_until(deadline.max(Instant::now() + MIN_ATTEMPT_TIME)).await;
    }

    /// Whether transactions are being retried during an outage of PostgreSQL.
    pub(super) fn waits(&self, now: Instant) -> bool {
        let outage = *self.outage();
        outage.is_some_and(|outage| {
            now.saturating_duration_since(outage.tried) < ATTEMPT_TIME + DELAY_MAX
        })
    }

    fn note_answer(&self) {
        *self.outage() = None;
    }

    /// Notes a failed attempt. Returns whether there is time for another one.
    fn has_time(&self) -> bool {
        let now = Instant::now();
        let mut outage = self.outage();
        let outage = outage.get_or_insert(Outage { began: now, tried: now });
        outage.tried = now;
        self.patience.is_none_or(|patience| now - outage.began < patience)
    }

    fn outage(&self) -> MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
