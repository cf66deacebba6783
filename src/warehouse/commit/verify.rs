//! Compares the data tables with the stored raw items, and rewrites rows that differ.
//!
//! A chunk of records is compared in one snapshot without locks, because a writer commits a
//! record's items and its rows together. Records that differ are then locked, normalized again and
//! rewritten. This is not an observation: no history is recorded, and `changed_at` changes only if
//! a row did.

use super::{
    repair::stored_rows,
    sound::Sound,
    verified::{Chunk, Comparability, InvalidRecords, LostItem, Verified, is_on_wrong_day},
};
use crate::{
    domain::Day,
    normalize::Merged,
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
            sql::count,
        },
        raw::{bodies, codec::Inflater},
        record::stored::{self, StoredRecord},
        scope::Scope,
        tables::{record_rows::RecordRows, rewrite},
    },
};
use std::collections::HashMap;

use sqlx::{PgConnection, PgTransaction};

/// Maximum number of records in a chunk.
const CHUNK: usize = 500;

/// Maximum size of the stored items in a chunk, compressed plus decompressed, in bytes. Limits the
/// memory for their trees. A single record may exceed it.
const CHUNK_BYTES: u64 = 8 << 20;

impl Warehouse {
    /// Compares the next records after the id `behind`, of one day or of all days. `None` if there
    /// are no more.
    pub async fn verify_next(
        &self,
        scope: &Scope,
        day: Option<Day>,
        behind: &str,
    ) -> Result<Option<Chunk>, WarehouseError> {
        self.retry(async || {
            let mut snapshot = self.begin_snapshot().await?;
            let ids = next_ids(&mut snapshot, scope, day, behind).await?;
            if ids.is_empty() {
                return Ok(None);
            }
            check(&mut snapshot, scope, ids).await.map(Some)
        })
        .await
    }

    /// Compares as many of these records as fit into a chunk, at least one.
    pub async fn verify_ids(&self, scope: &Scope, ids: &[String]) -> Result<Chunk, WarehouseError> {
        self.retry(async || {
            let mut snapshot = self.begin_snapshot().await?;
            check(&mut snapshot, scope, ids.iter().take(CHUNK).cloned().collect()).await
        })
        .await
    }

    /// Begins a read-only transaction with one snapshot of all tables.
    pub(super) async fn begin_snapshot(&self) -> Result<PgTransaction<'static>, WarehouseError> {
        let doing = "comparing records";
        let mut transaction = self.begin_writing(doing).await?;
        sqlx::raw_sql("set transaction isolation level repeatable read, read only")
            .execute(&mut *transaction)
            .await
            .doing(doing)?;
        Ok(transaction)
    }
}

async fn next_ids(
    connection: &mut PgConnection,
    scope: &Scope,
    day: Option<Day>,
    behind: &str,
) -> Result<Vec<String>, WarehouseError> {
    let step = count(CHUNK);
    let (project, stream) = (scope.project.as_str(), scope.stream.as_str());
    let ids = match day {
        None => {
            sqlx::query_scalar!(
                "select id from argos_sync.record where project = $1 and stream = $2 and id > $3
                 order by id limit $4",
                project,
                stream,
                behind,
                step,
            )
            .fetch_all(connection)
            .await
        }
        Some(day) => {
            sqlx::query_scalar!(
                "select id from argos_sync.record
                 where project = $1 and stream = $2 and window_day = $5 and id > $3
                 order by id limit $4",
                project,
                stream,
                behind,
                step,
                day,
            )
            .fetch_all(connection)
            .await
        }
    };
    ids.doing("listing records to compare")
}

/// Returns how many records from the start fit into a chunk, at least one.
fn fitting(weights: impl Iterator<Item = u64>) -> usize {
    let mut bytes = 0_u64;
    let fits = |weight: &u64| {
        bytes = bytes.saturating_add(*weight);
        bytes <= CHUNK_BYTES
    };
    weights.take_while(fits).count().max(1)
}

/// Compares the records that fit into a chunk.
async fn check(
    connection: &mut PgConnection,
    scope: &Scope,
    mut ids: Vec<String>,
) -> Result<Chunk, WarehouseError> {
    let given: Vec<&str> = ids.iter().map(String::as_str).collect();
    let weights = bodies::weights(connection, scope, &given).await?;
    let weight = |id: &String| weights.get(id).copied().unwrap_or_default();
    ids.truncate(fitting(ids.iter().map(weight)));
    let given: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut known = stored::look_up(connection, scope, &given).await?;
    for (id, kept) in bodies::read(connection, scope, &given).await? {
        if let Some(stored) = known.get_mut(&id) {
            stored.kept = Some(kept);
        }
    }
    let (verified, found) = compare_known(connection, scope, &known).await?;
    Ok(Chunk { verified, found, ids })
}

async fn compare_known(
    connection: &mut PgConnection,
    scope: &Scope,
    known: &HashMap<String, StoredRecord>,
) -> Result<(Verified, InvalidRecords), WarehouseError> {
    let mut verified = Verified::default();
    let mut records = Vec::with_capacity(known.len());
    for (id, stored) in known {
        match Comparability::of(stored) {
            Comparability::Comparable => records.push((id.as_str(), stored)),
            Comparability::Deleted => verified.deleted += 1,
            Comparability::Older => verified.older += 1,
        }
    }
    let mut inflater = Inflater::new()?;
    let sound: Vec<Sound> = records
        .iter()
        .map(|(id, stored)| Sound::of(scope, id, stored, None, &mut inflater))
        .collect();
    let merged: Vec<Option<(Merged<'_>, bool)>> = sound
        .iter()
        .map(|sound| sound.texts.as_ref().and_then(|texts| texts.merge(scope)))
        .collect();
    let stored: Vec<RecordRows<'_>> = stored_rows(scope, &records, &merged);
    let made = merged.iter().flatten().count();
    verified.compared = count(stored.len());
    // Records whose stored detail item has the vendor's deletion mark.
    verified.deleted += count(made - stored.len());
    let mut differing = rewrite::differing(connection, scope, &stored).await?;
    for record in &stored {
        if known.get(&record.id).is_some_and(|stored| is_on_wrong_day(stored, record)) {
            let tables = differing.entry(record.id.clone()).or_default();
            tables.insert("argos_sync.record".to_owned());
        }
    }
    let lost: Vec<LostItem> = records
        .iter()
        .zip(&sound)
        .filter(|(_, sound)| sound.lost.is_any())
        .map(|((id, _), sound)| LostItem::of(id, sound))
        .collect();
    verified.differing = count(differing.len());
    verified.lost_raw = count(lost.len());
    for table in differing.values().flatten() {
        *verified.differing_by_table.entry(table.clone()).or_default() += 1;
    }
    Ok((verified, InvalidRecords { differing, lost }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_ends_where_its_bytes_do_and_holds_one_record_at_least() {
        let fits = |weights: &[u64]| fitting(weights.iter().copied());
        assert_eq!(fits(&[1; 500]), 500);
        assert_eq!(fits(&[CHUNK_BYTES / 2; 3]), 2);
        assert_eq!(fits(&[CHUNK_BYTES + 1, 1]), 1);
        assert_eq!(fits(&[1, CHUNK_BYTES, 1]), 1);
        assert_eq!(fits(&[u64::MAX, u64::MAX]), 1);
    }
}
