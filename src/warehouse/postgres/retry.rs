//! Retries transactions while PostgreSQL is unavailable, so that received items are not lost (I11).

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    error::{WarehouseError, WarehouseRemedy},
    unreachable::Unreachable,
};

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
    /// When PostgreSQL stopped answering.
    away_since: Arc<Mutex<Option<Instant>>>,
    /// Set once the program has to end.
    shutdown_deadline: Arc<OnceLock<Instant>>,
}

impl RetryPolicy {
    /// Retries for `patience` from the beginning of an outage, or without limit if it is `None`.
    /// `stop` is cancelled when the program has to end.
    pub(super) fn new(stop: CancellationToken, patience: Option<Duration>) -> Self {
        Self { stop, patience, away_since: Arc::default(), shutdown_deadline: Arc::default() }
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

    fn note_answer(&self) {
        *self.away_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn has_time(&self) -> bool {
        let mut away_since = self.away_since.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *away_since.get_or_insert_with(Instant::now);
        self.patience.is_none_or(|patience| since.elapsed() < patience)
    }
}
