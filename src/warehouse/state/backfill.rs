//! Backfills: requests to read some days, by any number of processes.

use sqlx::PgConnection;

use super::{claim, run::RunId};
use crate::{
    domain::{Day, ProjectName, Stream, Window},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// A request to read some days of a stream.
#[derive(Debug, Clone, Copy)]
pub struct RequestedBackfill<'a> {
    /// The project to read.
    pub project: &'a ProjectName,
    /// The stream to read.
    pub stream: Stream,
    /// The days to read.
    pub days: Window,
    /// The windows of a new backfill. They contain each of the days once.
    pub windows: &'a [Window],
    /// Replaces an unfinished backfill of the same days, unless it is of the same job.
    pub restart: bool,
    /// The job that requests the backfill.
    pub job: Option<&'a str>,
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedBackfill {
    /// The backfill is new, or unfinished.
    Open(Backfill),
    /// The backfill of this job is complete.
    Complete,
    /// The job has requested other days.
    OtherDays(Window),
}

/// An unfinished backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// The id in the tables.
    pub backfill_id: i64,
    /// The project to read.
    pub project: ProjectName,
    /// The stream to read.
    pub stream: Stream,
    /// The requested days.
    pub days: Window,
}

struct BackfillRow {
    backfill_id: i64,
    window_from: Day,
    window_to: Day,
}

impl BackfillRow {
    /// A row with days that are not a window cannot be stored.
    fn of(self, project: &ProjectName, stream: Stream) -> Option<Backfill> {
        let days = Window::new(self.window_from, self.window_to).ok()?;
        Some(Backfill { backfill_id: self.backfill_id, project: project.clone(), stream, days })
    }
}

impl Warehouse {
    /// Joins the unfinished backfill of these days, or begins one. It counts as requested at the
    /// start of `run`.
    pub async fn open_backfill(
        &self,
        request: RequestedBackfill<'_>,
        run: RunId,
    ) -> Result<OpenedBackfill, WarehouseError> {
        self.retry(async || {
            let doing = "opening a backfill";
            let mut transaction = self.begin(doing).await?;
            claim::lock(&mut transaction, request.project).await?;
            let opened = match of_job(&mut transaction, request).await? {
                KnownJob::Opened(opened) => opened,
                // A retry of this job must not replace the backfill that replaced its own.
                KnownJob::Dropped => join_or_begin(&mut transaction, request, run).await?,
                KnownJob::New => {
                    let RequestedBackfill { project, stream, days, .. } = request;
                    if request.restart {
                        let reason = DropReason::Replaced;
                        drop_backfill(&mut transaction, project, stream, days, reason).await?;
                    }
                    join_or_begin(&mut transaction, request, run).await?
                }
            };
            transaction.commit().await.doing(doing)?;
            Ok(opened)
        })
        .await
    }

    /// Drops the unfinished backfill of these days. Returns whether there was one. What was read
    /// stays.
    pub async fn cancel_backfill(
        &self,
        project: &ProjectName,
        stream: Stream,
        days: Window,
    ) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let doing = "cancelling a backfill";
            let mut transaction = self.begin(doing).await?;
            let reason = DropReason::Cancelled;
            let was_open = drop_backfill(&mut transaction, project, stream, days, reason).await?;
            transaction.commit().await.doing(doing)?;
            Ok(was_open)
        })
        .await
    }

    /// Returns the unfinished backfills of a stream, oldest first.
    pub async fn open_backfills(
        &self,
        project: &ProjectName,
        stream: Stream,
    ) -> Result<Vec<Backfill>, WarehouseError> {
        self.retry(async || {
            let rows = sqlx::query_as!(
                BackfillRow,
                "select backfill_id, window_from, window_to from argos_sync.backfill
                 where project = $1 and stream = $2 and ended_at is null
                 order by backfill_id",
                project.as_str(),
                stream.as_str(),
            );
            let rows = rows.fetch_all(&self.pool).await.doing("reading the backfills")?;
            Ok(rows.into_iter().filter_map(|row| row.of(project, stream)).collect())
        })
        .await
    }

    /// Ends a backfill, unless a window is left or it has ended already. Drops passes of it that
    /// others have made unnecessary.
    pub async fn end_backfill(&self, backfill: &Backfill) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "with ended as (
                    update argos_sync.backfill
                    set ended_at = argos_sync.clock(), outcome = 'complete'
                    where backfill_id = $1 and ended_at is null
                      and not exists (
                        select from argos_sync.backfill_window where backfill_id = $1)
                    returning backfill_id)
                 update argos_sync.pass set state = 'dropped', ended_at = argos_sync.clock()
                 from ended
                 where pass.backfill_id = ended.backfill_id and pass.state = 'open'",
                backfill.backfill_id
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("ending a backfill")
        })
        .await
    }
}

