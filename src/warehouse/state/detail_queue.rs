//! The queue of records that need a detail call, with their priority.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    domain::{Day, Lane},
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::{self, Warehouse},
        },
        scope::Scope,
        tx::Tx,
    },
};

/// The priority of a detail call; lower values first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// The record changed recently, may be deleted, or is scheduled because lists do not show it
    /// completely.
    News,
    /// A backfill stored the record.
    History,
    /// The record is next in the slow cycle through all records.
    Cycle,
}

impl Priority {
    /// The priority of records that a lane stores.
    pub(in crate::warehouse) fn of(lane: Lane) -> Self {
        match lane {
            Lane::Recent | Lane::Unsettled | Lane::Detail | Lane::Audit => Self::News,
            Lane::Backfill => Self::History,
        }
    }

    pub(in crate::warehouse) fn number(self) -> i16 {
        match self {
            Self::News => 0,
            Self::History => 1,
            Self::Cycle => 2,
        }
    }
}

/// Makes detail calls due. Invalidates a worker's claim on such a call, because its request may
/// have been made too early.
pub(in crate::warehouse) async fn mark(
    tx: &mut Tx<'_>,
    ids: &[&str],
    priority: Priority,
    due_at: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into argos_sync.detail_due as stored (project, stream, id, due_at, priority)
         select $1, $2, given.id, $4, $5 from unnest($3::text[]) as given (id)
         order by given.id
         on conflict (project, stream, id) do update
         set due_at = excluded.due_at, priority = least(stored.priority, excluded.priority),
             fence = 0, expires_at = '-infinity', failures = 0",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
        due_at,
        priority.number(),
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("storing due detail calls")
}

impl Warehouse {
    /// Makes a detail call due for this record. Returns 0 if it is not known, else 1.
    pub async fn request_detail(
        &self,
        scope: &Arc<Scope>,
        id: &str,
    ) -> Result<u64, WarehouseError> {
        self.request(scope, Priority::News, async |connection| {
            sqlx::query_scalar!(
                "select id from argos_sync.record where project = $1 and stream = $2 and id = $3",
                scope.project.as_str(),
                scope.stream.as_str(),
                id,
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    /// Makes a detail call due for each live record of this day. Returns their number.
    pub async fn request_details(
        &self,
        scope: &Arc<Scope>,
        day: Day,
    ) -> Result<u64, WarehouseError> {
        self.request(scope, Priority::History, async |connection| {
            sqlx::query_scalar!(
                "select id from argos_sync.record
                 where project = $1 and stream = $2 and window_day = $3 and deleted_at is null",
                scope.project.as_str(),
                scope.stream.as_str(),
                day,
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    /// Makes a detail call due for each selected record. Returns their number.
    async fn request(
        &self,
        scope: &Arc<Scope>,
        priority: Priority,
        select: impl AsyncFn(&mut PgConnection) -> Result<Vec<String>, sqlx::Error>,
    ) -> Result<u64, WarehouseError> {
        self.retry(async || {
            let doing = "requesting detail calls";
            let mut transaction = self.begin(doing).await?;
            let now = pool::now(&mut transaction).await?;
            let ids = select(&mut transaction).await.doing(doing)?;
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            mark(&mut Tx::new(&mut transaction, scope, now), &ids, priority, now).await?;
            transaction.commit().await.doing(doing)?;
            Ok(ids.len() as u64)
        })
        .await
    }
}
