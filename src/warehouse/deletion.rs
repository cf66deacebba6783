//! Deletions: what a person decides about walks that missed too much, and what is left of a deleted record.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    Scope, Warehouse, WarehouseError, absence::Count, claim::Claim, history, raw, statements,
    tables,
};
use crate::{
    domain::{Day, ProjectName, ReadNumber, Stream, Window},
    normalize::catalogue::{self, Schema},
};

/// Days in a row of which a walk missed more records than can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The project.
    pub project: String,
    /// The stream.
    pub stream: String,
    /// Whether a walk of these days missed them, or one without a date filter.
    pub filtered: bool,
    /// The first day.
    pub first: Day,
    /// The last day.
    pub last: Day,
    /// When it was noticed last.
    pub raised_at: DateTime<Utc>,
    /// Live records of these days.
    pub live: i64,
    /// Those the walk missed.
    pub missing: i64,
}

/// What a person decided about the missing records of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The days.
    pub window: Window,
    /// Whether what is missing there may be deleted, once single calls confirm it.
    pub verdict: Verdict,
}

/// A person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are deleted at the vendor.
    Approved,
    /// They are not; what is missing means nothing.
    Rejected,
}

impl Warehouse {
    /// The days of which walks missed too much, and that were not decided on.
    pub async fn deletion_alarms(&self) -> Result<Vec<Alarm>, WarehouseError> {
        sqlx::query_as!(
            Alarm,
            r#"select project, stream, filtered, min(day) as "first!", max(day) as "last!", max(raised_at) as "raised_at!",
                sum(live)::bigint as "live!", sum(missing)::bigint as "missing!"
               from (
                select *, day - (row_number() over (partition by project, stream, filtered order by day))::int as run
                from argos_sync.deletion_alarm) as alarm
               group by project, stream, filtered, run
               order by project, stream, filtered, run"#,
        )
        .fetch_all(&self.pool)
        .await
        .map_err(WarehouseError::database("reading alarms"))
    }

