//! Passes over windows, with their checkpoints.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    backfill_window,
    claim::{self, Claim},
};
use crate::{
    domain::{Cursor, CycleDetector, Day, Digest, Lane},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// Maximum age of a checkpoint in seconds. After that, the pass starts again (contract U8).
const RESUME_SECONDS: f64 = 6.0 * 3600.0;

/// A pass under a claim, and its progress.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The id in logs and tables.
    pub pass_id: i64,
    /// The lane that it currently runs in; another lane may have begun it.
    pub lane: Lane,
    /// When the pass began, by PostgreSQL's clock. Records created later may be missing.
    pub started_at: DateTime<Utc>,
    /// The checkpoint; `None` before the first page.
    pub checkpoint: Option<Checkpoint>,
    /// Number of items received so far.
    pub received: i64,
    /// Number of failures at this checkpoint.
    pub failures: i32,
    /// How often the pass started again because of failures.
    pub restarts: i32,
}

/// The position after the last stored page, where a pass resumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of the last stored page, from 1.
    pub page: u32,
    /// The key of the next page.
    pub cursor: Cursor,
    /// State of the detector that finds cursor cycles across restarts.
    pub cycle: CycleDetector,
}

/// How an open pass ends without covering its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// Its window was split in two; the second half begins on this day.
    Split(Day),
    /// Even a single day keeps failing.
    Blocked,
}

impl GivenUp {
    fn as_str(self) -> &'static str {
        match self {
            Self::Split(_) => "split",
            Self::Blocked => "blocked",
        }
    }
}

impl Warehouse {
    /// Resumes the open pass of the claimed window, or begins one.
    pub async fn open_pass(
        &self,
        claim: &Claim,
        lane: Lane,
        backfill_id: Option<i64>,
    ) -> Result<Pass, WarehouseError> {
        self.retry(async || {
            let doing = "opening a pass";
            let mut transaction = self.begin(doing).await?;
            claim::hold(&mut transaction, claim).await?;
            // A checkpoint that is too old proves nothing about items added or deleted before it.
            sqlx::query!(
                "update argos_sync.pass
                 set state = 'dropped', ended_at = argos_sync.clock(),
                    last_error = 'the checkpoint was too old'
                 where project = $1 and stream = $2 and window_from = $3 and window_to = $4
                   and coalesce(backfill_id, 0) = coalesce($5::bigint, 0)
                   and state = 'open' and page > 0
                   and advanced_at < argos_sync.clock() - make_interval(secs => $6)",
                claim.project.as_str(),
                claim.stream.as_str(),
                claim.window.from(),
                claim.window.to(),
                backfill_id,
                RESUME_SECONDS,
            )
            .execute(&mut *transaction)
            .await
            .doing(doing)?;
            let row = sqlx::query!(
                "insert into argos_sync.pass as open
                    (project, stream, lane, backfill_id, window_from, window_to, filtered, state,
                     fence, started_at, advanced_at)
                 values ($1, $2, $3, $4, $5, $6, $8, 'open', $7, argos_sync.clock(),
                     argos_sync.clock())
                 on conflict (project, stream, window_from, window_to, coalesce(backfill_id, 0))
                     where state = 'open'
                 do update set fence = excluded.fence,
                    started_at = case when open.page = 0 then excluded.started_at
                        else open.started_at end
                 returning pass_id, started_at, page, cursor_id, cursor_date, cycle_anchor,
                    cycle_steps, cycle_limit, received, failures, restarts",
                claim.project.as_str(),
                claim.stream.as_str(),
                lane.as_str(),
                backfill_id,
                claim.window.from(),
                claim.window.to(),
                claim.fence,
                claim.reading.is_filtered(),
            )
            .fetch_one(&mut *transaction)
            .await
            .doing(doing)?;
            transaction.commit().await.doing(doing)?;
            let cursor = row.cursor_id.zip(row.cursor_date);
            let checkpoint = cursor.map(|(id, date)| Checkpoint {
                page: u32::try_from(row.page).unwrap_or_default(),
                cursor: Cursor { id, date },
                cycle: CycleDetector {
                    anchor: row.cycle_anchor.and_then(|anchor| Digest::from_slice(&anchor)),
                    steps: u32::try_from(row.cycle_steps).unwrap_or(u32::MAX),
                    limit: u32::try_from(row.cycle_limit).unwrap_or(u32::MAX),
                },
            });
            Ok(Pass {
                pass_id: row.pass_id,
                lane,
                started_at: row.started_at,
                checkpoint,
                received: row.received,
                failures: row.failures,
                restarts: row.restarts,
            })
        })
        .await
    }

