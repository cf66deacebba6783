//! The windows of a backfill that are not read yet: a work list for any number of processes.

use sqlx::PgConnection;

use super::{
    backfill::Backfill,
    claim::{self, Claim},
    lease::HeldClaims,
};
use crate::{
    domain::{Day, ListScope, Window},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// The next window of a backfill.
#[derive(Debug)]
pub enum NextWindow {
    /// This process reads it.
    Claimed(Claim),
    /// All windows that are left are being read. Other processes hold these claims on them; none if
    /// this process reads all of them.
    Held(HeldClaims),
    /// No window is left.
    NoneLeft {
        /// Whether any of the days has a live record.
        has_records: bool,
    },
    /// The backfill was replaced by another, or cancelled.
    Dropped,
}

impl Warehouse {
    /// Claims the newest window of a backfill that no process reads, except those that begin on
    /// these days. Also returns the number of windows that are not read yet.
    ///
    /// `is_idle`: this process reads no window of the project.
    pub async fn claim_next_window(
        &self,
        backfill: &Backfill,
        except: &[Day],
        holder: &str,
        is_idle: bool,
    ) -> Result<(NextWindow, u64), WarehouseError> {
        self.retry(async || {
            let doing = "claiming a window of a backfill";
            let (project, stream) = (&backfill.project, backfill.stream);
            let mut transaction = self.begin(doing).await?;
            claim::lock(&mut transaction, project).await?;
            claim::delete_expired(&mut transaction, project, stream).await?;
            if is_idle {
                claim::delete_stale(&mut transaction, project, stream, None, holder).await?;
            }
            let left = windows_left(&mut transaction, backfill).await?;
            let next = next_window(&mut transaction, backfill, &left, except, holder).await?;
            transaction.commit().await.doing(doing)?;
            Ok((next, left.len() as u64))
        })
        .await
    }

    /// Whether every window of a backfill is read.
    pub async fn is_backfill_read(&self, backfill: &Backfill) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let mut connection = self.pool.acquire().await.doing("reading a backfill")?;
            Ok(windows_left(&mut connection, backfill).await?.is_empty())
        })
        .await
    }

    /// Removes a window that was read from its backfill, and releases its claim.
    pub async fn finish_window(
        &self,
        backfill: &Backfill,
        claim: &Claim,
    ) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "with read as (
                    delete from argos_sync.backfill_window
                    where backfill_id = $3 and window_from = $4 and window_to = $5)
                 delete from argos_sync.claim where claim_id = $1 and fence = $2",
                claim.number,
                claim.fence,
                backfill.backfill_id,
                claim.window.from(),
                claim.window.to(),
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("releasing a window of a backfill")
        })
        .await
    }
}

/// Returns the windows that are not read yet, the newest first.
async fn windows_left(
    connection: &mut PgConnection,
    backfill: &Backfill,
) -> Result<Vec<Window>, WarehouseError> {
    let rows = sqlx::query!(
        "select window_from, window_to from argos_sync.backfill_window
         where backfill_id = $1 order by window_from desc",
        backfill.backfill_id
    );
    let rows = rows.fetch_all(connection).await.doing("reading the windows of a backfill")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Window::new(row.window_from, row.window_to).ok())
        .collect())
}

struct ClaimRow {
    fence: i64,
    holder: String,
    window_from: Day,
    window_to: Day,
}

async fn next_window(
    connection: &mut PgConnection,
    backfill: &Backfill,
    left: &[Window],
    except: &[Day],
    holder: &str,
) -> Result<NextWindow, WarehouseError> {
    let doing = "claiming a window of a backfill";
    let Backfill { backfill_id, project, stream, days } = backfill;
    let wanted: Vec<Window> =
        left.iter().copied().filter(|window| !except.contains(&window.from())).collect();
    let claims = sqlx::query_as!(
        ClaimRow,
        "select fence, holder, window_from, window_to from argos_sync.claim
         where project = $1 and stream = $2 and expires_at > argos_sync.clock()",
        project.as_str(),
        stream.as_str(),
    );
    let claims = claims.fetch_all(&mut *connection).await.doing(doing)?;
    let overlaps =
        |(from, to): (Day, Day), window: &Window| from < window.to() && window.from() < to;
    let days_of = |row: &ClaimRow| (row.window_from, row.window_to);
    let is_claimed = |window: &Window| claims.iter().any(|claim| overlaps(days_of(claim), window));
    for window in wanted.iter().filter(|window| !is_claimed(window)) {
        // A locked or missing row is being removed by the process that has read the window.
        let row = sqlx::query!(
            "select from argos_sync.backfill_window
             where backfill_id = $1 and window_from = $2 and window_to = $3
             for update skip locked",
            backfill_id,
            window.from(),
            window.to(),
        );
        if row.fetch_optional(&mut *connection).await.doing(doing)?.is_none() {
            continue;
        }
        let reading = ListScope::Window(*window);
        if let Some(claim) =
            claim::insert(&mut *connection, project, *stream, reading, holder).await?
        {
            return Ok(NextWindow::Claimed(claim));
        }
    }
    if !wanted.is_empty() {
        let of_others = claims.iter().filter(|claim| {
            claim.holder != holder && wanted.iter().any(|window| overlaps(days_of(claim), window))
        });
        return Ok(NextWindow::Held(of_others.map(|claim| claim.fence).collect()));
    }
    let ended = sqlx::query!(
        r#"select coalesce(outcome <> 'complete', false) as "is_dropped!",
            exists (
                select from argos_sync.coverage
                where project = $2 and stream = $3 and day >= $4 and day < $5
                  and records > 0) as "has_records!"
           from argos_sync.backfill where backfill_id = $1"#,
        backfill_id,
        project.as_str(),
        stream.as_str(),
        days.from(),
        days.to(),
    );
    Ok(match ended.fetch_optional(connection).await.doing(doing)? {
        Some(ended) if !ended.is_dropped => NextWindow::NoneLeft { has_records: ended.has_records },
        Some(_) | None => NextWindow::Dropped,
    })
}

/// Cuts the window of a pass in two if a backfill contains it.
pub(super) async fn halve_window(
    connection: &mut PgConnection,
    pass_id: i64,
    middle: Day,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "with halved as (
            update argos_sync.backfill_window as wanted set window_to = $2
            from argos_sync.pass
            where pass_id = $1 and wanted.backfill_id = pass.backfill_id
                and wanted.window_from = pass.window_from and wanted.window_to = pass.window_to
            returning wanted.backfill_id, wanted.project, pass.window_to)
         insert into argos_sync.backfill_window (backfill_id, project, window_from, window_to)
         select backfill_id, project, $2, window_to from halved",
        pass_id,
        middle,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("cutting a window in two")
}
