//! Unfinished backfills.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Day, Window},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// An unfinished backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillReport {
    /// The project's name.
    pub project: String,
    /// Its stream.
    pub stream: String,
    /// The requested days.
    pub days: Window,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// Number of windows that are not read yet.
    pub windows_left: i64,
}

struct BackfillRow {
    project: String,
    stream: String,
    window_from: Day,
    window_to: Day,
    requested_at: DateTime<Utc>,
    windows_left: i64,
}

impl Warehouse {
    /// Returns the unfinished backfills of all projects.
    pub async fn backfill_reports(&self) -> Result<Vec<BackfillReport>, WarehouseError> {
        let rows = sqlx::query_as!(
            BackfillRow,
            r#"select project, stream, window_from, window_to, requested_at,
                (select count(*) from argos_sync.backfill_window as wanted
                 where wanted.backfill_id = backfill.backfill_id) as "windows_left!"
               from argos_sync.backfill where ended_at is null
               order by project, backfill_id"#
        );
        let rows = rows.fetch_all(&self.pool).await.doing("reading the unfinished backfills")?;
        let reports = rows.into_iter().filter_map(|row| {
            Some(BackfillReport {
                project: row.project,
                stream: row.stream,
                days: Window::new(row.window_from, row.window_to).ok()?,
                requested_at: row.requested_at,
                windows_left: row.windows_left,
            })
        });
        Ok(reports.collect())
    }
}