    /// Counts a failure at the checkpoint. `error` is shown to operators and must not contain
    /// personal data.
    pub async fn note_failure(
        &self,
        claim: &Claim,
        pass: &mut Pass,
        error: &str,
    ) -> Result<(), WarehouseError> {
        let failures = self.retry(async || {
            let doing = "storing a failure";
            let mut transaction = self.begin(doing).await?;
            claim::hold(&mut transaction, claim).await?;
            let failures = sqlx::query_scalar!(
                "update argos_sync.pass set failures = failures + 1, last_error = $3
                 where pass_id = $1 and fence = $2 and state = 'open' returning failures",
                pass.pass_id,
                claim.fence,
                error,
            )
            .fetch_optional(&mut *transaction)
            .await
            .doing(doing)?
            .ok_or(WarehouseError::FenceLost)?;
            transaction.commit().await.doing(doing)?;
            Ok(failures)
        });
        pass.failures = failures.await?;
        Ok(())
    }

    /// Drops the checkpoint: the pass starts again from its first page.
    pub async fn restart_pass(&self, claim: &Claim, pass: &mut Pass) -> Result<(), WarehouseError> {
        let restarted = self.retry(async || {
            let doing = "restarting a window";
            let mut transaction = self.begin(doing).await?;
            let now = claim::hold(&mut transaction, claim).await?;
            let restarts = sqlx::query_scalar!(
                "update argos_sync.pass
                 set page = 0, cursor_id = null, cursor_date = null, cycle_anchor = null,
                     cycle_steps = 0, cycle_limit = 0, failures = 0, restarts = restarts + 1,
                     started_at = argos_sync.clock(), advanced_at = argos_sync.clock(),
                     received = 0, in_window = 0
                 where pass_id = $1 and fence = $2 and state = 'open' returning restarts",
                pass.pass_id,
                claim.fence,
            )
            .fetch_optional(&mut *transaction)
            .await
            .doing(doing)?
            .ok_or(WarehouseError::FenceLost)?;
            transaction.commit().await.doing(doing)?;
            Ok((restarts, now))
        });
        (pass.restarts, pass.started_at) = restarted.await?;
        (pass.checkpoint, pass.received, pass.failures) = (None, 0, 0);
        Ok(())
    }

    /// Ends a pass without covering its window.
    pub async fn give_up_pass(
        &self,
        claim: &Claim,
        pass: &Pass,
        why: GivenUp,
    ) -> Result<(), WarehouseError> {
        self.retry(async || {
            let doing = "abandoning a pass";
            let mut transaction = self.begin(doing).await?;
            claim::hold(&mut transaction, claim).await?;
            sqlx::query!(
                "update argos_sync.pass set state = $3, ended_at = argos_sync.clock()
                 where pass_id = $1 and fence = $2 and state = 'open'",
                pass.pass_id,
                claim.fence,
                why.as_str(),
            )
            .execute(&mut *transaction)
            .await
            .doing(doing)?;
            if let GivenUp::Split(middle) = why {
                backfill_window::halve_window(&mut transaction, pass.pass_id, middle).await?;
            }
            transaction.commit().await.doing(doing)
        })
        .await
    }
}

/// The page after which a pass continues.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct Advance<'a> {
    /// The number of the stored page, from 1.
    pub(in crate::warehouse) page: u32,
    /// The position of the next page; `None` at the end of the list.
    pub(in crate::warehouse) next: Option<(&'a Cursor, &'a CycleDetector)>,
    /// The number of items of the page.
    pub(in crate::warehouse) received: i64,
    /// The number of items of the page that were created in the claimed window.
    pub(in crate::warehouse) in_window: i64,
}

/// Advances the checkpoint from page n-1 to page n. Returns [`WarehouseError::CheckpointMoved`] if
/// it is not at page n-1.
pub(in crate::warehouse) async fn advance(
    connection: &mut PgConnection,
    claim: &Claim,
    pass_id: i64,
    Advance { page, next, received, in_window }: Advance<'_>,
) -> Result<(), WarehouseError> {
    let (cursor, cycle) = next.unzip();
    let anchor = cycle.and_then(|cycle| cycle.anchor);
    let moved = sqlx::query!(
        "update argos_sync.pass
         set page = $3, cursor_id = $4, cursor_date = $5, cycle_anchor = $6,
            cycle_steps = $7, cycle_limit = $8, advanced_at = argos_sync.clock(), failures = 0,
            received = received + $9, in_window = in_window + $10
         where pass_id = $1 and fence = $2 and state = 'open' and page = $3 - 1",
        pass_id,
        claim.fence,
        i32::try_from(page).unwrap_or(i32::MAX),
        cursor.map(|cursor| cursor.id.as_str()),
        cursor.map(|cursor| cursor.date.as_str()),
        anchor.as_ref().map(|anchor| &anchor.0[..]),
        cycle.map_or(0, |cycle| i64::from(cycle.steps)),
        cycle.map_or(0, |cycle| i64::from(cycle.limit)),
        received,
        in_window,
    )
    .execute(connection)
    .await
    .doing("moving the checkpoint")?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(WarehouseError::CheckpointMoved { page }) }
}
