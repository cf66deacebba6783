//! The call budget of a project: the calls that each lane has used today, and the time of the next
//! call.
//!
//! A lane takes a block of calls in a transaction of its own. Day and time are those of
//! PostgreSQL's clock. The caller decides how the calls are divided among the lanes.

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use sqlx::PgConnection;

use crate::{
    domain::{ByLane, Day, Grant, Lane, ProjectName, Spending, Spent},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// Number of days whose counts are kept.
const DAYS_KEPT: i32 = 40;

/// Calls are granted at most this far ahead, or two calls ahead if two intervals are longer.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(1);

/// A next call further ahead than this, and than a hundred calls, was granted before the clock was
/// set back. It is void.
const VOID_AHEAD: TimeDelta = TimeDelta::hours(1);

const TAKING: &str = "taking calls from the budget";

/// Calls that were taken and will not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// The UTC day whose budget they were taken from.
    pub day: Day,
    /// The number of calls.
    pub calls: u32,
}

/// A block of calls.
#[derive(Debug, Clone)]
pub struct Block {
    /// The number of calls; 0 if the lane gets none for now.
    pub calls: u32,
    /// The time from now until the first call may be made.
    pub wait: TimeDelta,
    /// When the block was taken, by PostgreSQL's clock.
    pub taken_at: DateTime<Utc>,
    /// The day's calls of all lanes before this block.
    pub spending: Spending,
}

impl Block {
    /// The UTC day whose budget the block was taken from.
    pub fn day(&self) -> Day {
        self.taken_at.date_naive()
    }
}

/// The calls of a project today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallsReport {
    /// The project's name.
    pub project: String,
    /// Calls by lane, including unused calls in blocks of running processes.
    pub calls: ByLane<u64>,
}

impl Warehouse {
    /// Takes a block of calls for a lane and returns the unused calls of its last block. `decide`
    /// determines the size of the block.
    ///
    /// `interval` is the time between two calls. Blocks of all lanes and processes follow one
    /// another. This is one transaction: a crash loses the block, which leaves the day with fewer
    /// calls.
    pub async fn take_calls(
        &self,
        project: &ProjectName,
        lane: Lane,
        unused: Option<Unused>,
        interval: TimeDelta,
        decide: impl Fn(&Spending) -> Grant,
    ) -> Result<Block, WarehouseError> {
        let mut transaction = self.begin(TAKING).await?;
        // Locks the row, and creates it if it is missing.
        let rate = sqlx::query!(
            r#"insert into argos_sync.rate as stored (project, free_at)
               values ($1, argos_sync.clock())
               on conflict (project) do update set free_at = stored.free_at
               returning free_at, argos_sync.clock() as "now!""#,
            project.as_str(),
        )
        .fetch_one(&mut *transaction)
        .await
        .doing(TAKING)?;
        if let Some(unused) = unused {
            put_back(&mut transaction, project, lane, unused).await?;
        }
        let spending = read_spending(&mut transaction, project, rate.now).await?;
        let grant = decide(&spending);
        let start = next_start(rate.free_at, rate.now, interval);
        if grant.calls > 0 {
            let calls = i32::try_from(grant.calls).unwrap_or(i32::MAX);
            sqlx::query!(
                "with rate as (update argos_sync.rate set free_at = $5 where project = $1)
                 insert into argos_sync.budget as stored (project, day, lane, taken, lapsed)
                 values ($1, $2, $3, $4, $6)
                 on conflict (project, day, lane) do update
                 set taken = stored.taken + excluded.taken, lapsed = excluded.lapsed",
                project.as_str(),
                rate.now.date_naive(),
                lane.as_str(),
                i64::from(calls),
                start + interval * calls,
                i64::try_from(grant.lapsed).unwrap_or(i64::MAX),
            )
            .execute(&mut *transaction)
            .await
            .doing(TAKING)?;
        }
        if spending.taken() == 0 {
            prune(&mut transaction, project, rate.now.date_naive()).await?;
        }
        transaction.commit().await.doing(TAKING)?;
        Ok(Block { calls: grant.calls, wait: start - rate.now, taken_at: rate.now, spending })
    }

