//! Rewrites, from the stored raw items, the rows of records written by an older normalizer.
//!
//! Rows of deleted records keep the state that their deletion left. This is not an observation: no
//! read number changes, no detail call becomes due, and `changed_at` changes only if a row did.

use crate::{
    domain::{Call, Day, ReadNumber, Stream},
    normalize::{self, Merged, Objects},
    warehouse::{
        deletion::delete,
        ingest::drift,
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::{self, Warehouse},
            sql::count,
        },
        raw::{
            bodies::{self, RawItems},
            codec::Inflater,
        },
        record::{
            merge::ItemTexts,
            usual::{Usual, objects_of},
        },
        scope::Scope,
        tables::{
            diff::RowDiff,
            record_rows::{self, RecordRows},
            write,
        },
        tx::Tx,
    },
};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Number of records in a transaction; limits the memory for their trees.
const CHUNK: i64 = 500;

/// The result of renormalizing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Renormalized {
    /// Records that now conform to this normalizer. Deleted records are included, and keep the
    /// state that their deletion left.
    pub records: i64,
    /// Records with a changed row.
    pub changed: i64,
    /// Records whose raw items are missing or unreadable. Their rows stay until they are read
    /// again.
    pub without_raw: i64,
}

impl std::ops::AddAssign for Renormalized {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.changed += other.changed;
        self.without_raw += other.without_raw;
    }
}

/// A locked record that an older normalizer wrote.
struct Older {
    id: String,
    list_read: Option<i64>,
    detail_read: Option<i64>,
    window_day: Day,
    undated: bool,
    deleted_at: Option<DateTime<Utc>>,
}

/// Properties of a record outside its data rows, taken from its items.
struct RecordPlace {
    window_day: Day,
    undated: bool,
    sparse: Option<i16>,
}

impl Warehouse {
    /// Whether an older normalizer wrote any record of this project. This is a single index lookup,
    /// independent of the number of records.
    pub async fn has_older_records(&self, scope: &Scope) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let oldest = sqlx::query_scalar!(
                "select min(normalizer_version) from argos_sync.record
                 where project = $1 and stream = $2",
                scope.project.as_str(),
                scope.stream.as_str(),
            )
            .fetch_one(&self.pool)
            .await
            .doing("reading older records")?;
            Ok(oldest.is_some_and(|version| version < normalize::VERSION))
        })
        .await
    }

    /// Renormalizes the next records after the id `behind`. Returns the result and the id to
    /// continue after; `None` if there are no more. Skips records that others are writing: those
    /// writers renormalize them.
    pub async fn renormalize(
        &self,
        scope: &Arc<Scope>,
        behind: &str,
    ) -> Result<Option<(Renormalized, String)>, WarehouseError> {
        self.retry(async || {
            let mut transaction = self.begin("rebuilding from raw items").await?;
            let now = pool::now(&mut transaction).await?;
            let ids = sqlx::query_scalar!(
                "select id from argos_sync.record
                 where project = $1 and stream = $2 and id > $3 and normalizer_version < $4
                 order by id limit $5",
                scope.project.as_str(),
                scope.stream.as_str(),
                behind,
                normalize::VERSION,
                CHUNK,
            )
            .fetch_all(&mut *transaction)
            .await
            .doing("reading older records")?;
            let Some(last) = ids.last().cloned() else { return Ok(None) };
            let older = lock(&mut transaction, scope, &ids).await?;
            let mut tx = Tx::new(&mut transaction, scope, now);
            let done = refill(&mut tx, &older).await?;
            let doing = "committing rebuilt records";
            transaction.commit().await.doing(doing)?;
            Ok(Some((done, last)))
        })
        .await
    }
}

/// Locks the records that no other transaction has locked, in key order.
async fn lock(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[String],
) -> Result<Vec<Older>, WarehouseError> {
    sqlx::query_as!(
        Older,
        r#"select stored.id, list_read, detail_read, window_day, undated, deleted_at
         from (select id from unnest($3::text[]) as given (id) order by id collate "C") as given
         cross join lateral (
            select * from argos_sync.record
            where project = $1 and stream = $2 and id = given.id and normalizer_version < $4
            for update skip locked
         ) as stored"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        ids,
        normalize::VERSION,
    )
    .fetch_all(connection)
    .await
    .doing("locking older records")
}

