//! Days that could not be read despite all attempts.

use chrono::{DateTime, NaiveDate, Utc};

use crate::warehouse::postgres::{
    error::{Doing as _, WarehouseError},
    pool::Warehouse,
};

/// A day whose last pass was given up and that no later pass has read completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedDay {
    /// The project's name.
    pub project: String,
    /// Its stream.
    pub stream: String,
    /// The day.
    pub day: NaiveDate,
    /// When it was last given up.
    pub ended_at: Option<DateTime<Utc>>,
    /// The last error.
    pub error: Option<String>,
}

impl Warehouse {
    /// Returns the blocked days of all projects, in order.
    pub async fn blocked_days(&self) -> Result<Vec<BlockedDay>, WarehouseError> {
        sqlx::query_as!(
            BlockedDay,
            "select distinct on (project, stream, window_from)
                project, stream, window_from as day, ended_at, last_error as error
             from argos_sync.pass
             where state = 'blocked' and not exists (
                select from argos_sync.coverage
                where coverage.project = pass.project and coverage.stream = pass.stream
                  and coverage.day = pass.window_from and coverage.as_of >= pass.started_at)
             order by project, stream, window_from, pass_id desc",
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading blocked days")
    }
}