    /// Notes what a person decided; it holds for so long. Returns how many alarms that settles.
    pub async fn decide_deletions(
        &self,
        project: &ProjectName,
        stream: Stream,
        decision: Decision,
        time: Duration,
    ) -> Result<u64, WarehouseError> {
        let doing = "noting a decision";
        let mut transaction = self.begin(doing).await?;
        sqlx::query!(
            "insert into argos_sync.deletion_decision
                (project, stream, window_from, window_to, approved, decided_at, until_at)
             values ($1, $2, $3, $4, $5, argos_sync.clock(), argos_sync.clock() + make_interval(secs => $6))",
            project.as_str(),
            stream.as_str(),
            decision.window.from(),
            decision.window.to(),
            decision.verdict == Verdict::Approved,
            time.as_secs_f64(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(WarehouseError::database(doing))?;
        let settled = sqlx::query!(
            "delete from argos_sync.deletion_alarm
             where project = $1 and stream = $2 and day >= $3 and day < $4",
            project.as_str(),
            stream.as_str(),
            decision.window.from(),
            decision.window.to(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(WarehouseError::database(doing))?;
        transaction.commit().await.map_err(WarehouseError::database(doing))?;
        Ok(settled.rows_affected())
    }
}

/// The decisions that hold now and touch the claimed window, the newest first.
pub(super) async fn verdicts(
    connection: &mut PgConnection,
    claim: &Claim,
) -> Result<Vec<Decision>, WarehouseError> {
    let rows = sqlx::query!(
        "select window_from, window_to, approved from argos_sync.deletion_decision
         where project = $1 and stream = $2 and until_at > argos_sync.clock()
           and (not $5 or (window_from < $4 and $3 < window_to))
         order by decision_id desc",
        claim.project.as_str(),
        claim.stream.as_str(),
        claim.window.from(),
        claim.window.to(),
        claim.reading.is_filtered(),
    )
    .fetch_all(connection)
    .await
    .map_err(WarehouseError::database("reading decisions"))?;
    let decision = |(from, to, approved)| {
        let verdict = if approved { Verdict::Approved } else { Verdict::Rejected };
        Some(Decision { window: Window::new(from, to).ok()?, verdict })
    };
    Ok(rows
        .into_iter()
        .filter_map(|row| decision((row.window_from, row.window_to, row.approved)))
        .collect())
}

/// Notes on which days a walk missed records, too many to believe it.
pub(super) async fn raise_alarm(
    connection: &mut PgConnection,
    claim: &Claim,
    pass_id: i64,
    missed: &[(Day, Count)],
) -> Result<(), WarehouseError> {
    clear_alarms(connection, claim).await?;
    let number = |count| i32::try_from(count).unwrap_or(i32::MAX);
    let days: Vec<Day> = missed.iter().map(|(day, _)| *day).collect();
    let live: Vec<i32> = missed.iter().map(|(_, count)| number(count.live)).collect();
    let missing: Vec<i32> = missed.iter().map(|(_, count)| number(count.missing)).collect();
    sqlx::query!(
        "insert into argos_sync.deletion_alarm
            (project, stream, filtered, day, raised_at, pass_id, live, missing)
         select $1, $2, $3, given.day, argos_sync.clock(), $4, given.live, given.missing
         from unnest($5::date[], $6::int[], $7::int[]) as given (day, live, missing) order by given.day",
        claim.project.as_str(),
        claim.stream.as_str(),
        claim.reading.is_filtered(),
        pass_id,
        &days,
        &live,
        &missing,
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(WarehouseError::database("raising an alarm"))
}

/// Takes back alarms of what this walk looked at again.
pub(super) async fn clear_alarms(
    connection: &mut PgConnection,
    claim: &Claim,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "delete from argos_sync.deletion_alarm
         where project = $1 and stream = $2 and filtered = $3 and (not $3 or (day >= $4 and day < $5))",
        claim.project.as_str(),
        claim.stream.as_str(),
        claim.reading.is_filtered(),
        claim.window.from(),
        claim.window.to(),
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(WarehouseError::database("taking back alarms"))
}

/// Marks records as deleted that were proven absent, and empties what names a person.
pub(super) async fn delete(
    connection: &mut PgConnection,
    scope: &Scope,
    gone: &[(&str, ReadNumber)],
    now: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    if gone.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = gone.iter().map(|(id, _)| *id).collect();
    let numbers: Vec<i64> = gone.iter().map(|(_, read)| read.0).collect();
    // What was asked for after the proof stays as it is.
    let deleted = sqlx::query_scalar!(
        "with given as (select * from unnest($3::text[], $4::bigint[]) as given (id, number)),
         locked as (
            select held.id, number from argos_sync.record as held join given using (id)
            where held.project = $1 and held.stream = $2 and held.deleted_at is null
              and coalesce(greatest(held.list_no, held.detail_no), 0) < number
            order by held.id for update of held)
         update argos_sync.record as held
         set deleted_at = $5, absent = true, unlisted = false, unsettled = false, contested = false, moved_at = null,
            list_digest = null, detail_digest = null, detail_no = number,
            doubted_digest = null, doubted_no = null, sparse = null, detail_next_at = null
         from locked where held.project = $1 and held.stream = $2 and held.id = locked.id
         returning held.id",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &numbers,
        now,
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(WarehouseError::database("deleting records"))?;
    let ids: Vec<&str> = deleted.iter().map(String::as_str).collect();
    for table in catalogue::tables(scope.stream) {
        if table.name == scope.stream.as_str() {
            let pseudonyms = catalogue::pseudonyms(scope.stream);
            let forgotten = pseudonyms.iter().filter(|_| !scope.deletion.keep_personal);
            let nulls =
                forgotten.fold(String::new(), |text, column| text + ", " + column + " = null");
            let sql = format!(
                "update {} as held set deleted_at = $3, changed_at = $3{nulls}
                 from {found} where held.ctid = found.place",
                table.qualified(),
                found = statements::found(&table.qualified(), table.id_column(), "ctid as place"),
            );
            run(connection, scope, sql, &ids, now).await?;
            let sql = format!(
                "insert into argos.{0}_change (project, {1}, field, new_value, changed_at, lane)
                 select $1, given.id, 'deleted_at', {2}, $3, 'detail'
                 from unnest($2::text[]) as given (id) order by given.id",
                table.name,
                table.id_column(),
                history::time_as_text("$3"),
            );
            run(connection, scope, sql, &ids, now).await?;
        } else if table.schema == Schema::Personal && !scope.deletion.keep_personal {
            let (name, id_column) = (table.qualified(), table.id_column());
            tables::empty(connection, &scope.project, &name, id_column, &ids).await?;
        }
    }
    if scope.deletion.keep_personal {
        Ok(())
    } else {
        raw::drop_bodies(connection, scope, &ids).await
    }
}

async fn run(
    connection: &mut PgConnection,
    scope: &Scope,
    sql: String,
    ids: &[&str],
    now: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    sqlx::query(AssertSqlSafe(sql))
        .bind(scope.project.as_str())
        .bind(ids)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
        .map_err(WarehouseError::database("marking records as deleted"))
}