/// What the job of a request has requested before.
enum KnownJob {
    /// Nothing.
    New,
    /// A backfill that was replaced or cancelled.
    Dropped,
    /// A backfill that is open or complete, or one of other days.
    Opened(OpenedBackfill),
}

async fn of_job(
    connection: &mut PgConnection,
    RequestedBackfill { project, stream, days, job, .. }: RequestedBackfill<'_>,
) -> Result<KnownJob, WarehouseError> {
    let Some(job) = job else { return Ok(KnownJob::New) };
    let known = sqlx::query!(
        r#"select backfill_id, window_from, window_to, ended_at is null as "is_open!",
            coalesce(outcome <> 'complete', false) as "is_dropped!"
           from argos_sync.backfill
           where project = $1 and stream = $2 and $3 = any (jobs)
           order by backfill_id desc limit 1"#,
        project.as_str(),
        stream.as_str(),
        job,
    );
    let Some(known) = known.fetch_optional(connection).await.doing("reading a job")? else {
        return Ok(KnownJob::New);
    };
    if known.is_dropped {
        return Ok(KnownJob::Dropped);
    }
    Ok(KnownJob::Opened(match Window::new(known.window_from, known.window_to) {
        Ok(requested) if requested != days => OpenedBackfill::OtherDays(requested),
        _ if known.is_open => OpenedBackfill::Open(Backfill {
            backfill_id: known.backfill_id,
            project: project.clone(),
            stream,
            days,
        }),
        _ => OpenedBackfill::Complete,
    }))
}

/// Why a backfill ends before its days are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DropReason {
    Replaced,
    Cancelled,
}

impl DropReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Ends the unfinished backfill of these days and drops its open passes. Returns whether there was
/// one.
async fn drop_backfill(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    days: Window,
    reason: DropReason,
) -> Result<bool, WarehouseError> {
    sqlx::query_scalar!(
        r#"with dropped as (
            update argos_sync.backfill
            set ended_at = argos_sync.clock(), outcome = $5
            where project = $1 and stream = $2 and window_from = $3 and window_to = $4
                and ended_at is null
            returning backfill_id),
         windows as (
            delete from argos_sync.backfill_window using dropped
            where backfill_window.backfill_id = dropped.backfill_id),
         passes as (
            update argos_sync.pass set state = 'dropped', ended_at = argos_sync.clock()
            from dropped
            where pass.backfill_id = dropped.backfill_id and pass.state = 'open')
         select exists (select from dropped) as "was_open!""#,
        project.as_str(),
        stream.as_str(),
        days.from(),
        days.to(),
        reason.as_str(),
    )
    .fetch_one(connection)
    .await
    .doing("dropping a backfill")
}

/// Adds the job to the unfinished backfill of these days. Without one, begins it.
async fn join_or_begin(
    connection: &mut PgConnection,
    RequestedBackfill { project, stream, days, windows, job, .. }: RequestedBackfill<'_>,
    run: RunId,
) -> Result<OpenedBackfill, WarehouseError> {
    let doing = "opening a backfill";
    let backfill = |backfill_id| {
        OpenedBackfill::Open(Backfill { backfill_id, project: project.clone(), stream, days })
    };
    let joined = sqlx::query_scalar!(
        "update argos_sync.backfill set jobs = jobs || $5::text[]
         where project = $1 and stream = $2 and window_from = $3 and window_to = $4
            and ended_at is null
         returning backfill_id",
        project.as_str(),
        stream.as_str(),
        days.from(),
        days.to(),
        job.as_slice() as &[&str],
    );
    if let Some(backfill_id) = joined.fetch_optional(&mut *connection).await.doing(doing)? {
        return Ok(backfill(backfill_id));
    }
    let starts: Vec<Day> = windows.iter().map(|window| window.from()).collect();
    let ends: Vec<Day> = windows.iter().map(|window| window.to()).collect();
    let begun = sqlx::query_scalar!(
        r#"with begun as (
            insert into argos_sync.backfill
                (project, stream, window_from, window_to, requested_at, fence, jobs)
            select $1, $2, $3, $4, started_at, fence, $5::text[]
            from argos_sync.run where run_id = $6
            returning backfill_id, project),
         windows as (
            insert into argos_sync.backfill_window (backfill_id, project, window_from, window_to)
            select backfill_id, project, given.window_from, given.window_to
            from begun
            cross join unnest($7::date[], $8::date[]) as given (window_from, window_to)
            order by given.window_from)
         select backfill_id as "backfill_id!" from begun"#,
        project.as_str(),
        stream.as_str(),
        days.from(),
        days.to(),
        job.as_slice() as &[&str],
        run.0,
        &starts,
        &ends,
    );
    Ok(backfill(begun.fetch_one(connection).await.doing(doing)?))
}
