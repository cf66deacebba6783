//! The end of a pass: what it has proven about its days, and the coverage that follows (I2).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::claim::Claim;
use crate::{
    domain::ListScope,
    warehouse::postgres::error::{Doing as _, WarehouseError},
};

/// The proof established by a completed pass (I2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Every record of the window was read.
    Complete,
    /// The window is empty, and the date filter is known to work.
    CompleteEmpty,
    /// The window appeared empty, but that is not proven: the window is not covered.
    EmptyUnverified(Unverified),
}

/// Why an empty window is not proven empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unverified {
    /// This project's date filter has never returned an item.
    Filter,
    /// Live records are known there, and detail calls have not shown that they are deleted.
    Records,
}

impl Unverified {
    fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Records => "records",
        }
    }

    /// Parses the word stored in a table. Older programs stored none; their only reason was the
    /// filter.
    fn of_word(word: Option<&str>) -> Self {
        if word == Some(Self::Records.as_str()) { Self::Records } else { Self::Filter }
    }
}

impl Proof {
    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::CompleteEmpty => "complete_empty",
            Self::EmptyUnverified(_) => "empty_unverified",
        }
    }

    /// Whether the days of the pass become covered.
    fn covers(self) -> bool {
        match self {
            Self::Complete | Self::CompleteEmpty => true,
            Self::EmptyUnverified(_) => false,
        }
    }

    fn unverified(self) -> Option<Unverified> {
        match self {
            Self::Complete | Self::CompleteEmpty => None,
            Self::EmptyUnverified(why) => Some(why),
        }
    }

    /// Parses the state of a pass; `None` if the pass proved nothing or has not ended.
    pub(in crate::warehouse) fn of_state(state: &str, unverified: Option<&str>) -> Option<Self> {
        [
            Self::Complete,
            Self::CompleteEmpty,
            Self::EmptyUnverified(Unverified::of_word(unverified)),
        ]
        .into_iter()
        .find(|proof| proof.as_str() == state)
    }
}

/// Ends a pass that reached a page without a cursor. Covers its days if it proved anything.
pub(in crate::warehouse) async fn conclude(
    connection: &mut PgConnection,
    claim: &Claim,
    pass_id: i64,
    is_doubted: bool,
) -> Result<Proof, WarehouseError> {
    let doing = "covering a window";
    let row = sqlx::query!(
        r#"select pass.started_at, pass.received, pass.in_window, project.filter_proven
           from argos_sync.pass join argos_sync.project using (project) where pass_id = $1"#,
        pass_id
    )
    .fetch_one(&mut *connection)
    .await
    .doing(doing)?;
    let proof = match (claim.reading, row.in_window, row.filter_proven) {
        _ if is_doubted => Proof::EmptyUnverified(Unverified::Records),
        (ListScope::Window(_), 1.., _) => Proof::Complete,
        (ListScope::Window(_), _, true) => Proof::CompleteEmpty,
        (ListScope::All, ..) if row.received > 0 => Proof::Complete,
        (ListScope::All, ..) | (ListScope::Window(_), _, false) => {
            Proof::EmptyUnverified(Unverified::Filter)
        }
    };
    sqlx::query!(
        "update argos_sync.pass
         set state = $2, ended_at = argos_sync.clock(), last_error = null, unverified = $3
         where pass_id = $1",
        pass_id,
        proof.as_str(),
        proof.unverified().map(Unverified::as_str),
    )
    .execute(&mut *connection)
    .await
    .doing(doing)?;
    clear_superseded(connection, claim, pass_id, proof).await?;
    if proof.covers() {
        cover(connection, claim, pass_id, row.started_at).await?;
    }
    Ok(proof)
}

/// Records in the ledger that a pass has read its days completely.
async fn cover(
    connection: &mut PgConnection,
    claim: &Claim,
    pass_id: i64,
    as_of: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    let doing = "covering a window";
    let covered = match claim.reading {
        ListScope::Window(window) => {
            sqlx::query!(
                "insert into argos_sync.coverage as stored
                    (project, stream, day, as_of, pass_id, records, deleted, fence)
                 select $1, $2, day::date, $5, $6, coalesce(known.records, 0),
                    coalesce(known.deleted, 0), $7
                 from generate_series($3::date::timestamp, $4::date::timestamp, interval '1 day')
                    as day
                 left join (
                    select window_day, count(*) filter (where deleted_at is null) as records,
                        count(deleted_at) as deleted
                    from argos_sync.record
                    where project = $1 and stream = $2 and window_day between $3 and $4
                    group by window_day) as known on known.window_day = day::date
                 order by day
                 on conflict (project, stream, day) do update
                 set as_of = excluded.as_of, pass_id = excluded.pass_id, records = excluded.records,
                    deleted = excluded.deleted, fence = excluded.fence
                 where stored.fence <= excluded.fence",
                claim.project.as_str(),
                claim.stream.as_str(),
                window.from(),
                window.last(),
                as_of,
                pass_id,
                claim.fence,
            )
            .execute(connection)
            .await
        }
        ListScope::All => {
            sqlx::query!(
                "update argos_sync.project set unfiltered_as_of = $2, unfiltered_fence = $3
                 where project = $1 and unfiltered_fence <= $3",
                claim.project.as_str(),
                as_of,
                claim.fence,
            )
            .execute(connection)
            .await
        }
    };
    covered.map(drop).doing(doing)
}

/// Deletes earlier passes that this one makes obsolete. These are unproven passes of the same days
/// and, once the days are covered, abandoned passes within them. Passes of backfills are kept.
async fn clear_superseded(
    connection: &mut PgConnection,
    claim: &Claim,
    pass_id: i64,
    proof: Proof,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "delete from argos_sync.pass
         where project = $1 and stream = $2 and window_from >= $3 and window_to <= $4
           and backfill_id is null and pass_id < $5
           and (state = 'dropped'
                or (state = 'empty_unverified' and window_from = $3 and window_to = $4)
                or ($6 and state in ('open', 'empty_unverified')))",
        claim.project.as_str(),
        claim.stream.as_str(),
        claim.window.from(),
        claim.window.to(),
        pass_id,
        proof.covers(),
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("deleting superseded passes")
}
