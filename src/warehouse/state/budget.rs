//! The call budget of an API key: the calls that each lane has used today.
//!
//! A lane takes a block of calls in a transaction of its own. Day and time are those of
//! PostgreSQL's clock. The caller decides how the calls are divided among the lanes.

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use sqlx::PgConnection;

use super::rate;
use crate::{
    domain::{
        ByLane, Day, Grant, GrantedRate, KeyId, Lane, ProjectName, SharedRate, Spending, Spent,
    },
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// Retention of budgets, in days.
pub(super) const KEPT_DAYS: i32 = 40;

const TAKING: &str = "taking calls from the budget";

/// Calls that were taken and will not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// The UTC day whose budget they were taken from.
    pub day: Day,
    /// The number of calls.
    pub calls: u32,
}

/// A request for a block of calls.
#[derive(Debug, Clone, Copy)]
pub struct BlockRequest<'a> {
    /// The project that makes the calls.
    pub project: &'a ProjectName,
    /// The key that the calls are made with.
    pub key: &'a KeyId,
    /// The lane that makes them.
    pub lane: Lane,
    /// The unused calls of the lane's last block, which are returned.
    pub unused: Option<Unused>,
    /// The time that the vendor asked this process to wait, counted from now.
    pub pause: Option<TimeDelta>,
}

/// The stored state of a key when a block is taken.
#[derive(Debug, Clone, Copy)]
pub struct StoredRate<'a> {
    /// The adaptive rate; `None` until a process has used one.
    pub shared: Option<&'a SharedRate>,
    /// The calls of the day.
    pub spending: &'a Spending,
    /// The time by PostgreSQL's clock.
    pub now: DateTime<Utc>,
}

/// The size and the pace of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockDecision {
    /// The calls that the lane gets.
    pub grant: Grant,
    /// The time between two calls.
    pub interval: TimeDelta,
    /// The adaptive rate from now on; `None`: the rate is fixed.
    pub shared: Option<SharedRate>,
}

/// The answer to a request for calls.
#[derive(Debug, Clone)]
pub enum Taken {
    /// A block of calls.
    Calls(Block),
    /// The lane gets no call for now.
    UsedUp {
        /// The day's calls of all lanes.
        spending: Spending,
        /// The time by PostgreSQL's clock.
        at: DateTime<Utc>,
    },
    /// An operator has paused the project.
    ProjectPaused,
    /// The vendor asked to make no calls with this key.
    Paused {
        /// The remaining time.
        left: TimeDelta,
        /// The end by PostgreSQL's clock.
        until: DateTime<Utc>,
    },
}

/// A block of calls.
#[derive(Debug, Clone)]
pub struct Block {
    /// The number of calls, at least 1.
    pub calls: u32,
    /// The time between two of them.
    pub interval: TimeDelta,
    /// The time from now until the first call may be made.
    pub wait: TimeDelta,
    /// When the block was taken, by PostgreSQL's clock.
    pub taken_at: DateTime<Utc>,
    /// How often an adaptive rate had been cut before.
    pub cuts: i64,
}

impl Block {
    /// The UTC day whose budget the block was taken from.
    pub fn day(&self) -> Day {
        self.taken_at.date_naive()
    }

    /// The rate at which its calls are granted; infinite without a limit.
    pub fn granted(&self) -> GrantedRate {
        let rate = self.interval.as_seconds_f64().recip();
        GrantedRate { at: self.taken_at, rate, cuts: self.cuts }
    }
}

/// The calls made today with the keys of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallsReport {
    /// The project's name.
    pub project: String,
    /// Calls by lane, including unused calls in blocks of running processes.
    pub calls: ByLane<u64>,
}

