//! Records with incomplete list items. Lists do not show changes of the missing parts, so detail
//! calls are scheduled.

use crate::{
    domain::{Day, SparseRecord, Stream},
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::{self, Warehouse},
            sql::count,
        },
        record::{
            observation::Observation,
            usual::{OTHER, SCREENED},
        },
        scope::Scope,
        state::detail_queue::{self, Priority},
        tx::Tx,
    },
};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

/// Most records that a report counts.
const COUNTED_MAX: i32 = 250;

/// Maximum number of records in a transaction.
const STEP: u64 = 1000;

/// Stores the time of detail calls that showed these submissions, changed or not. This is one small
/// update for each call, without history, and consumers receive it as a change. Rows locked by
/// another writer are skipped, because a later call will update them.
pub(in crate::warehouse) async fn note_reads(
    tx: &mut Tx<'_>,
    observations: &[&Observation],
) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let readable = observations.iter().filter_map(|observation| observation.key.as_ref().ok());
    let ids: Vec<&str> = readable.map(|key| key.id.as_str()).collect();
    if scope.stream != Stream::Submission || ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"with found as materialized (
            select stored.place
            from (select distinct id from unnest($2::text[]) as given (id)) as given
            cross join lateral (
                select ctid as place from argos.submission
                where project = $1 and submission_id = given.id
                for update skip locked) as stored)
           update argos.submission as own
           set detail_read_at = $3, change_number = (select argos_sync.change_number())
           from found where own.ctid = found.place"#,
        scope.project.as_str(),
        &ids as &[&str],
        now,
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("storing the times of detail calls")
}

/// The progress of detail calls for records with incomplete list items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawnCalls {
    /// The number of such records, counted within the last hour.
    pub records: u64,
    /// The time up to which calls were scheduled; `None` if none were.
    pub until: Option<DateTime<Utc>>,
    /// The current time by PostgreSQL's clock.
    pub now: DateTime<Utc>,
}

/// The records of a project with incomplete list items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseReport {
    /// The project's name.
    pub project: String,
    /// The number of such records. More than 250 are counted once an hour.
    pub records: i64,
    /// How many of them are due; 251 stands for more than 250.
    pub due: i64,
    /// The last detail call of the record whose next one is due first; `None` if no call is
    /// scheduled or none was recorded.
    pub first_read_at: Option<DateTime<Utc>>,
}

/// Parameters for making detail calls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallDraw {
    /// The maximum number of calls.
    pub count_max: u64,
    /// How long before its scheduled time a record may be read.
    pub ahead: Duration,
    /// The stored time up to which calls were scheduled, as last read. If another process has
    /// changed it, no call is made due.
    pub given_out: Option<DateTime<Utc>>,
}

struct SparseRow {
    id: String,
    window_day: Day,
    unsettled: bool,
    changed_at: Option<DateTime<Utc>>,
    detail_read_at: Option<DateTime<Utc>>,
    detail_next_at: Option<DateTime<Utc>>,
}

impl From<SparseRow> for SparseRecord {
    fn from(row: SparseRow) -> Self {
        Self {
            id: row.id,
            day: row.window_day,
            unsettled: row.unsettled,
            changed_at: row.changed_at,
            read_at: row.detail_read_at,
        }
    }
}

/// A function that returns the next read of a record; its second argument is the current time.
pub(super) type NextRead<'a> = &'a (dyn Fn(&SparseRecord, DateTime<Utc>) -> DateTime<Utc> + Sync);

impl Warehouse {
    /// Counts records with incomplete list items at most once an hour, and reads the progress of
    /// their calls.
    pub async fn sparse_drawn(&self, scope: &Scope) -> Result<DrawnCalls, WarehouseError> {
        self.retry(async || {
            let doing = "counting sparse records";
            sqlx::query!(
                "update argos_sync.project
                 set sparse_counted_at = argos_sync.clock(), sparse_records = (
                    select count(*) from argos_sync.record
                    where record.project = $1 and record.stream = $2 and sparse is not null)
                 where project = $1 and (sparse_counted_at is null
                    or argos_sync.clock() not between sparse_counted_at
                        and sparse_counted_at + interval '1 hour')",
                scope.project.as_str(),
                scope.stream.as_str(),
            )
            .execute(&self.pool)
            .await
            .doing(doing)?;
            let row = sqlx::query!(
                r#"select sparse_records, sparse_drawn_at, argos_sync.clock() as "now!"
                   from argos_sync.project where project = $1"#,
                scope.project.as_str(),
            )
            .fetch_one(&self.pool)
            .await
            .doing(doing)?;
            Ok(DrawnCalls {
                records: u64::try_from(row.sparse_records).unwrap_or_default(),
                until: row.sparse_drawn_at,
                now: row.now,
            })
        })
        .await
    }

