//! The rate of a key as stored: the time of its next call, and what its processes know about the
//! vendor's limit.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretSlice;
use sqlx::PgConnection;

use crate::{
    domain::{ByCall, Call, KeyId, KnownLatency, RateCause, SharedRate, SlowLatency},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// Calls are granted at most this far ahead, or two calls ahead if two intervals are longer.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(1);

/// A next call further ahead than this, and than a hundred calls, was granted before the clock was
/// set back. It is void.
const VOID_AHEAD: TimeDelta = TimeDelta::hours(1);

const TAKING: &str = "taking calls from the rate limit";

/// The state of a key's rate limiter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeyRate {
    /// The time by PostgreSQL's clock.
    pub(super) now: DateTime<Utc>,
    /// The time up to which all calls are taken.
    free_at: DateTime<Utc>,
    /// The time before which the vendor asked not to call.
    pub(super) paused_until: Option<DateTime<Utc>>,
    /// The adaptive rate; `None` until a process has used one.
    pub(super) shared: Option<SharedRate>,
}

impl KeyRate {
    /// The time of the next call, if two calls have this interval.
    pub(super) fn next_start(&self, interval: TimeDelta) -> DateTime<Utc> {
        if self.free_at > self.now + VOID_AHEAD.max(interval * 100) {
            self.now
        } else {
            self.free_at.clamp(self.now, self.now + AHEAD_MAX.max(interval * 2))
        }
    }
}

/// Locks the row of a key, and creates it if it is missing.
///
/// `pause` is the time that the vendor asked this process to wait, counted from now.
pub(super) async fn lock(
    connection: &mut PgConnection,
    key: &KeyId,
    pause: Option<TimeDelta>,
) -> Result<KeyRate, WarehouseError> {
    let row = sqlx::query!(
        r#"insert into argos_sync.key_rate as stored (key_id, free_at, paused_until)
           values ($1, argos_sync.clock(), argos_sync.clock() + make_interval(secs => $2))
           on conflict (key_id) do update
           set paused_until = greatest(stored.paused_until, excluded.paused_until)
           returning argos_sync.clock() as "now!", free_at, paused_until, calls_per_second, cause,
               refused_calls_per_second, cuts, adjusted_at, changed_at, list_seconds,
               list_slow_seconds, list_slow_at, list_slow_cuts, detail_seconds,
               detail_slow_seconds, detail_slow_at, detail_slow_cuts"#,
        &key.0,
        pause.map(TimeDelta::as_seconds_f64),
    )
    .fetch_one(connection)
    .await
    .doing(TAKING)?;
    let slow = |seconds: Option<f64>, at: Option<DateTime<Utc>>, cuts: Option<i32>| {
        Some(SlowLatency {
            latency: seconds?,
            judged_at: at?,
            without_effect: u32::try_from(cuts?).unwrap_or_default(),
        })
    };
    let mut latencies = ByCall::default();
    latencies[Call::List] = KnownLatency {
        baseline: row.list_seconds,
        slow: slow(row.list_slow_seconds, row.list_slow_at, row.list_slow_cuts),
    };
    latencies[Call::Detail] = KnownLatency {
        baseline: row.detail_seconds,
        slow: slow(row.detail_slow_seconds, row.detail_slow_at, row.detail_slow_cuts),
    };
    let known = row.calls_per_second.zip(row.adjusted_at);
    let shared = known.map(|(rate, adjusted_at)| SharedRate {
        rate,
        refused: row.refused_calls_per_second,
        cuts: row.cuts,
        adjusted_at,
        changed_at: row.changed_at.unwrap_or(adjusted_at),
        cause: row.cause.as_deref().and_then(RateCause::of).unwrap_or(RateCause::Healthy),
        latencies,
    });
    Ok(KeyRate { now: row.now, free_at: row.free_at, paused_until: row.paused_until, shared })
}