impl Warehouse {
    /// Takes a block of calls for a lane. `decide` determines its size and pace.
    ///
    /// Blocks of all lanes and processes follow one another. This is one transaction: a crash loses
    /// the block, which leaves the day with fewer calls.
    pub async fn take_calls(
        &self,
        request: BlockRequest<'_>,
        decide: impl FnOnce(StoredRate<'_>) -> BlockDecision,
    ) -> Result<Taken, WarehouseError> {
        let BlockRequest { project, key, lane, unused, pause } = request;
        let mut transaction = self.begin(TAKING).await?;
        if is_paused(&mut transaction, project).await? {
            if let Some(unused) = unused {
                put_back(&mut transaction, key, lane, unused).await?;
            }
            transaction.commit().await.doing(TAKING)?;
            return Ok(Taken::ProjectPaused);
        }
        let stored = rate::lock(&mut transaction, key, pause).await?;
        let now = stored.now;
        if let Some(unused) = unused {
            put_back(&mut transaction, key, lane, unused).await?;
        }
        let spending = read_spending(&mut transaction, key, now).await?;
        if spending.taken() == 0 {
            delete_old(&mut transaction, key).await?;
        }
        let BlockDecision { grant, interval, shared } =
            decide(StoredRate { shared: stored.shared.as_ref(), spending: &spending, now });
        let paused_until = stored.paused_until.filter(|paused_until| *paused_until > now);
        let calls = if paused_until.is_some() { 0 } else { grant.calls };
        let start = stored.next_start(interval);
        let free_at = start + interval * i32::try_from(calls).unwrap_or(i32::MAX);
        rate::store(&mut transaction, key, free_at, shared.as_ref()).await?;
        if calls > 0 {
            sqlx::query!(
                "insert into argos_sync.key_budget as stored (key_id, day, lane, taken, lapsed)
                 values ($1, $2, $3, $4, $5)
                 on conflict (key_id, day, lane) do update
                 set taken = stored.taken + excluded.taken, lapsed = excluded.lapsed",
                &key.0,
                now.date_naive(),
                lane.as_str(),
                i64::from(calls),
                i64::try_from(grant.lapsed).unwrap_or(i64::MAX),
            )
            .execute(&mut *transaction)
            .await
            .doing(TAKING)?;
        }
        transaction.commit().await.doing(TAKING)?;
        Ok(match paused_until {
            Some(until) => Taken::Paused { left: until - now, until },
            None if calls == 0 => Taken::UsedUp { spending, at: now },
            None => {
                // A cut takes effect with the next block: calls of the old ones are still made.
                let cuts = stored.shared.map_or(0, |shared| shared.cuts);
                Taken::Calls(Block { calls, interval, wait: start - now, taken_at: now, cuts })
            }
        })
    }

    /// Returns calls that will not be made. Makes a single attempt: after a lost answer of
    /// PostgreSQL, a second one could return them twice.
    pub async fn give_calls_back(
        &self,
        key: &KeyId,
        lane: Lane,
        unused: Unused,
    ) -> Result<(), WarehouseError> {
        self.once(async {
            let doing = "returning calls to the budget";
            let mut connection = self.pool.acquire().await.doing(doing)?;
            put_back(&mut connection, key, lane, unused).await
        })
        .await
    }

    /// Returns the number of calls of each project today.
    pub async fn calls_reports(&self) -> Result<Vec<CallsReport>, WarehouseError> {
        let rows = sqlx::query!(
            r#"select project, lane, sum(taken)::bigint as "taken!"
             from argos_sync.project_key join argos_sync.key_budget using (key_id)
             where day = (argos_sync.clock() at time zone 'utc')::date
             group by project, lane order by project, lane"#
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

/// Whether an operator has paused the project.
async fn is_paused(
    connection: &mut PgConnection,
    project: &ProjectName,
) -> Result<bool, WarehouseError> {
    let paused_at = sqlx::query_scalar!(
        "select paused_at from argos_sync.project where project = $1",
        project.as_str(),
    );
    let paused_at = paused_at.fetch_optional(connection).await.doing(TAKING)?;
    Ok(paused_at.flatten().is_some())
}

async fn read_spending(
    connection: &mut PgConnection,
    key: &KeyId,
    now: DateTime<Utc>,
) -> Result<Spending, WarehouseError> {
    let rows = sqlx::query!(
        "select lane, taken, lapsed from argos_sync.key_budget where key_id = $1 and day = $2",
        &key.0,
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

/// Deletes the budgets of a key from more than [`KEPT_DAYS`] ago.
async fn delete_old(connection: &mut PgConnection, key: &KeyId) -> Result<(), WarehouseError> {
    sqlx::query!(
        "delete from argos_sync.key_budget
         where key_id = $1
           and day < (argos_sync.clock() at time zone 'utc')::date - $2::integer",
        &key.0,
        KEPT_DAYS,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing(TAKING)
}

async fn put_back(
    connection: &mut PgConnection,
    key: &KeyId,
    lane: Lane,
    unused: Unused,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "update argos_sync.key_budget set taken = greatest(0, taken - $4)
         where key_id = $1 and day = $2 and lane = $3",
        &key.0,
        unused.day,
        lane.as_str(),
        i64::from(unused.calls),
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