    /// Schedules the next read of some records that have none, or whose next read is more than
    /// `too_late` ahead. Runs in one transaction. Returns whether there may be more.
    pub async fn date_sparse(
        &self,
        scope: &Scope,
        too_late: Duration,
        next: NextRead<'_>,
    ) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let doing = "scheduling detail calls";
            let mut transaction = self.begin(doing).await?;
            let now = pool::now(&mut transaction).await?;
            let mut dated = Vec::new();
            for rank in [SCREENED, OTHER] {
                let rows = sqlx::query_as!(
                    SparseRow,
                    r#"select stored.id, stored.window_day, stored.unsettled, stored.changed_at,
                        stored.detail_next_at, own.detail_read_at as "detail_read_at?"
                       from (
                        select id, window_day, unsettled, changed_at, detail_next_at
                        from argos_sync.record
                        where project = $1 and stream = $2 and sparse = $3
                          and (detail_next_at is null or detail_next_at > $5)
                        limit $4 for update skip locked) as stored
                       left join lateral (
                        select detail_read_at from argos.submission
                        where project = $1 and submission_id = stored.id offset 0
                       ) as own on true"#,
                    scope.project.as_str(),
                    scope.stream.as_str(),
                    rank,
                    limit(STEP),
                    now + too_late,
                )
                .fetch_all(&mut *transaction)
                .await
                .doing(doing)?;
                dated.extend(rows.into_iter().map(|row| {
                    let record = SparseRecord::from(row);
                    let at = next(&record, now);
                    (record.id, at)
                }));
            }
            set_next(&mut transaction, scope, &dated).await?;
            transaction.commit().await.doing(doing)?;
            Ok(limit(STEP) <= count(dated.len()))
        })
        .await
    }

    /// Makes detail calls due for records whose time has come or is near, limited to one
    /// transaction. Approved and screened records whose time has come are first; all others follow
    /// by time. Returns their number. `until` returns the time up to which that number of calls is
    /// scheduled.
    pub async fn draw_sparse(
        &self,
        scope: &Arc<Scope>,
        draw: CallDraw,
        next: NextRead<'_>,
        until: &(dyn Fn(u64) -> DateTime<Utc> + Sync),
    ) -> Result<u64, WarehouseError> {
        self.retry(async || {
            let doing = "scheduling detail calls";
            let mut transaction = self.begin(doing).await?;
            let given_out = sqlx::query_scalar!(
                "select sparse_drawn_at from argos_sync.project where project = $1
                 for no key update",
                scope.project.as_str(),
            )
            .fetch_one(&mut *transaction)
            .await
            .doing(doing)?;
            if given_out != draw.given_out {
                return Ok(0);
            }
            let now = pool::now(&mut transaction).await?;
            let count_max = draw.count_max.min(STEP);
            let mut rows = Vec::new();
            for rank in [SCREENED, OTHER] {
                let of_rank = sqlx::query_as!(
                    SparseRow,
                    r#"select id, window_day, unsettled, changed_at,
                           null::timestamptz as detail_read_at, detail_next_at
                       from argos_sync.record
                       where project = $1 and stream = $2 and sparse = $3 and detail_next_at <= $5
                       order by detail_next_at limit $4 for update skip locked"#,
                    scope.project.as_str(),
                    scope.stream.as_str(),
                    rank,
                    limit(count_max),
                    now + draw.ahead,
                )
                .fetch_all(&mut *transaction)
                .await
                .doing(doing)?;
                rows.extend(
                    of_rank.into_iter().map(|row| (urgency(rank, row.detail_next_at, now), row)),
                );
            }
            rows.sort_by_key(|(urgency, _)| *urgency);
            rows.truncate(usize::try_from(count_max).unwrap_or(usize::MAX));
            let drawn: Vec<_> = rows
                .into_iter()
                .map(|(_, row)| {
                    // The call counts as made now.
                    let record = SparseRecord { read_at: Some(now), ..row.into() };
                    let at = next(&record, now);
                    (record.id, at)
                })
                .collect();
            let count = u64::try_from(drawn.len()).unwrap_or(u64::MAX);
            if count == 0 {
                return Ok(0);
            }
            set_next(&mut transaction, scope, &drawn).await?;
            let ids: Vec<&str> = drawn.iter().map(|(id, _)| id.as_str()).collect();
            let mut tx = Tx::new(&mut transaction, scope, now);
            detail_queue::mark(&mut tx, &ids, Priority::News, now).await?;
            sqlx::query!(
                "update argos_sync.project set sparse_drawn_at = $2 where project = $1",
                scope.project.as_str(),
                until(count),
            )
            .execute(&mut *transaction)
            .await
            .doing(doing)?;
            transaction.commit().await.doing(doing)?;
            Ok(count)
        })
        .await
    }

    /// Returns the number of such records of each project, and the last read of the one that is due
    /// first.
    pub async fn sparse_reports(&self) -> Result<Vec<SparseReport>, WarehouseError> {
        sqlx::query_as!(
            SparseReport,
            r#"select project.project as "project!",
                case when few.records <= $1 then few.records
                    else greatest(few.records, project.sparse_records) end as "records!",
                few.due as "due!", first.detail_read_at as first_read_at
               from argos_sync.project
               cross join lateral (
                select
                    (select count(*) from (
                        select from argos_sync.record as own
                        where own.project = project.project and own.stream = 'submission'
                            and own.sparse is not null limit $1 + 1) as counted) as records,
                    (select count(*) from (
                        select from argos_sync.record as own
                        where own.project = project.project and own.stream = 'submission'
                            and own.sparse = any($2) and own.detail_next_at <= argos_sync.clock()
                        limit $1 + 1) as counted) as due) as few
               left join lateral (
                select own.id from unnest($2::smallint[]) as rank
                cross join lateral (
                    select id, detail_next_at from argos_sync.record
                    where record.project = project.project and record.stream = 'submission'
                        and record.sparse = rank and record.detail_next_at is not null
                    order by record.detail_next_at limit 1) as own
                order by own.detail_next_at limit 1) as next on true
               left join argos.submission as first
                on first.project = project.project and first.submission_id = next.id
               where project.kind = 'idcheck' and few.records > 0
               order by project.project"#,
            COUNTED_MAX,
            &[SCREENED, OTHER],
        )
        .fetch_all(&self.pool)
        .await
        .doing("counting sparse records")
    }
}

/// The sort key for reading: first approved and screened records whose time has come, then other
/// records whose time has come, then early ones. Each group is sorted by time.
fn urgency(
    rank: i16,
    next_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> (bool, i16, Option<DateTime<Utc>>) {
    let is_early = next_at.is_some_and(|at| at > now);
    (is_early, if is_early { SCREENED } else { rank }, next_at)
}

fn limit(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Stores the next read of these locked records.
async fn set_next(
    connection: &mut PgConnection,
    scope: &Scope,
    next: &[(String, DateTime<Utc>)],
) -> Result<(), WarehouseError> {
    if next.is_empty() {
        return Ok(());
    }
    let (ids, times): (Vec<&str>, Vec<DateTime<Utc>>) =
        next.iter().map(|(id, at)| (id.as_str(), *at)).unzip();
    sqlx::query!(
        "update argos_sync.record as stored set detail_next_at = given.at
         from unnest($3::text[], $4::timestamptz[]) as given (id, at)
         cross join lateral (
            select ctid as place from argos_sync.record
            where project = $1 and stream = $2 and id = given.id offset 0
         ) as found
         where stored.ctid = found.place",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &times,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("storing the next detail calls")
}