/// Merges, normalizes and writes locked records again.
async fn refill(tx: &mut Tx<'_>, older: &[Older]) -> Result<Renormalized, WarehouseError> {
    let scope = tx.scope;
    let ids: Vec<&str> = older.iter().map(|record| record.id.as_str()).collect();
    let kept = bodies::read(tx.connection, scope, &ids).await?;
    let mut inflater = Inflater::new()?;
    let texts = |record: &Older| texts_of(record, kept.get(&record.id)?, &mut inflater);
    let texts: Vec<Option<ItemTexts>> = older.iter().map(texts).collect();
    let merged: Vec<Option<(Merged<'_>, bool)>> =
        texts.iter().map(|texts| texts.as_ref().and_then(|texts| texts.merge(scope))).collect();
    let mut updates = Vec::with_capacity(older.len());
    let mut stored = Vec::with_capacity(older.len());
    let mut deleted = 0;
    let mut usual = Usual::read(tx.connection, scope).await?;
    for (record, merged) in older.iter().zip(&merged) {
        let is_deleted = delete::keeps_rows(record.deleted_at);
        deleted += usize::from(is_deleted);
        let Some((item, damaged)) = merged.as_ref().filter(|_| !is_deleted) else {
            let Older { window_day, undated, .. } = *record;
            updates.push(RecordPlace { window_day, undated, sparse: None });
            continue;
        };
        let normalized = normalize::normalize(scope.stream, &scope.context, item, *damaged);
        let objects = kept
            .get(&record.id)
            .filter(|_| scope.stream == Stream::Submission)
            .and_then(|kept| objects_of(kept, &mut inflater));
        let is_screened = Objects::of(&item.value).aml;
        let created_on = normalized.created_at.map(|at| at.date_naive());
        updates.push(RecordPlace {
            window_day: created_on.unwrap_or(record.window_day),
            undated: created_on.is_none(),
            sparse: objects
                .and_then(|objects| usual.priority_of(objects, is_screened, &normalized)),
        });
        stored.push(RecordRows {
            id: record.id.clone(),
            change_context: None,
            diff: RowDiff::Unknown,
            normalized,
        });
    }
    let touched = write::write(tx.connection, &scope.project, scope.stream, &stored).await?;
    drift::replace(tx, &record_rows::noted(&stored)).await?;
    update(tx, older, &updates).await?;
    usual.count(tx).await?;
    Ok(Renormalized {
        records: count(stored.len() + deleted),
        changed: count(touched.len()),
        without_raw: count(older.len() - stored.len() - deleted),
    })
}

/// Returns the items of a record. `None` if an item that the record was made from is lost. A list
/// item is not needed if a newer detail follows it.
fn texts_of(record: &Older, kept: &RawItems, inflater: &mut Inflater) -> Option<ItemTexts> {
    let mut texts = ItemTexts::default();
    let mut add = |call, number| {
        texts.add(call, &kept.body(call, inflater).ok()??, ReadNumber(number));
        Some(())
    };
    if let Some(number) = record.detail_read {
        add(Call::Detail, number)?;
    }
    match record.list_read {
        Some(number) if record.detail_read.is_none_or(|detail| detail <= number) => {
            add(Call::List, number)?;
        }
        // An older list item no longer contributes.
        Some(_) | None => {}
    }
    Some(texts)
}

/// Stores that these records conform to this normalizer, with their updated days.
async fn update(
    tx: &mut Tx<'_>,
    older: &[Older],
    updates: &[RecordPlace],
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    let ids: Vec<&str> = older.iter().map(|record| record.id.as_str()).collect();
    let days: Vec<Day> = updates.iter().map(|place| place.window_day).collect();
    let undated: Vec<bool> = updates.iter().map(|place| place.undated).collect();
    let sparse: Vec<Option<i16>> = updates.iter().map(|place| place.sparse).collect();
    sqlx::query!(
        "update argos_sync.record as stored
         set normalizer_version = $3, window_day = given.day, undated = given.undated,
            sparse = given.sparse, detail_next_at = null
         from unnest($4::text[], $5::date[], $6::boolean[], $7::smallint[])
            as given (id, day, undated, sparse)
         where stored.project = $1 and stored.stream = $2 and stored.id = given.id",
        scope.project.as_str(),
        scope.stream.as_str(),
        normalize::VERSION,
        &ids as &[&str],
        &days,
        &undated,
        &sparse as &[Option<i16>],
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("storing rebuilt records")
}
