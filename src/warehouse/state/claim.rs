//! Claims: the right to read and write a window, with a fencing number and an expiry time (I6).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::lease::HeldClaims;
use crate::{
    domain::{ListScope, ProjectName, Stream, Window},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// Lease of a claim in seconds. Storing a page renews it.
pub(in crate::warehouse) const LEASE_SECONDS: f64 = 300.0;

/// The right to write a window, valid until another process takes it over.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(super) number: i64,
    pub(in crate::warehouse) fence: i64,
    /// The project that the window belongs to.
    pub project: ProjectName,
    /// The stream to read.
    pub stream: Stream,
    /// The part of the list to read.
    pub reading: ListScope,
    /// The claimed days.
    pub window: Window,
}

/// The result of an attempt to claim a window.
#[derive(Debug)]
pub enum Claiming {
    /// This process holds the claim.
    Claimed(Claim),
    /// Other processes hold some of its days.
    Held(HeldClaims),
}

impl Claiming {
    /// The claim; `None` if other processes hold some of its days.
    pub fn claimed(self) -> Option<Claim> {
        match self {
            Self::Claimed(claim) => Some(claim),
            Self::Held(_) => None,
        }
    }
}

#[cfg(test)]
impl Claim {
    /// A claim that no table contains.
    pub(crate) fn example(window: Window) -> Self {
        Self {
            number: 1,
            fence: 1,
            project: "main".parse().unwrap(),
            stream: Stream::Submission,
            reading: ListScope::Window(window),
            window,
        }
    }
}

impl Warehouse {
    /// Claims a window, unless another process holds any of its days.
    pub async fn claim(
        &self,
        project: &ProjectName,
        stream: Stream,
        reading: ListScope,
        holder: &str,
    ) -> Result<Claiming, WarehouseError> {
        self.retry(async || {
            let doing = "claiming a window";
            let mut transaction = self.begin(doing).await?;
            lock(&mut transaction, project).await?;
            delete_expired(&mut transaction, project, stream).await?;
            delete_stale(&mut transaction, project, stream, Some(reading.claimed()), holder)
                .await?;
            let claiming = match insert(&mut transaction, project, stream, reading, holder).await? {
                Some(claim) => Claiming::Claimed(claim),
                None => Claiming::Held(held(&mut transaction, project, stream, reading).await?),
            };
            transaction.commit().await.doing(doing)?;
            Ok(claiming)
        })
        .await
    }

    /// Returns the holders of claims of any kind and of open runs, including this process.
    pub async fn holders(&self) -> Result<Vec<String>, WarehouseError> {
        self.retry(async || {
            sqlx::query_scalar!(
                r#"select holder as "holder!" from argos_sync.claim
                   union select holder from argos_sync.detail_due
                   where holder is not null and expires_at > argos_sync.clock()
                   union select holder from argos_sync.run
                   where holder is not null and ended_at is null"#
            )
            .fetch_all(&self.pool)
            .await
            .doing("reading claims")
        })
        .await
    }

    /// Releases everything held by a holder that no longer exists, and marks its runs as
    /// interrupted.
    pub async fn free(&self, holder: &str) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "with windows as (delete from argos_sync.claim where holder = $1),
                 runs as (
                    update argos_sync.run
                    set ended_at = least(expires_at, argos_sync.clock()), outcome = 'interrupted'
                    where holder = $1 and ended_at is null)
                 update argos_sync.detail_due set expires_at = '-infinity', fence = 0, holder = null
                 where holder = $1",
                holder
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("freeing claims")
        })
        .await
    }

    /// Releases a claim.
    pub async fn release(&self, claim: &Claim) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "delete from argos_sync.claim where claim_id = $1 and fence = $2",
                claim.number,
                claim.fence
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("releasing a window")
        })
        .await
    }
}

/// Locks the project, so that processes claim its windows one after another. The statements that
/// follow see the claims that the lock waited for.
pub(super) async fn lock(
    connection: &mut PgConnection,
    project: &ProjectName,
) -> Result<(), WarehouseError> {
    sqlx::query!("select from argos_sync.project where project = $1 for update", project.as_str())
        .fetch_optional(connection)
        .await
        .map(drop)
        .doing("locking a project")
}

/// Deletes the expired claims of a locked project.
pub(super) async fn delete_expired(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "delete from argos_sync.claim
         where project = $1 and stream = $2 and expires_at <= argos_sync.clock()",
        project.as_str(),
        stream.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("deleting expired claims")
}

/// Deletes claims of this process that it does not know of, because the answer to their commit was
/// lost. It reads no other window at that moment, or none on these days.
pub(super) async fn delete_stale(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    days: Option<Window>,
    holder: &str,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "delete from argos_sync.claim
         where project = $1 and stream = $2 and holder = $3
           and ($4::date is null or window_from < $5 and $4 < window_to)",
        project.as_str(),
        stream.as_str(),
        holder,
        days.map(Window::from),
        days.map(Window::to),
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("deleting stale claims")
}

/// Stores a claim on a window of a locked project. Returns `None` while another process holds any
/// of its days.
pub(super) async fn insert(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    reading: ListScope,
    holder: &str,
) -> Result<Option<Claim>, WarehouseError> {
    let window = reading.claimed();
    let claimed = sqlx::query!(
        "insert into argos_sync.claim
             (project, stream, window_from, window_to, fence, holder, expires_at)
         select $1, $2, $3, $4, nextval('argos_sync.fence'), $5,
             argos_sync.clock() + make_interval(secs => $6)
         where not exists (
            select from argos_sync.claim
            where project = $1 and stream = $2 and expires_at > argos_sync.clock()
              and window_from < $4 and $3 < window_to)
         returning claim_id, fence",
        project.as_str(),
        stream.as_str(),
        window.from(),
        window.to(),
        holder,
        LEASE_SECONDS,
    )
    .fetch_optional(connection)
    .await
    .doing("claiming a window")?;
    Ok(claimed.map(|row| Claim {
        number: row.claim_id,
        fence: row.fence,
        project: project.clone(),
        stream,
        reading,
        window,
    }))
}

/// Returns the claims on any day of a window.
async fn held(
    connection: &mut PgConnection,
    project: &ProjectName,
    stream: Stream,
    reading: ListScope,
) -> Result<HeldClaims, WarehouseError> {
    let window = reading.claimed();
    let fences = sqlx::query_scalar!(
        "select fence from argos_sync.claim
         where project = $1 and stream = $2 and expires_at > argos_sync.clock()
           and window_from < $4 and $3 < window_to
         order by fence",
        project.as_str(),
        stream.as_str(),
        window.from(),
        window.to(),
    );
    let fences =
        fences.fetch_all(connection).await.doing("reading the claims of other processes")?;
    Ok(fences.into_iter().collect())
}

/// Compares the fencing number and renews the claim. Must come first in every transaction that
/// writes under the claim.
///
/// Returns the time of the transaction by PostgreSQL's clock, or [`WarehouseError::FenceLost`].
pub(in crate::warehouse) async fn hold(
    connection: &mut PgConnection,
    claim: &Claim,
) -> Result<DateTime<Utc>, WarehouseError> {
    let now = sqlx::query_scalar!(
        r#"update argos_sync.claim set expires_at = argos_sync.clock() + make_interval(secs => $3)
           where claim_id = $1 and fence = $2 returning argos_sync.clock() as "now!""#,
        claim.number,
        claim.fence,
        LEASE_SECONDS,
    )
    .fetch_optional(connection)
    .await
    .doing("renewing a claim")?;
    now.ok_or(WarehouseError::FenceLost)
}
