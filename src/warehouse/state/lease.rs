//! Leases of other processes that a caller waits for.

use std::{collections::BTreeSet, fmt, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    domain::{ProjectName, Stream},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// An event caused by another process that a caller waits for.
#[derive(Debug, Clone)]
pub enum Awaited {
    /// One of these claims on windows is released.
    Claims(ProjectName, Stream, HeldClaims),
    /// One of these claimed detail calls is answered or released.
    Details(ProjectName, Stream, Vec<HeldDetail>),
}

/// Claims of other processes on windows, by their fencing numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldClaims(BTreeSet<i64>);

impl HeldClaims {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These claims and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

impl FromIterator<i64> for HeldClaims {
    fn from_iter<I: IntoIterator<Item = i64>>(fences: I) -> Self {
        Self(fences.into_iter().collect())
    }
}

/// A detail call that a process has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDetail {
    /// The record's id.
    pub id: String,
    /// The process that holds the claim.
    pub holder: String,
    pub(super) fence: i64,
}

/// The lease of another process on an awaited resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The process that holds the lease.
    pub holder: String,
    /// When the lease expires unless it is renewed, by PostgreSQL's clock.
    pub expires_at: DateTime<Utc>,
    /// The time until expiry, at least 0.
    pub left: Duration,
}

struct LeaseRow {
    holder: String,
    expires_at: DateTime<Utc>,
    seconds: f64,
}

impl From<LeaseRow> for Lease {
    fn from(row: LeaseRow) -> Self {
        let left = Duration::try_from_secs_f64(row.seconds).unwrap_or_default();
        Self { holder: row.holder, expires_at: row.expires_at, left }
    }
}

impl Warehouse {
    /// Returns the leases that still block the awaited event; empty if it has happened.
    ///
    /// Cheap enough for polling: each lease is looked up by its key, or among the few claims of a
    /// stream.
    pub async fn leases(&self, awaited: &Awaited) -> Result<Vec<Lease>, WarehouseError> {
        self.retry(async || {
            let (rows, count_min) = match awaited {
                Awaited::Claims(project, stream, HeldClaims(fences)) => {
                    let fences: Vec<i64> = fences.iter().copied().collect();
                    let rows = sqlx::query_as!(
                        LeaseRow,
                        r#"select holder, expires_at as expires_at,
                            extract(epoch from expires_at - argos_sync.clock())::float8
                                as "seconds!"
                         from argos_sync.claim
                         where project = $1 and stream = $2 and expires_at > argos_sync.clock()
                           and fence = any ($3)
                         order by claim_id"#,
                        project.as_str(),
                        stream.as_str(),
                        &fences,
                    );
                    (rows.fetch_all(&self.pool).await, fences.len())
                }
                Awaited::Details(project, stream, stored) => {
                    let ids: Vec<&str> = stored.iter().map(|stored| stored.id.as_str()).collect();
                    let fences: Vec<i64> = stored.iter().map(|stored| stored.fence).collect();
                    let rows = sqlx::query_as!(
                        LeaseRow,
                        r#"select due.holder as "holder!", due.expires_at as expires_at,
                            extract(epoch from due.expires_at - argos_sync.clock())::float8
                                as "seconds!"
                         from unnest($3::text[], $4::bigint[]) as given (id, fence)
                         cross join lateral (
                            select holder, fence, expires_at from argos_sync.detail_due
                            where project = $1 and stream = $2 and id = given.id offset 0) as due
                         where due.fence = given.fence and due.expires_at > argos_sync.clock()
                             and due.holder is not null
                         order by given.fence"#,
                        project.as_str(),
                        stream.as_str(),
                        &ids as &[&str],
                        &fences,
                    );
                    (rows.fetch_all(&self.pool).await, stored.len())
                }
            };
            let rows = rows.doing("reading the claims of other processes")?;
            if rows.len() < count_min {
                return Ok(Vec::new());
            }
            Ok(rows.into_iter().map(Lease::from).collect())
        })
        .await
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claims(..) => f.write_str("another process is reading days that are wanted"),
            Self::Details(..) => f.write_str("another process is making the last detail calls"),
        }
    }
}
