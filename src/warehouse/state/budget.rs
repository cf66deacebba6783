//! The budget of a project: how many calls each lane has had today, and when the next may be made.
//!
//! Whoever wants calls takes a block of them in a transaction of its own. The day and the time are
//! those of the one clock; how the calls are divided among the lanes is decided by whoever asks.

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike as _, Utc};
use sqlx::PgConnection;

use crate::{
    domain::{ByLane, Day, Grant, Lane, ProjectName, Spending, Spent},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// Days whose counts are kept.
const DAYS_KEPT: i32 = 40;

/// Calls are given out at most this far ahead, or two calls where those are further apart.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(1);

/// A next call that is further ahead than this, or than a hundred calls, was given out before the
/// clock was set back: it is void.
const VOID_AHEAD: TimeDelta = TimeDelta::hours(1);

const TAKING: &str = "taking calls out of the budget";

/// Calls that were taken and are not going to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// The UTC day they were taken from.
    pub day: Day,
    /// How many.
    pub calls: u32,
}

/// A block of calls.
#[derive(Debug, Clone)]
pub struct Block {
    /// How many; 0: the lane gets none for now.
    pub calls: u32,
    /// From now on until the first may be made.
    pub wait: TimeDelta,
    /// When it was taken, by the one clock.
    pub taken_at: DateTime<Utc>,
    /// What the lanes had had of the day before.
    pub spending: Spending,
}

impl Block {
    /// The UTC day it was taken from.
    pub fn day(&self) -> Day {
        self.taken_at.date_naive()
    }
}

/// Calls of a project today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallsReport {
    /// The project's name.
    pub project: String,
    /// Lane by lane; those that a running process holds included.
    pub calls: ByLane<u64>,
}

impl Warehouse {
    /// Takes a block of calls for a lane, as many as `decide` says, and gives back what the last
    /// one left over.
    ///
    /// `interval` is the time from one call to the next; blocks of all lanes and processes follow
    /// one another. One transaction: a crash loses the block, and the day has some calls less.
    pub async fn take_calls(
        &self,
        project: &ProjectName,
        lane: Lane,
        unused: Option<Unused>,
        interval: TimeDelta,
        decide: impl Fn(&Spending) -> Grant,
    ) -> Result<Block, WarehouseError> {
        let mut transaction = self.begin(TAKING).await?;
        // Locks the row, and finds it whoever was first.
        let rate = sqlx::query!(
            r#"insert into argos_sync.rate as stored (project, free_at) values ($1, argos_sync.clock())
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
                 insert into argos_sync.budget as stored (project, day, lane, taken, lapsed) values ($1, $2, $3, $4, $6)
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

    /// Gives calls back that are not going to be made.
    pub async fn give_calls_back(
        &self,
        project: &ProjectName,
        lane: Lane,
        unused: Unused,
    ) -> Result<(), WarehouseError> {
        let doing = "giving calls back to the budget";
        let mut connection = self.pool.acquire().await.doing(doing)?;
        put_back(&mut connection, project, lane, unused).await
    }

    /// How many calls each project has had today.
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

/// When the next call may be made.
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

/// Removes old days, once a day: before the first call.
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
            // A call every ten minutes.
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
