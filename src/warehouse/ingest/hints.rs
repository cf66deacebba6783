//! Compares the digests of lists with `request_type=aml`. A changed digest makes a detail call due;
//! nothing else is stored.

use crate::{
    domain::{Day, Digest, HintPlace},
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::{self, Warehouse},
        },
        scope::Scope,
        state::detail_queue::{self, Priority},
        tx::Tx,
    },
};
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// One item of such a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The record's id.
    pub id: String,
    /// The digest of its object `aml`.
    pub digest: Digest,
}

impl Warehouse {
    /// Reads the progress of such lists, and the current time by PostgreSQL's clock.
    pub async fn hint_place(
        &self,
        scope: &Scope,
    ) -> Result<(HintPlace, DateTime<Utc>), WarehouseError> {
        self.retry(async || {
            let row = sqlx::query!(
                r#"select hint_started_at, hint_before, hint_until, argos_sync.clock() as "now!"
                   from argos_sync.project where project = $1"#,
                scope.project.as_str(),
            )
            .fetch_one(&self.pool)
            .await
            .doing("reading the progress of lists of AML data")?;
            let place = HintPlace {
                started_at: row.hint_started_at,
                before: row.hint_before,
                until: row.hint_until,
            };
            Ok((place, row.now))
        })
        .await
    }

    /// Stores the progress of such lists unless another process has advanced it from `from` in the
    /// meantime. Returns whether it was stored.
    pub async fn move_hints(
        &self,
        scope: &Scope,
        from: &HintPlace,
        to: &HintPlace,
    ) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let moved = sqlx::query!(
                "update argos_sync.project
                 set hint_started_at = $2, hint_before = $3, hint_until = $4
                 where project = $1 and hint_started_at is not distinct from $5
                   and hint_before is not distinct from $6
                   and hint_until is not distinct from $7",
                scope.project.as_str(),
                to.started_at,
                to.before,
                to.until,
                from.started_at,
                from.before,
                from.until,
            )
            .execute(&self.pool)
            .await
            .doing("storing the progress of lists of AML data")?;
            Ok(moved.rows_affected() == 1)
        })
        .await
    }

    /// Returns the days before `before` that have records with incomplete list items, in order.
    pub async fn sparse_days(
        &self,
        scope: &Scope,
        before: Day,
    ) -> Result<Vec<Day>, WarehouseError> {
        self.retry(async || {
            sqlx::query_scalar!(
                "select distinct window_day from argos_sync.record
                 where project = $1 and stream = $2 and sparse is not null and window_day < $3
                 order by window_day",
                scope.project.as_str(),
                scope.stream.as_str(),
                before,
            )
            .fetch_all(&self.pool)
            .await
            .doing("reading days of records that lists leave things out of")
        })
        .await
    }

    /// Compares hints with the stored ones, and makes detail calls due for those that differ.
    /// Returns their number. Only records with incomplete list items count. The first hint of a
    /// record is only stored: the schedule of detail calls finds earlier changes.
    pub async fn take_hints(
        &self,
        scope: &Arc<Scope>,
        hints: &[Hint],
    ) -> Result<usize, WarehouseError> {
        self.retry(async || {
            if hints.is_empty() {
                return Ok(0);
            }
            let doing = "comparing hints";
            let mut transaction = self.begin(doing).await?;
            let now = pool::now(&mut transaction).await?;
            let ids: Vec<&str> = hints.iter().map(|hint| hint.id.as_str()).collect();
            let digests: Vec<&[u8]> = hints.iter().map(|hint| &hint.digest.0[..]).collect();
            let changed = sqlx::query!(
                r#"with found as materialized (
                    select stored.place, stored.before, given.digest
                    from (select distinct on (id) id, digest
                        from unnest($3::text[], $4::bytea[]) as given (id, digest)) as given
                    cross join lateral (
                        select ctid as place, hint_digest as before from argos_sync.record
                        where project = $1 and stream = $2 and id = given.id and sparse is not null
                            and hint_digest is distinct from given.digest
                        for update skip locked) as stored)
                   update argos_sync.record as own set hint_digest = found.digest
                   from found where own.ctid = found.place
                   returning own.id, found.before is not null as "is_change!""#,
                scope.project.as_str(),
                scope.stream.as_str(),
                &ids as &[&str],
                &digests as &[&[u8]],
            )
            .fetch_all(&mut *transaction)
            .await
            .doing(doing)?;
            let due = changed.iter().filter(|row| row.is_change);
            let due: Vec<&str> = due.map(|row| row.id.as_str()).collect();
            let mut tx = Tx::new(&mut transaction, scope, now);
            detail_queue::mark(&mut tx, &due, Priority::News, now).await?;
            transaction.commit().await.doing(doing)?;
            Ok(due.len())
        })
        .await
    }
}
