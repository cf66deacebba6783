//! Deletes old runs, passes, detail calls and budgets. They are a log, which must not grow without
//! limit.

use super::budget;
use crate::warehouse::postgres::{
    error::{Doing as _, WarehouseError},
    pool::Warehouse,
};

/// Retention of runs and passes after their end, in days.
const KEPT_DAYS: i32 = 90;

/// Maximum number of runs, and of passes, deleted at a time.
const STEP: i64 = 500;

/// Retention of detail calls, in days.
const CALLS_KEPT_DAYS: i32 = 30;

/// Maximum number of detail calls deleted at a time: they are many and small.
const CALLS_STEP: i64 = 20_000;

impl Warehouse {
    /// Deletes some of the runs and passes that ended more than 90 days ago, oldest first. Returns
    /// their number. Detail calls are deleted after 30 days, and the budgets and rates of keys 40
    /// days after the last call.
    ///
    /// Passes that coverage refers to are kept. So are unsuccessful passes whose days no later pass
    /// has covered, and passes of a backfill that has not ended.
    pub async fn forget_what_ended_long_ago(&self) -> Result<i64, WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "delete from argos_sync.detail_call where ctid = any(array(
                    select ctid from argos_sync.detail_call
                    where called_at < argos_sync.clock() - make_interval(days => $1) limit $2))",
                CALLS_KEPT_DAYS,
                CALLS_STEP,
            )
            .execute(&self.pool)
            .await
            .doing("deleting old detail calls")?;
            sqlx::query!(
                "with budgets as (
                    delete from argos_sync.key_budget
                    where day < (argos_sync.clock() at time zone 'utc')::date - $1::integer)
                 delete from argos_sync.key_rate
                 where free_at < argos_sync.clock() - make_interval(days => $1)",
                budget::KEPT_DAYS,
            )
            .execute(&self.pool)
            .await
            .doing("deleting old budgets")?;
            sqlx::query_scalar!(
                r#"with
                 old_run as materialized (
                    select run_id from argos_sync.run
                    where ended_at < argos_sync.clock() - make_interval(days => $1)
                    order by ended_at limit $2 for update skip locked),
                 counters as (delete from argos_sync.run_counter using old_run
                     where run_counter.run_id = old_run.run_id),
                 runs as (
                    delete from argos_sync.run using old_run
                    where run.run_id = old_run.run_id returning 1),
                 old_pass as materialized (
                    select pass_id from argos_sync.pass
                    where ended_at < argos_sync.clock() - make_interval(days => $1)
                      and not exists (select from argos_sync.coverage
                          where coverage.pass_id = pass.pass_id)
                      and (state not in ('blocked', 'empty_unverified') or exists (
                        select from argos_sync.coverage
                        where coverage.project = pass.project and coverage.stream = pass.stream
                          and coverage.day = pass.window_from
                          and coverage.as_of >= pass.started_at))
                      and not exists (
                        select from argos_sync.backfill
                        where backfill.backfill_id = pass.backfill_id and backfill.ended_at is null)
                    order by ended_at limit $2 for update skip locked),
                 passes as (
                    delete from argos_sync.pass using old_pass
                    where pass.pass_id = old_pass.pass_id returning 1)
                 select (select count(*) from runs) + (select count(*) from passes)
                     as "forgotten!""#,
                KEPT_DAYS,
                STEP,
            )
            .fetch_one(&self.pool)
            .await
            .doing("deleting old runs")
        })
        .await
    }
}
