//! Rewrites rows that differ from the stored raw items, and makes detail calls due for lost items.

use super::{
    sample,
    sound::Sound,
    verified::{Comparability, InvalidRecords, LostItem, Verified, is_on_wrong_day},
};
use crate::{
    domain::{Day, Digest},
    normalize::{
        self, Merged,
        catalogue::{self, Key, Table},
    },
    warehouse::{
        ingest::drift,
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::{self, Warehouse},
            sql::count,
        },
        raw::{bodies, codec::Inflater},
        record::{
            observation::Observation,
            stored::{self, StoredRecord},
        },
        scope::{RawStorage, Scope},
        state::detail_queue::{self, Priority},
        tables::{
            diff::RowDiff,
            record_rows::{Noted, RecordRows},
            rewrite, write,
        },
        tx::Tx,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::AssertSqlSafe;

/// Number of rows read at a time to find rows without a record.
const STEP: i64 = 5000;

/// Composes the expected rows of records. Leaves out records whose stored items have the vendor's
/// deletion mark.
pub(super) fn stored_rows<'r>(
    scope: &Scope,
    records: &[(&'r str, &StoredRecord)],
    merged: &'r [Option<(Merged<'_>, bool)>],
) -> Vec<RecordRows<'r>> {
    let made = records.iter().zip(merged).filter_map(|((id, _), merged)| {
        let (item, damaged) = merged.as_ref()?;
        let normalized = normalize::normalize(scope.stream, &scope.context, item, *damaged);
        let record = RecordRows {
            id: (*id).to_owned(),
            change_context: None,
            diff: RowDiff::Unknown,
            normalized,
        };
        (!record.normalized.is_marked).then_some(record)
    });
    made.collect()
}

impl Warehouse {
    /// Rewrites the differing rows of these records, and makes detail calls due for lost items.
    pub async fn repair(
        &self,
        scope: &Arc<Scope>,
        found: &InvalidRecords,
    ) -> Result<Verified, WarehouseError> {
        self.retry(async || {
            let doing = "repairing records";
            let mut transaction = self.begin_writing(doing).await?;
            let now = pool::now(&mut transaction).await?;
            let lost = found.lost.iter().map(|item| item.id.as_str());
            let ids: BTreeSet<&str> =
                found.differing.keys().map(String::as_str).chain(lost).collect();
            let ids: Vec<&str> = ids.into_iter().collect();
            let stored = stored::lock(&mut transaction, scope, &ids).await?.into_iter().collect();
            let nothing = BTreeMap::new();
            let mut tx = Tx::new(&mut transaction, scope, now);
            let (repaired, lost) = rewrite(&mut tx, &stored, &nothing).await?;
            forget_digests(&mut tx, &lost).await?;
            let asked: Vec<&str> =
                lost.iter().filter(|item| item.is_needed).map(|item| item.id.as_str()).collect();
            detail_queue::mark(&mut tx, &asked, Priority::History, now).await?;
            let is_whole = |id: &&&str| !lost.iter().any(|item| item.id == **id);
            let whole: Vec<&str> = ids.iter().filter(is_whole).copied().collect();
            sample::forget(&mut transaction, scope, &whole).await?;
            transaction.commit().await.doing(doing)?;
            let (repaired, asked) = (count(repaired.len()), count(asked.len()));
            Ok(Verified { repaired, asked, ..Verified::default() })
        })
        .await
    }

    /// Rewrites rows of fetched records from their stored items before the fetched items are
    /// stored. Their history then contains only the vendor's changes. Returns the ids of the
    /// rewritten records.
    pub(super) async fn repair_fetched(
        &self,
        scope: &Arc<Scope>,
        observations: &[Observation],
    ) -> Result<BTreeSet<String>, WarehouseError> {
        let doing = "repairing fetched records";
        let received: BTreeMap<&str, &Observation> = observations
            .iter()
            .filter_map(|seen| Some((seen.key.as_ref().ok()?.id.as_str(), seen)))
            .collect();
        let mut transaction = self.begin_writing(doing).await?;
        let now = pool::now(&mut transaction).await?;
        let ids: Vec<&str> = received.keys().copied().collect();
        let stored = stored::lock(&mut transaction, scope, &ids).await?.into_iter().collect();
        let mut tx = Tx::new(&mut transaction, scope, now);
        let (repaired, lost) = rewrite(&mut tx, &stored, &received).await?;
        if scope.raw == RawStorage::Zstd {
            forget_digests(&mut tx, &lost).await?;
        }
        transaction.commit().await.doing(doing)?;
        Ok(repaired)
    }

