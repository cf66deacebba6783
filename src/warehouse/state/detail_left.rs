//! Remaining detail calls: their number, their holders, and the time until the next one.

use std::time::Duration;

use sqlx::PgConnection;

use super::lease::HeldDetail;
use crate::{
    domain::Window,
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
        },
        scope::Scope,
    },
};

/// Maximum number of ids read at a time.
const IDS_MAX: i64 = 10_000;

/// Up to this number, all due detail calls of a stream are compared with the requested days. Above
/// it, the records of these days are looked up among the due calls.
const FEW: i64 = 10_000;

/// Remaining detail calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetailsLeft {
    /// Number of due calls that no process has claimed.
    pub free: i64,
    /// Number of due calls that a process has claimed.
    pub claimed: i64,
    /// Number of calls that failed before and are due again later.
    pub later: i64,
    /// The time until the first of the later calls.
    pub next: Option<Duration>,
    /// Records whose call is free, newest days first, at most 10,000. Set only if days were
    /// requested.
    pub ids: Vec<String>,
    /// One claimed call of each holder, if no call is free.
    pub held_by: Vec<HeldDetail>,
}

impl DetailsLeft {
    /// The number of remaining calls.
    pub fn count(&self) -> i64 {
        self.free + self.claimed + self.later
    }
}

impl Warehouse {
    /// Returns the detail calls that are due now or are retried within `within`. Covers all
    /// records, or those of `days`. Calls that are scheduled for later on purpose do not count.
    pub async fn details_left(
        &self,
        scope: &Scope,
        days: Option<Window>,
        within: Duration,
    ) -> Result<DetailsLeft, WarehouseError> {
        self.retry(async || match days {
            None => self.all_left(scope, within).await,
            Some(days) => self.left_of_days(scope, days, within).await,
        })
        .await
    }

    async fn all_left(
        &self,
        scope: &Scope,
        within: Duration,
    ) -> Result<DetailsLeft, WarehouseError> {
        let row = sqlx::query!(
            r#"select count(*) filter (where due_at <= now and expires_at <= now) as "free!",
                count(*) filter (where due_at <= now and expires_at > now) as "claimed!",
                count(*) filter (where due_at > now) as "later!",
                extract(epoch from min(due_at - now) filter (where due_at > now))::float8 as next
             from (select argos_sync.clock() as now offset 0) as clock
             join argos_sync.detail_due on project = $1 and stream = $2
                and due_at <= now + make_interval(secs => $3) and (due_at <= now or failures > 0)"#,
            scope.project.as_str(),
            scope.stream.as_str(),
            within.as_secs_f64(),
        )
        .fetch_one(&self.pool)
        .await
        .doing("counting the due detail calls")?;
        let is_held = row.free == 0 && row.claimed > 0;
        Ok(DetailsLeft {
            free: row.free,
            claimed: row.claimed,
            later: row.later,
            next: row.next.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            ids: Vec::new(),
            held_by: if is_held { self.held_details(scope).await? } else { Vec::new() },
        })
    }

    async fn left_of_days(
        &self,
        scope: &Scope,
        days: Window,
        within: Duration,
    ) -> Result<DetailsLeft, WarehouseError> {
        let doing = "counting the due detail calls of some days";
        // Only one plan is good for its look-ups.
        let mut transaction = self.begin_writing(doing).await?;
        let are_few = sqlx::query_scalar!(
            r#"select count(*) <= $3::bigint as "are_few!" from (
                select from argos_sync.detail_due where project = $1 and stream = $2
                order by id limit $3::bigint + 1) as due"#,
            scope.project.as_str(),
            scope.stream.as_str(),
            FEW,
        )
        .fetch_one(&mut *transaction)
        .await
        .doing(doing)?;
        let row = sqlx::query!(
            r#"with clock as materialized (select argos_sync.clock() as now),
             due as materialized (
                select due.id, window_day, due_at, expires_at, failures
                from argos_sync.detail_due as due
                cross join lateral (
                    select window_day from argos_sync.record
                    where project = $1 and stream = $2 and id = due.id offset 0) as stored
                where $7 and project = $1 and stream = $2 and window_day >= $4 and window_day < $5
                union all
                select due.id, window_day, due_at, expires_at, failures
                from argos_sync.record as stored
                cross join lateral (
                    select id, due_at, expires_at, failures from argos_sync.detail_due
                    where project = $1 and stream = $2 and id = stored.id offset 0) as due
                where not $7 and project = $1 and stream = $2
                    and window_day >= $4 and window_day < $5),
             waiting as materialized (
                select due.*, now from due cross join clock
                where due_at <= now + make_interval(secs => $3) and (due_at <= now or failures > 0))
             select count(*) filter (where due_at <= now and expires_at <= now) as "free!",
                count(*) filter (where due_at <= now and expires_at > now) as "claimed!",
                count(*) filter (where due_at > now) as "later!",
                extract(epoch from min(due_at - now) filter (where due_at > now))::float8 as next,
                array(
                    select id from waiting where due_at <= now and expires_at <= now
                    order by window_day desc, id limit $6) as "ids!",
                array(
                    select id from waiting where due_at <= now and expires_at > now
                    limit $6) as "held_ids!"
             from waiting"#,
            scope.project.as_str(),
            scope.stream.as_str(),
            within.as_secs_f64(),
            days.from(),
            days.to(),
            IDS_MAX,
            are_few,
        )
        .fetch_one(&mut *transaction)
        .await
        .doing(doing)?;
        let held_by = if row.free == 0 && row.claimed > 0 {
            holders_of(&mut transaction, scope, &row.held_ids).await?
        } else {
            Vec::new()
        };
        transaction.commit().await.doing(doing)?;
        Ok(DetailsLeft {
            free: row.free,
            claimed: row.claimed,
            later: row.later,
            next: row.next.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            ids: row.ids,
            held_by,
        })
    }

    /// Returns one claimed detail call of each holder.
    async fn held_details(&self, scope: &Scope) -> Result<Vec<HeldDetail>, WarehouseError> {
        sqlx::query_as!(
            HeldDetail,
            r#"select distinct on (holder) id, holder as "holder!", fence from argos_sync.detail_due
             where project = $1 and stream = $2 and due_at <= argos_sync.clock()
               and expires_at > argos_sync.clock() and holder is not null
             order by holder, fence"#,
            scope.project.as_str(),
            scope.stream.as_str(),
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading who makes detail calls")
    }

    /// Releases detail calls that a process has claimed and does not make.
    pub async fn free_details(&self, scope: &Scope, holder: &str) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "update argos_sync.detail_due set expires_at = '-infinity', fence = 0, holder = null
                 where project = $1 and stream = $2 and holder = $3",
                scope.project.as_str(),
                scope.stream.as_str(),
                holder,
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("releasing detail calls")
        })
        .await
    }
}

/// Returns one claimed detail call among these records for each holder.
async fn holders_of(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[String],
) -> Result<Vec<HeldDetail>, WarehouseError> {
    sqlx::query_as!(
        HeldDetail,
        r#"select distinct on (due.holder) due.id, due.holder as "holder!", due.fence
           from unnest($3::text[]) as given (id)
           cross join lateral (
                select id, holder, fence, expires_at from argos_sync.detail_due
                where project = $1 and stream = $2 and id = given.id offset 0) as due
           where due.expires_at > argos_sync.clock() and due.holder is not null
           order by due.holder, due.fence"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        ids,
    )
    .fetch_all(connection)
    .await
    .doing("reading who makes detail calls")
}
