//! Quarantine: items that could not be stored in their tables, completely and with the reason.
//!
//! An item leaves quarantine when it can be stored or when an operator drops it.

use crate::{
    domain::{Call, Day, Digest, ProjectName, ReadNumber},
    warehouse::{
        ingest::{refused::word, store},
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::{self, Warehouse},
            sql::count,
        },
        raw::codec::{self},
        record::{
            observation::{Observation, Origin},
            stored,
        },
        scope::Scope,
        tx::Tx,
    },
};
use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

/// An item in quarantine, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedItem {
    /// Identifies the item, which may have no id.
    pub digest: Digest,
    /// The project's name.
    pub project: String,
    /// The project's stream.
    pub stream: String,
    /// The call that returned it: `list` or `detail`.
    pub call: String,
    /// Why no row could be written.
    pub reason: String,
    /// Its size in bytes.
    pub bytes: i32,
    /// When it was first read.
    pub first_seen_at: DateTime<Utc>,
}

/// The result of storing quarantined items again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Items that created a record.
    pub inserted: i64,
    /// Items that changed a record.
    pub updated: i64,
    /// Items without news for a record that was read at the same time or later.
    pub superseded: i64,
    /// Items that still cannot be stored and remain.
    pub refused: i64,
    /// Items whose stored body is missing or unreadable; they remain.
    pub unreadable: i64,
}

impl std::ops::AddAssign for Retried {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.superseded += other.superseded;
        self.refused += other.refused;
        self.unreadable += other.unreadable;
    }
}

impl Warehouse {
    /// Returns the items in quarantine, by project and age, of one project or of all.
    pub async fn quarantined(
        &self,
        project: Option<&ProjectName>,
    ) -> Result<Vec<QuarantinedItem>, WarehouseError> {
        let doing = "reading quarantine";
        let rows = sqlx::query!(
            "select digest, project, stream, call, reason, bytes, first_seen_at
             from argos_sync.quarantine where project = $1 or $1 is null
             order by project, stream, first_seen_at, digest",
            project.map(ProjectName::as_str),
        )
        .fetch_all(&self.pool)
        .await
        .doing(doing)?;
        rows.into_iter()
            .map(|row| {
                Ok(QuarantinedItem {
                    digest: Digest::from_slice(&row.digest)
                        .ok_or(WarehouseError::Shape { doing })?,
                    project: row.project,
                    stream: row.stream,
                    call: row.call,
                    reason: row.reason,
                    bytes: row.bytes,
                    first_seen_at: row.first_seen_at,
                })
            })
            .collect()
    }

    /// Deletes items with their bodies. Returns the number of items.
    pub async fn drop_quarantined(&self, items: &[QuarantinedItem]) -> Result<u64, WarehouseError> {
        let doing = "dropping quarantined items";
        let projects: Vec<&str> = items.iter().map(|item| item.project.as_str()).collect();
        let streams: Vec<&str> = items.iter().map(|item| item.stream.as_str()).collect();
        let digests: Vec<&[u8]> = items.iter().map(|item| &item.digest.0[..]).collect();
        let mut transaction = self.begin(doing).await?;
        let dropped = sqlx::query!(
            "with bodies as (
                delete from argos_raw.quarantine as stored
                using unnest($1::text[], $2::text[], $3::bytea[]) as given (project, stream, digest)
                where (stored.project, stored.stream, stored.digest)
                    = (given.project, given.stream, given.digest))
             delete from argos_sync.quarantine as stored
             using unnest($1::text[], $2::text[], $3::bytea[]) as given (project, stream, digest)
             where (stored.project, stored.stream, stored.digest)
                = (given.project, given.stream, given.digest)",
            &projects as &[&str],
            &streams as &[&str],
            &digests as &[&[u8]],
        )
        .execute(&mut *transaction)
        .await
        .doing(doing)?;
        transaction.commit().await.doing(doing)?;
        Ok(dropped.rows_affected())
    }

    /// Stores quarantined items of one project again, as if they arrived now with their original
    /// read numbers. Items that can be stored leave quarantine in the same transaction.
    pub async fn retry_quarantined(
        &self,
        scope: &Arc<Scope>,
        digests: &[Digest],
    ) -> Result<Retried, WarehouseError> {
        self.retry(async || {
            let mut transaction = self.begin_writing("storing quarantined items").await?;
            let now = pool::now(&mut transaction).await?;
            let mut retried = Retried::default();
            let mut readable: BTreeMap<(Call, Day), Vec<StoredItem>> = BTreeMap::new();
            for kept in lock(&mut transaction, scope, digests).await? {
                match &kept.observation {
                    None => retried.unreadable += 1,
                    Some(observation) if observation.key.is_err() => retried.refused += 1,
                    Some(_) => readable.entry((kept.call, kept.day)).or_default().push(kept),
                }
            }
            for ((call, day), mut items) in readable {
                // If an id occurs twice, the last item counts.
                items.sort_by_key(|kept| {
                    kept.observation.as_ref().map(|observation| observation.read)
                });
                let done: Vec<&[u8]> = items.iter().map(|kept| kept.digest.as_slice()).collect();
                let storable = without_older_than_known(&mut transaction, scope, &items).await?;
                let origin = Origin::Quarantine { call, day };
                let mut tx = Tx::new(&mut transaction, scope, now);
                let tally = store::store(&mut tx, origin, &storable).await?;
                let passed_over = count(items.len() - storable.len());
                retried += Retried {
                    inserted: tally.inserted,
                    updated: tally.updated,
                    superseded: tally.unchanged + tally.duplicate + passed_over,
                    ..Retried::default()
                };
                take_out(&mut transaction, scope, &done).await?;
            }
            let doing = "committing quarantined items";
            transaction.commit().await.doing(doing)?;
            Ok(retried)
        })
        .await
    }
}

