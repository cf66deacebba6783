//! Compares PostgreSQL's clock with other clocks, and repairs stored times after it was set back.

use chrono::{DateTime, TimeDelta, Utc};

use super::claim::LEASE_SECONDS;
use crate::{
    domain::{Clocks, ProjectName},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// A clock that goes back by less than this was adjusted slightly and had not been wrong.
const TOLERATED: TimeDelta = TimeDelta::minutes(1);

/// Smaller changes of the vendor's clock difference are not stored, in seconds.
const VENDOR_CHANGE_MIN: f64 = 60.0;

/// PostgreSQL's clock was ahead and has been set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetBack {
    /// The minimum difference.
    pub by: TimeDelta,
}

impl Warehouse {
    /// Returns the time by PostgreSQL's clock, this machine's clock and the vendor's clock.
    ///
    /// `host` reads this machine's clock. It is called once a connection is available, so that
    /// waiting for one does not count. `vendor` is the vendor's time if this process has received
    /// it; otherwise the last stored difference is used.
    pub async fn clocks(
        &self,
        project: &ProjectName,
        host: impl Fn() -> DateTime<Utc>,
        vendor: Option<DateTime<Utc>>,
    ) -> Result<Clocks, WarehouseError> {
        self.retry(async || {
            let doing = "comparing clocks";
            let mut connection = self.pool.acquire().await.doing(doing)?;
            let row = sqlx::query!(
                r#"select argos_sync.clock() as "database!",
                    argos_sync.clock() + argos_sync.clock_ahead($2) as "host!",
                    argos_sync.clock() + coalesce(argos_sync.clock_ahead($3),
                        make_interval(secs => (
                            select vendor_ahead_seconds from argos_sync.project
                            where project = $1))) as vendor"#,
                project.as_str(),
                host(),
                vendor,
            )
            .fetch_one(&mut *connection)
            .await
            .doing(doing)?;
            Ok(Clocks { database: row.database, host: row.host, vendor: row.vendor })
        })
        .await
    }

    /// Returns the clocks of every project, with the last stored difference of the vendor's clock.
    pub async fn all_clocks(
        &self,
        host: impl FnOnce() -> DateTime<Utc>,
    ) -> Result<Vec<(String, Clocks)>, WarehouseError> {
        let doing = "comparing clocks";
        let mut connection = self.pool.acquire().await.doing(doing)?;
        let rows = sqlx::query!(
            r#"select project, argos_sync.clock() as "database!",
                argos_sync.clock() + argos_sync.clock_ahead($1) as "host!",
                argos_sync.clock() + make_interval(secs => vendor_ahead_seconds) as vendor
               from argos_sync.project order by project"#,
            host(),
        )
        .fetch_all(&mut *connection)
        .await
        .doing(doing)?;
        let clocks = rows.into_iter().map(|row| {
            (row.project, Clocks { database: row.database, host: row.host, vendor: row.vendor })
        });
        Ok(clocks.collect())
    }

