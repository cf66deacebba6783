//! Admits HTTP attempts: takes a call from the lane's budget, waits for its time, and draws the
//! read number that orders its results.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use tokio::{sync::Mutex, time::Instant};
use tracing::debug;

use super::{call_block::CallBlock, key_pace::KeyPace};
use crate::{
    client::{Admission, AttemptReport, CallLimiter, LimiterClosed},
    domain::{GrantedRate, Lane, ProjectName, Spending},
    metrics,
    planner::Budget,
    sync::pulse::Pauses,
    warehouse::{BlockRequest, Taken, Warehouse, WarehouseError, WarehouseRemedy},
};

/// While PostgreSQL does not answer, no call is made, because nothing could be stored.
///
/// The limiter waits this long for PostgreSQL, since a broken connection is soon replaced. It then
/// closes for the same time.
const CLOSED_FOR: Duration = Duration::from_secs(5);
const DELAY_MIN: Duration = Duration::from_millis(50);

/// The limiter of a paused project is closed for this time: longer than a command waits for it.
const PAUSED_FOR: Duration = Duration::from_mins(5);

/// A pause of the vendor up to this length is waited for; during a longer one, the limiter is
/// closed.
const PAUSE_WAITED_FOR: Duration = Duration::from_secs(10);

/// The limiter of one lane of a project.
#[derive(Debug)]
pub(in crate::sync) struct LaneLimiter {
    warehouse: Warehouse,
    pauses: Pauses,
    pace: Arc<KeyPace>,
    lane: Lane,
    budget: Budget,
    call_block: Mutex<CallBlock>,
    /// Calls that were used and not made, to be put back.
    not_made: AtomicU32,
}

/// One call of the budget. If dropped before the call is made, it can be used again.
struct Permit<'a> {
    granted: GrantedRate,
    not_made: &'a AtomicU32,
    is_made: bool,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.is_made {
            self.not_made.fetch_add(1, Relaxed);
        }
    }
}

impl LaneLimiter {
    pub(in crate::sync) fn new(
        warehouse: Warehouse,
        pauses: Pauses,
        pace: Arc<KeyPace>,
        lane: Lane,
        budget: Budget,
    ) -> Self {
        Self {
            // The limiter closes instead of waiting for PostgreSQL.
            warehouse: warehouse.without_retries(),
            pauses,
            pace,
            lane,
            budget,
            call_block: Mutex::new(CallBlock::new()),
            not_made: AtomicU32::new(0),
        }
    }

    /// Gives back the calls that the lane holds and will not use. If that fails, they count as
    /// made.
    pub(in crate::sync) async fn give_back(
        &self,
        warehouse: &Warehouse,
    ) -> Result<(), WarehouseError> {
        let mut call_block = self.call_block.lock().await;
        call_block.put_back(self.not_made.swap(0, Relaxed));
        let Some(unused) = call_block.return_unused() else { return Ok(()) };
        let key = self.pace.key(warehouse).await?;
        warehouse.give_calls_back(key, self.lane, unused).await
    }

