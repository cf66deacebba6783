//! The progress of the slow cycle of detail calls through all records.

use super::detail_queue::{self, Priority};
use crate::warehouse::{
    postgres::{
        error::{Doing as _, WarehouseError},
        pool::{self, Warehouse},
    },
    scope::Scope,
    tx::Tx,
};
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// Maximum number of records made due in one transaction.
const STEP: i64 = 1000;

/// One round of the cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    /// When the round began.
    pub started_at: DateTime<Utc>,
    /// The number of records on covered days.
    pub records: u64,
    /// The number of records that the round has made due.
    pub done: u64,
    /// The current time by PostgreSQL's clock.
    pub now: DateTime<Utc>,
}

impl Warehouse {
    /// Reads the progress of the cycle. The first call begins a cycle.
    pub async fn cycle(&self, scope: &Scope) -> Result<Cycle, WarehouseError> {
        self.retry(async || {
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
                r#"select detail_cycle_started_at as "started_at!", detail_cycle_count,
                    argos_sync.clock() as "now!", (
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
        })
        .await
    }

    /// Makes detail calls due for the next records of the cycle, at most `count_max` and at most
    /// one step of a transaction. Returns their number and whether the round has reached the end.
    /// The next round begins once `cycle` has passed since the start of this one.
    pub async fn advance_cycle(
        &self,
        scope: &Arc<Scope>,
        count_max: u64,
        cycle: chrono::Duration,
    ) -> Result<(u64, bool), WarehouseError> {
        self.retry(async || {
            let doing = "advancing the cycle";
            let step = i64::try_from(count_max).unwrap_or(STEP).min(STEP);
            let mut transaction = self.begin(doing).await?;
            let now = pool::now(&mut transaction).await?;
            let place = sqlx::query!(
                "select detail_cycle_after_id, detail_cycle_started_at from argos_sync.project
                 where project = $1 for update",
                scope.project.as_str(),
            )
            .fetch_one(&mut *transaction)
            .await
            .doing(doing)?;
            let ids = sqlx::query_scalar!(
                "select id from argos_sync.record
                 where project = $1 and stream = $2 and id > $3 and deleted_at is null
                 order by id limit $4",
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
            let mut tx = Tx::new(&mut transaction, scope, now);
            detail_queue::mark(&mut tx, &due, Priority::Cycle, now).await?;
            if count < step && is_over {
                sqlx::query!(
                    "update argos_sync.project
                     set detail_cycle_after_id = '', detail_cycle_count = 0,
                         detail_cycle_started_at = $2
                     where project = $1",
                    scope.project.as_str(),
                    now,
                )
                .execute(&mut *transaction)
                .await
                .doing(doing)?;
            } else if let Some(last) = ids.last() {
                sqlx::query!(
                    "update argos_sync.project
                     set detail_cycle_after_id = $2, detail_cycle_count = detail_cycle_count + $3
                     where project = $1",
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
        })
        .await
    }
}