    /// Returns calls that will not be made. Makes a single attempt: after a lost answer of
    /// PostgreSQL, a second one could return them twice.
    pub async fn give_calls_back(
        &self,
        project: &ProjectName,
        lane: Lane,
        unused: Unused,
    ) -> Result<(), WarehouseError> {
        self.once(async {
            let doing = "returning calls to the budget";
            let mut connection = self.pool.acquire().await.doing(doing)?;
            put_back(&mut connection, project, lane, unused).await
        })
        .await
    }

    /// Returns the number of calls of each project today.
    pub async fn calls_reports(&self) -> Result<Vec<CallsReport>, WarehouseError> {
        let rows = sqlx::query!(
            "select project, lane, taken from argos_sync.budget
             where day = (argos_sync.clock() at time zone 'utc')::date order by project, lane"
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the budget")?;
        let mut reports: Vec<CallsReport> = Vec::new();
        for row in rows {
            if reports.last().is_none_or(|report| report.project != row.project) {
                reports.push(CallsReport { project: row.project, calls: ByLane::default() });
            }
            if let (Some(report), Some(lane)) = (reports.last_mut(), lane_of(&row.lane)) {
                report.calls[lane] = count(row.taken);
            }
        }
        Ok(reports)
    }
}

/// The time of the next call.
fn next_start(free_at: DateTime<Utc>, now: DateTime<Utc>, interval: TimeDelta) -> DateTime<Utc> {
    if free_at > now + VOID_AHEAD.max(interval * 100) {
        now
    } else {
        free_at.clamp(now, now + AHEAD_MAX.max(interval * 2))
    }
}

async fn read_spending(
    connection: &mut PgConnection,
    project: &ProjectName,
    now: DateTime<Utc>,
) -> Result<Spending, WarehouseError> {
    let rows = sqlx::query!(
        "select lane, taken, lapsed from argos_sync.budget where project = $1 and day = $2",
        project.as_str(),
        now.date_naive(),
    )
    .fetch_all(connection)
    .await
    .doing(TAKING)?;
    let seconds_left = 86_400_u32.saturating_sub(now.num_seconds_from_midnight());
    let mut spending = Spending { seconds_left, ..Spending::default() };
    for row in rows {
        if let Some(lane) = lane_of(&row.lane) {
            spending.lanes[lane] = Spent { taken: count(row.taken), lapsed: count(row.lapsed) };
        }
    }
    Ok(spending)
}

async fn put_back(
    connection: &mut PgConnection,
    project: &ProjectName,
    lane: Lane,
    unused: Unused,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "update argos_sync.budget set taken = greatest(0, taken - $4)
         where project = $1 and day = $2 and lane = $3",
        project.as_str(),
        unused.day,
        lane.as_str(),
        i64::from(unused.calls),
    )
    .execute(connection)
    .await
    .map(drop)
    .doing(TAKING)
}

/// Deletes old days. Called once a day, before the first call.
async fn prune(
    connection: &mut PgConnection,
    project: &ProjectName,
    today: NaiveDate,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "delete from argos_sync.budget where project = $1 and day < $2::date - $3::integer",
        project.as_str(),
        today,
        DAYS_KEPT,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing(TAKING)
}

fn lane_of(word: &str) -> Option<Lane> {
    Lane::ALL.into_iter().find(|lane| lane.as_str() == word)
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_queue_up_to_a_minute_and_what_is_hours_ahead_is_void() {
        let now = DateTime::UNIX_EPOCH;
        for (free_at_seconds, interval_seconds, expected) in [
            (-5, 0, 0),
            (50, 0, 50),
            (100, 0, 60),
            (3600, 0, 60),
            (3601, 0, 0),
            // One call every ten minutes.
            (1500, 600, 1200),
            (60_000, 600, 1200),
            (60_001, 600, 0),
        ] {
            let free_at = now + TimeDelta::seconds(free_at_seconds);
            let start = next_start(free_at, now, TimeDelta::seconds(interval_seconds));
            assert_eq!((start - now).num_seconds(), expected, "{free_at_seconds}");
        }
    }
}