    /// Stores the difference between the vendor's clock and PostgreSQL's if it has changed.
    pub async fn note_vendor_clock(
        &self,
        project: &ProjectName,
        clocks: &Clocks,
    ) -> Result<(), WarehouseError> {
        self.retry(async || {
            let Some(vendor) = clocks.vendor else { return Ok(()) };
            sqlx::query!(
                "update argos_sync.project set vendor_ahead_seconds = $2
                 where project = $1 and (vendor_ahead_seconds is null
                     or abs(vendor_ahead_seconds - $2) >= $3)",
                project.as_str(),
                (vendor - clocks.database).as_seconds_f64(),
                VENDOR_CHANGE_MIN,
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("storing the vendor's clock")
        })
        .await
    }

    /// Compares PostgreSQL's clock with the latest time recorded by any run. If it was set back,
    /// moves later times back so that no work waits for them. Days read by the wrong clock count as
    /// never read.
    pub async fn note_clock(&self) -> Result<Option<SetBack>, WarehouseError> {
        self.retry(async || {
            let doing = "comparing PostgreSQL's clock with earlier runs";
            let mut transaction = self.begin(doing).await?;
            let mark = sqlx::query!(
                r#"insert into argos_sync.clock_mark as stored (seen_at) values (argos_sync.clock())
                   on conflict (is_only) do update set seen_at = stored.seen_at
                   returning seen_at, argos_sync.clock() as "now!""#
            )
            .fetch_one(&mut *transaction)
            .await
            .doing(doing)?;
            let by = mark.seen_at - mark.now;
            let set_back = (by > TOLERATED).then_some(SetBack { by });
            if set_back.is_some() {
                take_back(&mut transaction, mark.now, by).await?;
            }
            if set_back.is_some() || by < TimeDelta::zero() {
                sqlx::query!("update argos_sync.clock_mark set seen_at = $1", mark.now)
                    .execute(&mut *transaction)
                    .await
                    .doing(doing)?;
            }
            transaction.commit().await.doing(doing)?;
            Ok(set_back)
        })
        .await
    }
}

/// Moves back every time that is ahead of the corrected clock and would delay work. `least` would
/// turn a time that is null into that of the clock.
async fn take_back(
    connection: &mut sqlx::PgConnection,
    now: DateTime<Utc>,
    by: TimeDelta,
) -> Result<(), WarehouseError> {
    let by = by.as_seconds_f64();
    sqlx::query!(
        "with
         -- The epoch: never read, and still a day that the warehouse holds.
         days as (update argos_sync.coverage set as_of = 'epoch' where as_of > $1),
         projects as (
            update argos_sync.project
            set unfiltered_as_of = case when unfiltered_as_of <= $1 then unfiltered_as_of end,
                detail_cycle_started_at =
                    case when detail_cycle_started_at > $1 then $1 else detail_cycle_started_at end
            where unfiltered_as_of > $1 or detail_cycle_started_at > $1),
         -- What a person decided is as good as long as it would have been.
         decisions as (
            update argos_sync.deletion_decision
            set decided_at = $1, expires_at = expires_at - make_interval(secs => $2)
            where decided_at > $1),
         passes as (
            update argos_sync.pass
            set state = 'dropped', ended_at = $1, last_error = 'the clock was set back'
            where state = 'open' and (started_at > $1 or advanced_at > $1)),
         claims as (
            update argos_sync.claim set expires_at = $1 + make_interval(secs => $3)
            where expires_at > $1 + make_interval(secs => $3)),
         runs as (
            update argos_sync.run set expires_at = $1 + make_interval(secs => $3)
            where ended_at is null and expires_at > $1 + make_interval(secs => $3)),
         rates as (
            update argos_sync.key_rate
            set free_at = least(free_at, $1),
                adjusted_at = case when adjusted_at > $1 then $1 else adjusted_at end,
                list_slow_at = case when list_slow_at > $1 then $1 else list_slow_at end,
                detail_slow_at = case when detail_slow_at > $1 then $1 else detail_slow_at end,
                -- No pause is longer than an hour.
                paused_until = case when paused_until > $1 then least(
                    paused_until - make_interval(secs => $2), $1 + interval '1 hour')
                    else paused_until end
            where free_at > $1 or adjusted_at > $1 or paused_until > $1),
         backfills as (
            update argos_sync.backfill set requested_at = $1
            where ended_at is null and requested_at > $1),
         suspects as (
            update argos_sync.suspect
            set absent_at = case when absent_at > $1 then $1 else absent_at end,
                mark_found_at = case when mark_found_at > $1 then $1 else mark_found_at end
            where absent_at > $1 or mark_found_at > $1)
         update argos_sync.detail_due
         set due_at = due_at - make_interval(secs => $2),
            expires_at = least(expires_at, $1 + make_interval(secs => $3))
         where due_at > $1 or expires_at > $1 + make_interval(secs => $3)",
        now,
        by,
        LEASE_SECONDS,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("resetting times")
}