    /// Waits until the next call of the lane may be made.
    async fn permit(&self) -> Result<Permit<'_>, LimiterClosed> {
        let (slot, permit) = {
            let mut call_block = self.call_block.lock().await;
            call_block.put_back(self.not_made.swap(0, Relaxed));
            let slot = loop {
                match call_block.take_slot(Instant::now()) {
                    Some(slot) => break slot,
                    None => self.take_block(&mut call_block).await?,
                }
            };
            let granted = slot.granted;
            (slot.at, Permit { granted, not_made: &self.not_made, is_made: false })
        };
        let wait = slot.saturating_duration_since(Instant::now());
        if wait.is_zero() || self.pauses.pause(wait).await { Ok(permit) } else { Err(ending()) }
    }

    async fn take_block(&self, call_block: &mut CallBlock) -> Result<(), LimiterClosed> {
        // Given back only once, because a transaction without an answer may have been committed.
        let mut unused = call_block.return_unused();
        let wanted = call_block.next_size();
        let mut feedback = self.pace.take();
        let key = self.patiently(|| self.pace.key(&self.warehouse)).await?;
        loop {
            let taken = self.patiently(|| {
                let (project, lane, unused, pause) =
                    (&self.pace.project, self.lane, unused.take(), feedback.pause(Instant::now()));
                let (report, request) =
                    (feedback.report, BlockRequest { project, key, lane, unused, pause });
                self.warehouse.take_calls(request, move |stored| {
                    self.pace.decide(&self.budget, (lane, wanted), &report, &stored)
                })
            });
            let taken = match taken.await {
                Ok(taken) => taken,
                Err(closed) => {
                    self.pace.put_back(&feedback);
                    return Err(closed);
                }
            };
            match taken {
                Taken::Calls(block) => {
                    call_block.hold(&block, Instant::now());
                    return Ok(());
                }
                Taken::ProjectPaused => return Err(project_paused(&self.pace.project)),
                Taken::UsedUp { spending, at } => return Err(self.used_up(&spending, at)),
                Taken::Paused { left, until } => {
                    let left = left.to_std().unwrap_or_default();
                    if left > PAUSE_WAITED_FOR {
                        return Err(paused(left, until));
                    }
                    if !self.pauses.pause(left).await {
                        return Err(ending());
                    }
                    feedback = self.pace.take();
                }
            }
        }
    }

    /// Stores a pause for other processes and for the next start.
    async fn store_pause(&self, wait: Duration) -> Result<(), WarehouseError> {
        let key = self.pace.key(&self.warehouse).await?;
        self.warehouse.pause_key(key, TimeDelta::from_std(wait).unwrap_or_default()).await
    }

    fn used_up(&self, spending: &Spending, at: DateTime<Utc>) -> LimiterClosed {
        let seconds = self.budget.seconds_until_more(spending, self.lane);
        // Rounded up, because the time is shown in minutes and must not be too early.
        let from = at + TimeDelta::seconds(i64::from(seconds) + 59);
        let reason = format!(
            "lane `{}` has spent its share of today's {} calls; next calls at {} UTC",
            self.lane,
            self.budget.calls_per_day,
            from.format("%H:%M"),
        );
        let not_before = Some(Duration::from_secs(seconds.into()));
        LimiterClosed { reason, not_before, is_planned: true }
    }

    /// Runs a query, and retries it for a while if that may help.
    async fn patiently<T, F: Future<Output = Result<T, WarehouseError>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, LimiterClosed> {
        let end = Instant::now() + CLOSED_FOR;
        let mut delay = DELAY_MIN;
        loop {
            if self.pauses.stop.is_cancelled() {
                return Err(ending());
            }
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.remedy() != WarehouseRemedy::Retry || Instant::now() + delay >= end {
                return Err(LimiterClosed {
                    reason: error.to_string(),
                    not_before: Some(CLOSED_FOR),
                    is_planned: false,
                });
            }
            self.pauses.pause(delay).await;
            delay *= 2;
        }
    }
}

impl CallLimiter for LaneLimiter {
    fn acquire<'a>(
        &'a self,
        is_paused: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Admission>, LimiterClosed>> {
        Box::pin(async move {
            let asked_at = Instant::now();
            let mut permit = self.permit().await?;
            metrics::count_throttle(&self.pace.project, self.lane, asked_at.elapsed());
            if is_paused() {
                return Ok(None);
            }
            let read = self.patiently(|| self.warehouse.draw_read_number()).await?;
            permit.is_made = true;
            Ok(Some(Admission { read, granted: permit.granted }))
        })
    }

    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let waiting = self.pauses.pulse.wait(tokio::time::sleep(time));
            waiting.await;
            metrics::count_throttle(&self.pace.project, self.lane, time);
        })
    }

    fn note<'a>(&'a self, admission: &'a Admission, attempt: AttemptReport) -> BoxFuture<'a, ()> {
        let AttemptReport { outcome, wait, status, took, is_retry } = attempt;
        self.pace.note(admission, outcome, wait, Instant::now());
        metrics::count_attempt(&self.pace.project, self.lane, status, took, is_retry);
        self.pauses.pulse.step();
        Box::pin(async move {
            // The next block stores it if this fails. But no block may be taken before the restart.
            if let Some(wait) = wait
                && let Err(error) = self.store_pause(wait).await
            {
                debug!(%error, "could not store the pause that the vendor asked for");
            }
        })
    }
}

fn paused(left: Duration, until: DateTime<Utc>) -> LimiterClosed {
    // Rounded up, as in `used_up`.
    let until = (until + TimeDelta::seconds(59)).format("%H:%M");
    let reason = format!("the vendor asked for a pause; next calls at {until} UTC");
    LimiterClosed { reason, not_before: Some(left), is_planned: true }
}

fn project_paused(project: &ProjectName) -> LimiterClosed {
    let reason = format!("the project is paused; `argos-sync resume {project}` continues");
    LimiterClosed { reason, not_before: Some(PAUSED_FOR), is_planned: true }
}

fn ending() -> LimiterClosed {
    let reason = "the program is stopping".to_owned();
    LimiterClosed { reason, not_before: None, is_planned: true }
}
