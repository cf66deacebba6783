//! Where the slow cycle of detail calls through all records stands.

use super::detail_queue::{self, Priority};
use crate::warehouse::{
    postgres::{
        error::{Doing as _, WarehouseError},
        pool::{self, Warehouse},
    },
    scope::Scope,
};
use chrono::{DateTime, Utc};

/// Records that are made due in one transaction.
const STEP: i64 = 1000;

/// A turn of the cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Records there are, as far as covered days tell.
    pub records: u64,
    /// Records it has asked for.
    pub done: u64,
    /// The time by the one clock.
    pub now: DateTime<Utc>,
}

impl Warehouse {
    /// Reads where the cycle stands; the first look begins one.
    pub async fn cycle(&self, scope: &Scope) -> Result<Cycle, WarehouseError> {
        let doing = "reading the cycle";
        sqlx::query!(
            "update argos_sync.project set detail_cycle_started_at = argos_sync.clock()
             where project = $1 and detail_cycle_started_at is null",
            scope.project.as_str(),
        )
        .execute(&self.pool)
        .await
        .doing(doing)?;
        let row = sqlx::query!(
            r#"select detail_cycle_started_at as "started_at!", detail_cycle_count, argos_sync.clock() as "now!", (
                select coalesce(sum(records), 0) from argos_sync.coverage as covered
                where covered.project = $1 and covered.stream = $2) as "records!"
               from argos_sync.project where project = $1"#,
            scope.project.as_str(),
            scope.stream.as_str(),
        )
        .fetch_one(&self.pool)
        .await
        .doing(doing)?;
        Ok(Cycle {
            started_at: row.started_at,
            records: u64::try_from(row.records).unwrap_or_default(),
            done: u64::try_from(row.detail_cycle_count).unwrap_or_default(),
            now: row.now,
        })
    }

    /// Makes detail calls due for the next records of the cycle, at most so many, and not more than
    /// a transaction should hold; returns how many, and whether the cycle is through. Then the next
    /// one begins once its time has come.
    pub async fn advance_cycle(
        &self,
        scope: &Scope,
        count_max: u64,
        cycle: chrono::Duration,
    ) -> Result<(u64, bool), WarehouseError> {
        let doing = "advancing the cycle";
        let step = i64::try_from(count_max).unwrap_or(STEP).min(STEP);
        let mut transaction = self.begin(doing).await?;
        let now = pool::now(&mut transaction).await?;
        let place = sqlx::query!(
            "select detail_cycle_after_id, detail_cycle_started_at from argos_sync.project where project = $1 for update",
            scope.project.as_str(),
        )
        .fetch_one(&mut *transaction)
        .await
        .doing(doing)?;
        let ids = sqlx::query_scalar!(
            "select id from argos_sync.record
             where project = $1 and stream = $2 and id > $3 and deleted_at is null order by id limit $4",
            scope.project.as_str(),
            scope.stream.as_str(),
            place.detail_cycle_after_id,
            step,
        )
        .fetch_all(&mut *transaction)
        .await
        .doing(doing)?;
        let count = i64::try_from(ids.len()).unwrap_or(step);
        let is_over =
            place.detail_cycle_started_at.is_some_and(|started_at| now - started_at >= cycle);
        let due: Vec<&str> = ids.iter().map(String::as_str).collect();
        detail_queue::mark(&mut transaction, scope, &due, Priority::Cycle, now).await?;
        if count < step && is_over {
            sqlx::query!(
                "update argos_sync.project set detail_cycle_after_id = '', detail_cycle_count = 0, detail_cycle_started_at = $2 where project = $1",
                scope.project.as_str(),
                now,
            )
            .execute(&mut *transaction)
            .await
            .doing(doing)?;
        } else if let Some(last) = ids.last() {
            sqlx::query!(
                "update argos_sync.project set detail_cycle_after_id = $2, detail_cycle_count = detail_cycle_count + $3 where project = $1",
                scope.project.as_str(),
                last,
                count,
            )
            .execute(&mut *transaction)
            .await
            .doing(doing)?;
        }
        transaction.commit().await.doing(doing)?;
        Ok((u64::try_from(count).unwrap_or_default(), count < step))
    }
}
