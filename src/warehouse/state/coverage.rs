//! The ledger of days that were read completely, and its inputs to planning.

use chrono::{DateTime, Utc};

use super::{backfill::Backfill, claim::Claim, run::RunId};
use crate::{
    domain::{Day, DayState, Ledger, ProjectName, Stream},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// A request to read something: reads that began later satisfy it.
#[derive(Debug, Clone, Copy)]
pub enum ReadRequest<'a> {
    /// The work that is due at the start of a run.
    Run(RunId),
    /// The days of a backfill.
    Backfill(&'a Backfill),
}

struct DayRow {
    day: Day,
    is_past: bool,
    as_of: DateTime<Utc>,
    records: i32,
    unsettled: bool,
    changed_at: Option<DateTime<Utc>>,
    approved_at: Option<DateTime<Utc>>,
}

impl Warehouse {
    /// Reads the ledger of a stream. Leaves out changes older than `recent`.
    pub async fn ledger(
        &self,
        project: &ProjectName,
        stream: Stream,
        recent: chrono::Duration,
    ) -> Result<Ledger, WarehouseError> {
        self.retry(async || {
            let doing = "reading coverage";
            let rows = sqlx::query_as!(
                DayRow,
                r#"select covered.day, covered.as_of <= argos_sync.clock() as "is_past!",
                    covered.as_of, covered.records,
                    unsettled.window_day is not null as "unsettled!", changed.changed_at,
                    decided.approved_at
                 from argos_sync.coverage as covered
                 left join (
                    select distinct window_day from argos_sync.record
                    where project = $1 and stream = $2 and unsettled) as unsettled
                    on unsettled.window_day = covered.day
                 left join (
                    select window_day, max(changed_at) as changed_at from argos_sync.record
                    where project = $1 and stream = $2
                      and changed_at > argos_sync.clock() - make_interval(secs => $3)
                    group by window_day) as changed on changed.window_day = covered.day
                 left join lateral (
                    select max(decided_at) as approved_at
                    from argos_sync.deletion_decision as decision
                    where decision.project = $1 and decision.stream = $2 and approved
                      and expires_at > argos_sync.clock()
                      and window_from <= covered.day and covered.day < window_to) as decided on true
                 where covered.project = $1 and covered.stream = $2
                 order by covered.day"#,
                project.as_str(),
                stream.as_str(),
                recent.as_seconds_f64(),
            )
            .fetch_all(&self.pool)
            .await
            .doing(doing)?;
            let unfiltered_as_of = sqlx::query_scalar!(
                "select unfiltered_as_of from argos_sync.project
                 where project = $1 and unfiltered_as_of <= argos_sync.clock()",
                project.as_str(),
            )
            .fetch_optional(&self.pool)
            .await
            .doing(doing)?
            .flatten();
            let days = rows.into_iter().map(|row| DayState {
                day: row.day,
                // A later time was written by a wrong clock, so the time of the read is unknown.
                as_of: row.is_past.then_some(row.as_of),
                records: u32::try_from(row.records).unwrap_or_default(),
                unsettled: row.unsettled,
                changed_at: row.changed_at,
                approved_at: row.approved_at,
            });
            Ok(Ledger { days: days.collect(), unfiltered_as_of })
        })
        .await
    }

    /// Whether everything in the claim was read since the request.
    pub async fn was_read_since(
        &self,
        claim: &Claim,
        request: ReadRequest<'_>,
    ) -> Result<bool, WarehouseError> {
        let (run, backfill_id) = match request {
            ReadRequest::Run(run) => (Some(run.0), None),
            ReadRequest::Backfill(backfill) => (None, Some(backfill.backfill_id)),
        };
        self.retry(async || {
            sqlx::query_scalar!(
                r#"select coalesce(case when $5 then (
                        select count(*) = $4::date - $3::date from argos_sync.coverage as covered
                        where covered.project = $1 and covered.stream = $2
                          and day >= $3 and day < $4 and covered.fence > request.fence
                          and as_of between request.began_at and argos_sync.clock())
                    else (
                        select unfiltered_fence > request.fence
                            and unfiltered_as_of between request.began_at and argos_sync.clock()
                        from argos_sync.project where project = $1) end, false)
                    as "was_read!"
                   from (
                    select fence, started_at as began_at from argos_sync.run where run_id = $6
                    union all
                    select fence, requested_at from argos_sync.backfill where backfill_id = $7
                   ) as request"#,
                claim.project.as_str(),
                claim.stream.as_str(),
                claim.window.from(),
                claim.window.to(),
                claim.reading.is_filtered(),
                run,
                backfill_id,
            )
            .fetch_one(&self.pool)
            .await
            .doing("checking whether another process was faster")
        })
        .await
    }
}