    /// Searches the rows of one table after the id `behind` for rows without a record in
    /// `argos_sync.record`. Returns their ids and the id to continue after; `None` if there are no
    /// more rows. With `asks`, makes a detail call due for each id.
    pub async fn rows_without_record(
        &self,
        scope: &Arc<Scope>,
        table: &str,
        behind: &str,
        asks: bool,
    ) -> Result<Option<(Vec<String>, String)>, WarehouseError> {
        self.retry(async || {
            let doing = "reading rows without a record";
            let id = catalogue::id_column(scope.stream);
            let sql = format!(
                "with step as materialized (
                    select {id} as id from {table} where project = $1 and {id} > $3
                    order by {id} limit $4)
                 select (select max(id) from step), array(
                    select distinct id from step where not exists (
                        select from argos_sync.record as stored
                        where stored.project = $1 and stored.stream = $2 and stored.id = step.id))"
            );
            let mut transaction = self.begin_writing(doing).await?;
            // The text is composed from the catalogue, which is part of the program. Values are
            // parameters.
            let (last, ids): (Option<String>, Vec<String>) = sqlx::query_as(AssertSqlSafe(sql))
                .bind(scope.project.as_str())
                .bind(scope.stream.as_str())
                .bind(behind)
                .bind(STEP)
                .fetch_one(&mut *transaction)
                .await
                .doing(doing)?;
            if asks && !ids.is_empty() {
                let now = pool::now(&mut transaction).await?;
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                let mut tx = Tx::new(&mut transaction, scope, now);
                detail_queue::mark(&mut tx, &ids, Priority::History, now).await?;
            }
            transaction.commit().await.doing(doing)?;
            Ok(last.map(|last| (ids, last)))
        })
        .await
    }
}

/// The tables whose rows belong to records of this stream, including the table of raw items.
pub fn tables_of_records(stream: crate::domain::Stream) -> Vec<String> {
    let tables = catalogue::tables(stream).iter().filter(|table| table.key != Key::Set);
    tables.map(Table::qualified).chain([bodies::table(stream).to_owned()]).collect()
}

/// Rewrites the rows of locked records from their stored items. Returns the ids of the rewritten
/// records, and the records with lost items.
async fn rewrite(
    tx: &mut Tx<'_>,
    stored: &BTreeMap<String, StoredRecord>,
    received: &BTreeMap<&str, &Observation>,
) -> Result<(BTreeSet<String>, Vec<LostItem>), WarehouseError> {
    let scope = tx.scope;
    let records: Vec<(&str, &StoredRecord)> = stored
        .iter()
        .filter(|(_, stored)| Comparability::of(stored) == Comparability::Comparable)
        .map(|(id, stored)| (id.as_str(), stored))
        .collect();
    let mut inflater = Inflater::new()?;
    let sound: Vec<Sound> = records
        .iter()
        .map(|(id, stored)| Sound::of(scope, id, stored, received.get(id).copied(), &mut inflater))
        .collect();
    let merged: Vec<Option<(Merged<'_>, bool)>> = sound
        .iter()
        .map(|sound| sound.texts.as_ref().and_then(|texts| texts.merge(scope)))
        .collect();
    let rows = stored_rows(scope, &records, &merged);
    let mut rewritten: BTreeSet<String> =
        rewrite::rewrite_sets(tx.connection, scope, &rows).await?.into_iter().collect();
    rewritten.extend(write::write(tx.connection, &scope.project, scope.stream, &rows).await?);
    let days: Vec<(&str, Day)> = rows
        .iter()
        .filter(|record| {
            stored.get(&record.id).is_some_and(|stored| is_on_wrong_day(stored, record))
        })
        .filter_map(|record| Some((record.id.as_str(), record.normalized.created_at?.date_naive())))
        .collect();
    put_on_days(tx, &days).await?;
    rewritten.extend(days.iter().map(|(id, _)| (*id).to_owned()));
    let noted: Vec<Noted<'_>> = rows
        .iter()
        .filter(|record| rewritten.contains(&record.id))
        .map(|record| Noted { id: &record.id, notes: &record.normalized.notes })
        .collect();
    drift::replace(tx, &noted).await?;
    let lost = records
        .iter()
        .zip(&sound)
        .filter(|(_, sound)| sound.lost.is_any())
        .map(|((id, _), sound)| LostItem::of(id, sound))
        .collect();
    Ok((rewritten, lost))
}

/// Assigns records to the days of their creation.
async fn put_on_days(tx: &mut Tx<'_>, days: &[(&str, Day)]) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if days.is_empty() {
        return Ok(());
    }
    let (ids, days): (Vec<&str>, Vec<Day>) = days.iter().copied().unzip();
    sqlx::query!(
        "update argos_sync.record as stored set window_day = given.day, undated = false
         from unnest($3::text[], $4::date[]) as given (id, day)
         where stored.project = $1 and stored.stream = $2 and stored.id = given.id",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &days,
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("storing records on their days")
}

/// Clears the digests of lost items, so that the next items of the same kind are stored regardless
/// of their content.
async fn forget_digests(tx: &mut Tx<'_>, lost: &[LostItem]) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if lost.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = lost.iter().map(|item| item.id.as_str()).collect();
    let lists: Vec<bool> = lost.iter().map(|item| item.lost.list).collect();
    let details: Vec<bool> = lost.iter().map(|item| item.lost.detail).collect();
    sqlx::query!(
        "update argos_sync.record as stored
         set list_digest = case when given.list and list_read is not null then $6
                else list_digest end,
            detail_digest = case when given.detail and detail_read is not null then $6
                else detail_digest end
         from unnest($3::text[], $4::boolean[], $5::boolean[]) as given (id, list, detail)
         where stored.project = $1 and stored.stream = $2 and stored.id = given.id",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &lists,
        &details,
        &Digest::LOST.0[..],
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("clearing digests of lost items")
}
