//! Requested backfills and their completed windows.

use crate::{
    domain::{Day, ProjectName, Stream, Window},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// A backfill and its completed windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// The id in the tables.
    pub backfill_id: i64,
    /// Windows that an earlier start of the backfill has already read.
    pub done: Vec<Window>,
}

impl Warehouse {
    /// Resumes the unfinished backfill of these days, or begins one. With `restart`, an unfinished
    /// backfill is replaced.
    pub async fn open_backfill(
        &self,
        project: &ProjectName,
        stream: Stream,
        window: Window,
        restart: bool,
    ) -> Result<Backfill, WarehouseError> {
        self.retry(async || {
            let doing = "opening a backfill";
            let mut transaction = self.begin(doing).await?;
            if restart {
                sqlx::query!(
                    "with replaced as (
                        update argos_sync.backfill
                        set ended_at = argos_sync.clock(), outcome = 'replaced'
                        where project = $1 and stream = $2 and window_from = $3 and window_to = $4
                            and ended_at is null
                        returning backfill_id)
                     update argos_sync.pass set state = 'dropped', ended_at = argos_sync.clock()
                     from replaced
                     where pass.backfill_id = replaced.backfill_id and pass.state = 'open'",
                    project.as_str(),
                    stream.as_str(),
                    window.from(),
                    window.to(),
                )
                .execute(&mut *transaction)
                .await
                .doing(doing)?;
            }
            let backfill_id = sqlx::query_scalar!(
                "insert into argos_sync.backfill as open
                    (project, stream, window_from, window_to, requested_at)
                 values ($1, $2, $3, $4, argos_sync.clock())
                 on conflict (project, stream, window_from, window_to) where ended_at is null
                 do update set requested_at = open.requested_at
                 returning backfill_id",
                project.as_str(),
                stream.as_str(),
                window.from(),
                window.to(),
            )
            .fetch_one(&mut *transaction)
            .await
            .doing(doing)?;
            let rows = sqlx::query!(
                "select window_from, window_to from argos_sync.pass
                 where backfill_id = $1 and state in ('complete', 'complete_empty')
                 order by window_from",
                backfill_id
            )
            .fetch_all(&mut *transaction)
            .await
            .doing(doing)?;
            transaction.commit().await.doing(doing)?;
            let done: Vec<(Day, Day)> =
                rows.into_iter().map(|row| (row.window_from, row.window_to)).collect();
            let done =
                done.into_iter().filter_map(|(from, to)| Window::new(from, to).ok()).collect();
            Ok(Backfill { backfill_id, done })
        })
        .await
    }

    /// Records that every window of a backfill was read.
    pub async fn end_backfill(&self, backfill_id: i64) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "update argos_sync.backfill set ended_at = argos_sync.clock(), outcome = 'complete'
                 where backfill_id = $1 and ended_at is null",
                backfill_id
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("ending a backfill")
        })
        .await
    }
}
