//! Which records get a detail call, and how soon.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    domain::Lane,
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        scope::Scope,
    },
};

/// How soon a detail call is made: lower ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// For what changed lately, may be gone, or is scheduled because lists do not show it whole.
    News,
    /// For what a backfill brought.
    History,
    /// For what comes around in the slow cycle through all records.
    Cycle,
}

impl Priority {
    /// The rank of what a lane brings.
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

/// Makes detail calls due. One that a worker is already making does not count: it may have been
/// asked too early.
pub(in crate::warehouse) async fn mark(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[&str],
    priority: Priority,
    due_at: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into argos_sync.detail_due as stored (project, stream, id, due_at, priority)
         select $1, $2, given.id, $4, $5 from unnest($3::text[]) as given (id)
         order by given.id
         on conflict (project, stream, id) do update
         set due_at = excluded.due_at, priority = least(stored.priority, excluded.priority), fence = 0, expires_at = '-infinity', failures = 0",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
        due_at,
        priority.number(),
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("noting what is due")
}
