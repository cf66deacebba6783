//! Alarms about passes that missed too many records, and a person's decisions about them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    domain::{Day, ProjectName, Stream, Window},
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
        },
        scope::Count,
        state::claim::Claim,
    },
};

/// A range of consecutive days on which a pass missed implausibly many records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The project.
    pub project: String,
    /// The stream.
    pub stream: String,
    /// True if a pass over these days missed the records, false if a pass without a date filter
    /// did.
    pub filtered: bool,
    /// The first day.
    pub first: Day,
    /// The last day.
    pub last: Day,
    /// When the alarm was last raised.
    pub raised_at: DateTime<Utc>,
    /// The number of live records on these days.
    pub live: i64,
    /// The number of records that the pass missed.
    pub missing: i64,
    /// Detail calls confirmed the absences; there were too many within 24 hours.
    pub confirmed: bool,
}

/// A person's decision about the missing records of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The days of the decision.
    pub window: Window,
    /// Whether missing records there may be deleted once detail calls confirm their absence.
    pub verdict: Verdict,
}

/// The content of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The records are deleted at the vendor.
    Approved,
    /// The records are not deleted; their absence means nothing.
    Rejected,
}

impl Warehouse {
    /// Returns the undecided alarms, by project, stream and day.
    pub async fn deletion_alarms(&self) -> Result<Vec<Alarm>, WarehouseError> {
        sqlx::query_as!(
            Alarm,
            r#"select project, stream, filtered, min(day) as "first!", max(day) as "last!",
                max(raised_at) as "raised_at!", sum(live)::bigint as "live!",
                sum(missing)::bigint as "missing!", confirmed
               from (
                select *,
                    day - (row_number() over (partition by project, stream, filtered, confirmed
                        order by day))::int as run
                from argos_sync.deletion_alarm) as alarm
               group by project, stream, filtered, confirmed, run
               order by project, stream, filtered, confirmed, run"#,
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading alarms")
    }

    /// Stores a person's decision, which is valid for `time`. Returns the number of alarms that it
    /// settles.
    pub async fn decide_deletions(
        &self,
        project: &ProjectName,
        stream: Stream,
        decision: Decision,
        time: Duration,
    ) -> Result<u64, WarehouseError> {
        let doing = "storing a decision";
        let mut transaction = self.begin(doing).await?;
        sqlx::query!(
            "insert into argos_sync.deletion_decision
                (project, stream, window_from, window_to, approved, decided_at, expires_at)
             values ($1, $2, $3, $4, $5, argos_sync.clock(),
                 argos_sync.clock() + make_interval(secs => $6))",
            project.as_str(),
            stream.as_str(),
            decision.window.from(),
            decision.window.to(),
            decision.verdict == Verdict::Approved,
            time.as_secs_f64(),
        )
        .execute(&mut *transaction)
        .await
        .doing(doing)?;
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
        .doing(doing)?;
        transaction.commit().await.doing(doing)?;
        Ok(settled.rows_affected())
    }
}

/// Returns the valid decisions that overlap the claimed window, newest first.
pub(super) async fn decisions(
    connection: &mut PgConnection,
    claim: &Claim,
) -> Result<Vec<Decision>, WarehouseError> {
    let rows = sqlx::query!(
        "select window_from, window_to, approved from argos_sync.deletion_decision
         where project = $1 and stream = $2 and expires_at > argos_sync.clock()
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
    .doing("reading decisions")?;
    let decision = |(from, to, approved)| {
        let verdict = if approved { Verdict::Approved } else { Verdict::Rejected };
        Some(Decision { window: Window::new(from, to).ok()?, verdict })
    };
    Ok(rows
        .into_iter()
        .filter_map(|row| decision((row.window_from, row.window_to, row.approved)))
        .collect())
}

/// Raises an alarm for the days on which a pass missed implausibly many records.
pub(super) async fn raise_alarm(
    connection: &mut PgConnection,
    claim: &Claim,
    pass_id: i64,
    missed: &[(Day, Count)],
    confirmed: bool,
) -> Result<(), WarehouseError> {
    clear_alarms(connection, claim).await?;
    let number = |count| i32::try_from(count).unwrap_or(i32::MAX);
    let days: Vec<Day> = missed.iter().map(|(day, _)| *day).collect();
    let live: Vec<i32> = missed.iter().map(|(_, count)| number(count.live)).collect();
    let missing: Vec<i32> = missed.iter().map(|(_, count)| number(count.missing)).collect();
    sqlx::query!(
        "insert into argos_sync.deletion_alarm
            (project, stream, filtered, day, raised_at, pass_id, live, missing, confirmed)
         select $1, $2, $3, given.day, argos_sync.clock(), $4, given.live, given.missing, $8
         from unnest($5::date[], $6::int[], $7::int[]) as given (day, live, missing)
         order by given.day",
        claim.project.as_str(),
        claim.stream.as_str(),
        claim.reading.is_filtered(),
        pass_id,
        &days,
        &live,
        &missing,
        confirmed,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("raising an alarm")
}

/// Clears the alarms for the days that this pass has read again.
pub(super) async fn clear_alarms(
    connection: &mut PgConnection,
    claim: &Claim,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "delete from argos_sync.deletion_alarm
         where project = $1 and stream = $2 and filtered = $3
            and (not $3 or (day >= $4 and day < $5))",
        claim.project.as_str(),
        claim.stream.as_str(),
        claim.reading.is_filtered(),
        claim.window.from(),
        claim.window.to(),
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("clearing alarms")
}