/// An item read from quarantine, to be stored or kept there.
struct StoredItem {
    digest: Vec<u8>,
    call: Call,
    /// The first day of the window that listed it, otherwise the day it was read: the day of an
    /// undated record.
    day: NaiveDate,
    /// Without a read number, the item may only create a new record.
    has_read_number: bool,
    /// `None`: the body is missing or unreadable.
    observation: Option<Observation>,
}

/// Locks items in quarantine and reads the keys of their bodies again.
async fn lock(
    connection: &mut PgConnection,
    scope: &Scope,
    digests: &[Digest],
) -> Result<Vec<StoredItem>, WarehouseError> {
    let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest.0[..]).collect();
    let rows = sqlx::query!(
        r#"select kept.digest, kept.call, kept.read_number,
            coalesce(pass.window_from, (kept.first_seen_at at time zone 'UTC')::date) as "day!",
            raw.body as "body?"
         from argos_sync.quarantine as kept
         left join argos_raw.quarantine as raw using (project, stream, digest)
         left join argos_sync.pass on pass.pass_id = kept.pass_id
         where kept.project = $1 and kept.stream = $2 and kept.digest = any($3)
         order by kept.digest for update of kept"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        &digests as &[&[u8]],
    )
    .fetch_all(connection)
    .await
    .doing("reading quarantined items")?;
    let look = |packed: Option<Vec<u8>>, read: Option<i64>| {
        let body = codec::inflate(&packed?).ok()?;
        // Every drawn number is larger than this default.
        Some(Observation::of(scope, ReadNumber(read.unwrap_or_default()), body.into()))
    };
    let kept = rows.into_iter().map(|row| StoredItem {
        digest: row.digest,
        call: if row.call == word(Call::List) { Call::List } else { Call::Detail },
        day: row.day,
        has_read_number: row.read_number.is_some(),
        observation: look(row.body, row.read_number),
    });
    Ok(kept.collect())
}

/// Leaves out items without a read number whose record is known, because they may be older.
async fn without_older_than_known<'a>(
    connection: &mut PgConnection,
    scope: &Scope,
    items: &'a [StoredItem],
) -> Result<Vec<&'a Observation>, WarehouseError> {
    let with_ids: Vec<(&StoredItem, &Observation, &str)> = items
        .iter()
        .filter_map(|kept| {
            let observation = kept.observation.as_ref()?;
            Some((kept, observation, observation.key.as_ref().ok()?.id.as_str()))
        })
        .collect();
    let unordered: Vec<&str> =
        with_ids.iter().filter(|(kept, ..)| !kept.has_read_number).map(|(.., id)| *id).collect();
    let known = stored::look_up(connection, scope, &unordered).await?;
    Ok(with_ids
        .into_iter()
        .filter(|(kept, _, id)| kept.has_read_number || !known.contains_key(*id))
        .map(|(_, observation, _)| observation)
        .collect())
}

/// Deletes items from quarantine.
async fn take_out(
    connection: &mut PgConnection,
    scope: &Scope,
    digests: &[&[u8]],
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "with bodies as (
            delete from argos_raw.quarantine
            where project = $1 and stream = $2 and digest = any($3))
         delete from argos_sync.quarantine
         where project = $1 and stream = $2 and digest = any($3)",
        scope.project.as_str(),
        scope.stream.as_str(),
        digests as &[&[u8]],
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("emptying quarantine")
}
