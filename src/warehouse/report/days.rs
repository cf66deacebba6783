//! The state of each day and of windows in progress.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Day, Window},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// A day that was read completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayReport {
    /// The project's name.
    pub project: String,
    /// The day.
    pub day: Day,
    /// Time as of which the day is complete.
    pub as_of: DateTime<Utc>,
    /// Number of live records of the day when it was last read.
    pub records: i32,
}

/// The state of a window that is not read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowState {
    /// A pass is reading it, or continues it later.
    Open,
    /// It appeared empty without proof.
    EmptyUnverified,
}

/// A window that is not read completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowReport {
    /// The project's name.
    pub project: String,
    /// Its days.
    pub days: Window,
    /// Its state.
    pub state: WindowState,
    /// Number of items of these days that its pass has received.
    pub received: i64,
}

impl Warehouse {
    /// Returns all days that were read, by project and day.
    pub async fn day_reports(&self) -> Result<Vec<DayReport>, WarehouseError> {
        sqlx::query_as!(
            DayReport,
            "select project, day, as_of, records from argos_sync.coverage
             -- The newest window reaches some days ahead.
             where day <= (as_of at time zone 'utc')::date
             order by project, day"
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the covered days")
    }

    /// Returns the windows that are being read, and those that appeared empty without proof and
    /// were not read completely since.
    pub async fn window_reports(&self) -> Result<Vec<WindowReport>, WarehouseError> {
        let rows = sqlx::query!(
            r#"select distinct on (project, window_from, window_to, state)
                project, window_from, window_to, state, in_window
               from argos_sync.pass
               where state in ('open', 'empty_unverified') and (state = 'open' or not exists (
                select from argos_sync.coverage
                where coverage.project = pass.project and coverage.stream = pass.stream
                    and coverage.day = pass.window_from and coverage.fence > pass.fence))
               order by project, window_from, window_to, state, pass_id desc"#
        );
        let rows = rows.fetch_all(&self.pool).await.doing("reading the open windows")?;
        let reports = rows.into_iter().filter_map(|row| {
            let state = match row.state.as_str() {
                "open" => WindowState::Open,
                _ => WindowState::EmptyUnverified,
            };
            let days = Window::new(row.window_from, row.window_to).ok()?;
            Some(WindowReport { project: row.project, days, state, received: row.in_window })
        });
        Ok(reports.collect())
    }
}