/// Stores the time of the next call, and an adaptive rate.
pub(super) async fn store(
    connection: &mut PgConnection,
    key: &KeyId,
    free_at: DateTime<Utc>,
    shared: Option<&SharedRate>,
) -> Result<(), WarehouseError> {
    let Some(shared) = shared else {
        // Another process of the key may use an adaptive rate.
        return sqlx::query!(
            "update argos_sync.key_rate set free_at = $2 where key_id = $1",
            &key.0,
            free_at,
        )
        .execute(connection)
        .await
        .map(drop)
        .doing(TAKING);
    };
    let (list, detail) = (shared.latencies[Call::List], shared.latencies[Call::Detail]);
    let cuts = |slow: SlowLatency| i32::try_from(slow.without_effect).unwrap_or(i32::MAX);
    sqlx::query!(
        "update argos_sync.key_rate
         set free_at = $2, calls_per_second = $3, cause = $4, refused_calls_per_second = $5,
            cuts = $6, adjusted_at = $7, list_seconds = $8, list_slow_seconds = $9,
            list_slow_at = $10, list_slow_cuts = $11, detail_seconds = $12,
            detail_slow_seconds = $13, detail_slow_at = $14, detail_slow_cuts = $15,
            changed_at = $16
         where key_id = $1",
        &key.0,
        free_at,
        shared.rate,
        shared.cause.as_str(),
        shared.refused,
        shared.cuts,
        shared.adjusted_at,
        list.baseline,
        list.slow.map(|slow| slow.latency),
        list.slow.map(|slow| slow.judged_at),
        list.slow.map(cuts),
        detail.baseline,
        detail.slow.map(|slow| slow.latency),
        detail.slow.map(|slow| slow.judged_at),
        detail.slow.map(cuts),
        shared.changed_at,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing(TAKING)
}

/// The rate of a project's key.
#[derive(Debug, Clone, PartialEq)]
pub struct RateReport {
    /// The project's name.
    pub project: String,
    /// The adaptive rate in calls a second; `None` if no process has used one.
    pub calls_per_second: Option<f64>,
    /// When and why it last changed.
    pub changed: Option<(DateTime<Utc>, RateCause)>,
    /// The rate at which the vendor last refused calls or slowed down.
    pub refused_calls_per_second: Option<f64>,
    /// The end of the pause that the vendor asked for, if it has not ended.
    pub paused_until: Option<DateTime<Utc>>,
}

impl Warehouse {
    /// Returns the random secret from which the ids of keys are derived. Makes a single attempt.
    pub async fn key_secret(&self) -> Result<SecretSlice<u8>, WarehouseError> {
        sqlx::query_scalar!("select value from argos_sync.key_secret")
            .fetch_one(&self.pool)
            .await
            .map(SecretSlice::from)
            .doing("reading the secret of key ids")
    }

    /// Stores that the vendor asked to make no calls with a key for this time. Makes a single
    /// attempt.
    pub async fn pause_key(&self, key: &KeyId, time: TimeDelta) -> Result<(), WarehouseError> {
        sqlx::query!(
            "update argos_sync.key_rate
             set paused_until =
                greatest(paused_until, argos_sync.clock() + make_interval(secs => $2))
             where key_id = $1",
            &key.0,
            time.as_seconds_f64(),
        )
        .execute(&self.pool)
        .await
        .map(drop)
        .doing("storing a pause of the vendor")
    }

    /// Returns the rate of the key that each project used last.
    pub async fn rate_reports(&self) -> Result<Vec<RateReport>, WarehouseError> {
        let rows = sqlx::query!(
            r#"select distinct on (project) project, calls_per_second, changed_at, cause,
                   refused_calls_per_second,
                   case when paused_until > argos_sync.clock() then paused_until end as paused_until
               from argos_sync.project_key join argos_sync.key_rate using (key_id)
               order by project, free_at desc"#
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the rates")?;
        let reports = rows.into_iter().map(|row| RateReport {
            project: row.project,
            calls_per_second: row.calls_per_second,
            changed: row.changed_at.zip(row.cause.as_deref().and_then(RateCause::of)),
            refused_calls_per_second: row.refused_calls_per_second,
            paused_until: row.paused_until,
        });
        Ok(reports.collect())
    }
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
            let rate = KeyRate { now, free_at, paused_until: None, shared: None };
            let start = rate.next_start(TimeDelta::seconds(interval_seconds));
            assert_eq!((start - now).num_seconds(), expected, "{free_at_seconds}");
        }
    }
}
