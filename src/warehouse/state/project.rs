//! The state of a project, apart from its records.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    domain::{Kind, ProjectName},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// The state of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectState {
    /// When the vendor began to refuse the project's key; `None` if it is accepted.
    pub blocked_at: Option<DateTime<Utc>>,
    /// The vendor's answer, sanitized.
    pub blocked_reason: Option<String>,
    /// The time until which the vendor requested a pause.
    pub not_before: Option<DateTime<Utc>>,
}

impl Warehouse {
    /// Registers a project, or updates its kind and parent.
    pub async fn register(&self, project: &ProjectName, kind: &Kind) -> Result<(), WarehouseError> {
        self.retry(async || {
            let (kind, parent) = match kind {
                Kind::IdCheck => ("idcheck", None),
                Kind::FaceAuth { parent } => ("faceauth", Some(parent.as_str())),
            };
            sqlx::query!(
                "insert into argos_sync.project as stored (project, kind, parent)
                 values ($1, $2, $3)
                 on conflict (project) do update set kind = excluded.kind, parent = excluded.parent
                 where (stored.kind, stored.parent)
                     is distinct from (excluded.kind, excluded.parent)",
                project.as_str(),
                kind,
                parent,
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("registering a project")
        })
        .await
    }

    /// Reads the state of a project; the default if it is unknown.
    pub async fn project_state(
        &self,
        project: &ProjectName,
    ) -> Result<ProjectState, WarehouseError> {
        let state = sqlx::query_as!(
            ProjectState,
            "select blocked_at, blocked_reason, not_before from argos_sync.project
             where project = $1",
            project.as_str(),
        )
        .fetch_optional(&self.pool)
        .await
        .doing("reading a project")?;
        Ok(state.unwrap_or_default())
    }

    /// Whether any list of the project has contained a next-page key.
    pub async fn end_is_marked(&self, project: &ProjectName) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let marked = sqlx::query_scalar!(
                "select end_marked from argos_sync.project where project = $1",
                project.as_str(),
            )
            .fetch_optional(&self.pool)
            .await
            .doing("reading a project")?;
            Ok(marked.unwrap_or_default())
        })
        .await
    }

    /// Whether the date filter has returned an item of the requested days to any process.
    pub async fn is_filter_proven(&self, project: &ProjectName) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let is_proven = sqlx::query_scalar!(
                "select filter_proven from argos_sync.project where project = $1",
                project.as_str(),
            )
            .fetch_optional(&self.pool)
            .await
            .doing("reading the date filter")?;
            Ok(is_proven.unwrap_or_default())
        })
        .await
    }

    /// Records that the vendor refuses a project's key. `reason` is the vendor's answer, which must
    /// not contain a secret.
    pub async fn block(&self, project: &ProjectName, reason: &str) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "update argos_sync.project
                 set blocked_at = coalesce(blocked_at, argos_sync.clock()), blocked_reason = $2
                 where project = $1",
                project.as_str(),
                reason,
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("blocking a project")
        })
        .await
    }

    /// Pauses a project: no process makes calls for it. Returns false if it was paused already.
    pub async fn pause_project(&self, project: &ProjectName) -> Result<bool, WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "update argos_sync.project set paused_at = argos_sync.clock()
                 where project = $1 and paused_at is null",
                project.as_str(),
            )
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected() > 0)
            .doing("pausing a project")
        })
        .await
    }

    /// Ends the pause of a project. Returns false if it was not paused.
    pub async fn resume_project(&self, project: &ProjectName) -> Result<bool, WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "update argos_sync.project set paused_at = null
                 where project = $1 and paused_at is not null",
                project.as_str(),
            )
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected() > 0)
            .doing("resuming a project")
        })
        .await
    }

    /// Records that the vendor accepts a project's key.
    pub async fn unblock(&self, project: &ProjectName) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "update argos_sync.project set blocked_at = null, blocked_reason = null
                 where project = $1 and blocked_at is not null",
                project.as_str(),
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("unblocking a project")
        })
        .await
    }
}

/// Records what a page was the first to prove. After an item of the requested days, an empty window
/// is proven empty. After a next-page key, a full page without one is the last page.
pub(in crate::warehouse) async fn note_seen(
    connection: &mut PgConnection,
    project: &ProjectName,
    proves_filter: bool,
    end_marked: bool,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "update argos_sync.project
         set filter_proven = filter_proven or $2, end_marked = end_marked or $3
         where project = $1 and (($2 and not filter_proven) or ($3 and not end_marked))",
        project.as_str(),
        proves_filter,
        end_marked,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("storing the findings of a page")
}
