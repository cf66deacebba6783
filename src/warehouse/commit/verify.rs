//! Compares the data tables with the raw items that are kept, and rewrites what differs.
//!
//! A chunk of records is compared in one snapshot without a lock: a writer commits a record's items
//! and its rows together. What differs is then locked, normalized again and rewritten. Nothing was
//! observed: history records nothing, and `changed_at` moves only where a row did.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{PgConnection, PgTransaction};

use super::{
    repair::{LostItem, stored_rows},
    sound::Sound,
};
use crate::{
    domain::{Day, Stream},
    normalize::{self, Merged},
    warehouse::{
        postgres::{error::WarehouseError, pool::Warehouse},
        raw::{bodies, codec::Inflater},
        record::stored::{self, Held},
        scope::Scope,
        tables::{differences, write::Stored},
    },
};

/// Most records of a chunk.
const CHUNK: usize = 500;

/// Bytes of kept items in a chunk, packed and inflated; bounds the memory of the trees made of
/// them. One record may exceed it.
const CHUNK_BYTES: u64 = 8 << 20;

/// What a comparison of records with their kept items came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Records whose rows were compared.
    pub compared: i64,
    /// Records with a row that is changed, missing or surplus.
    pub differing: i64,
    /// The same by table. A record may differ in several.
    pub differing_by_table: BTreeMap<String, i64>,
    /// Records with a kept item that is missing, unreadable, or not the one that was stored.
    pub lost_raw: i64,
    /// Records with rows in data tables, or kept items, but no row in `argos_sync.record`: counted
    /// once for each table.
    pub without_record: BTreeMap<String, i64>,
    /// Deleted records, which are not compared.
    pub deleted: i64,
    /// Records of another normalizer, which are not compared.
    pub older: i64,
    /// Records that were rewritten.
    pub repaired: i64,
    /// Records for which a detail call was made due.
    pub asked: i64,
}

impl Verified {
    /// Whether anything was found that is not as it should be.
    pub fn is_wrong(&self) -> bool {
        self.differing > 0 || self.lost_raw > 0 || !self.without_record.is_empty()
    }
}

impl std::ops::AddAssign for Verified {
    fn add_assign(&mut self, other: Self) {
        self.compared += other.compared;
        self.differing += other.differing;
        self.lost_raw += other.lost_raw;
        self.deleted += other.deleted;
        self.older += other.older;
        self.repaired += other.repaired;
        self.asked += other.asked;
        for (table, records) in other.differing_by_table {
            *self.differing_by_table.entry(table).or_default() += records;
        }
        for (table, records) in other.without_record {
            *self.without_record.entry(table).or_default() += records;
        }
    }
}

/// The records of a chunk that are not as they should be.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The tables in which rows differ, by the record's id.
    pub(super) differing: BTreeMap<String, BTreeSet<String>>,
    pub(super) lost: Vec<LostItem>,
}

impl Found {
    /// Whether all records of the chunk are as they should be.
    pub fn is_empty(&self) -> bool {
        self.differing.is_empty() && self.lost.is_empty()
    }

    /// The tables in which records are damaged, by the record's id. Lost items count for the table
    /// of kept items.
    pub(super) fn tables(&self, stream: Stream) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (id, differing) in &self.differing {
            tables.entry(id).or_default().extend(differing.iter().map(String::as_str));
        }
        for item in &self.lost {
            tables.entry(&item.id).or_default().insert(bodies::table(stream));
        }
        tables
    }
}

/// Some records that were compared.
#[derive(Debug)]
pub struct Chunk {
    /// What the comparison came to.
    pub verified: Verified,
    /// The records that are not as they should be.
    pub found: Found,
    /// The ids of the chunk, in the order in which they were given.
    pub ids: Vec<String>,
}

impl Warehouse {
    /// Compares the next records after this id, of one day or of all days. `None`: there are no
    /// more.
    pub async fn verify_next(
        &self,
        scope: &Scope,
        day: Option<Day>,
        behind: &str,
    ) -> Result<Option<Chunk>, WarehouseError> {
        let mut snapshot = self.begin_snapshot().await?;
        let ids = next_ids(&mut snapshot, scope, day, behind).await?;
        if ids.is_empty() {
            return Ok(None);
        }
        check(&mut snapshot, scope, ids).await.map(Some)
    }

    /// Compares as many of these records as fit into a chunk, at least one.
    pub async fn verify_ids(&self, scope: &Scope, ids: &[String]) -> Result<Chunk, WarehouseError> {
        let mut snapshot = self.begin_snapshot().await?;
        check(&mut snapshot, scope, ids.iter().take(CHUNK).cloned().collect()).await
    }

    /// Begins a transaction that sees one state of all tables and writes nothing.
    pub(super) async fn begin_snapshot(&self) -> Result<PgTransaction<'static>, WarehouseError> {
        let doing = "comparing records";
        let mut transaction = self.begin_writing(doing).await?;
        sqlx::raw_sql("set transaction isolation level repeatable read, read only")
            .execute(&mut *transaction)
            .await
            .map_err(WarehouseError::database(doing))?;
        Ok(transaction)
    }
}

async fn next_ids(
    connection: &mut PgConnection,
    scope: &Scope,
    day: Option<Day>,
    behind: &str,
) -> Result<Vec<String>, WarehouseError> {
    let count = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let (project, stream) = (scope.project.as_str(), scope.stream.as_str());
    let ids = match day {
        None => {
            sqlx::query_scalar!(
                "select id from argos_sync.record where project = $1 and stream = $2 and id > $3
                 order by id limit $4",
                project,
                stream,
                behind,
                count,
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
                count,
                day,
            )
            .fetch_all(connection)
            .await
        }
    };
    ids.map_err(WarehouseError::database("listing records to compare"))
}

/// How many records, from the first, fit into a chunk: at least one.
fn fitting(weights: impl Iterator<Item = u64>) -> usize {
    let mut bytes = 0_u64;
    let fits = |weight: &u64| {
        bytes = bytes.saturating_add(*weight);
        bytes <= CHUNK_BYTES
    };
    weights.take_while(fits).count().max(1)
}

/// Compares those of these records that fit into a chunk.
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
        if let Some(held) = known.get_mut(&id) {
            held.kept = Some(kept);
        }
    }
    let (verified, found) = compare_known(connection, scope, &known).await?;
    Ok(Chunk { verified, found, ids })
}

/// A record that can be compared: neither deleted nor written by another normalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Comparable,
    Deleted,
    Older,
}

impl Standing {
    pub(super) fn of(held: &Held) -> Self {
        if held.deleted_at.is_some() || held.absent {
            Self::Deleted
        } else if held.normalizer_version == normalize::VERSION {
            Self::Comparable
        } else {
            Self::Older
        }
    }
}

async fn compare_known(
    connection: &mut PgConnection,
    scope: &Scope,
    known: &HashMap<String, Held>,
) -> Result<(Verified, Found), WarehouseError> {
    let mut verified = Verified::default();
    let mut records = Vec::with_capacity(known.len());
    for (id, held) in known {
        match Standing::of(held) {
            Standing::Comparable => records.push((id.as_str(), held)),
            Standing::Deleted => verified.deleted += 1,
            Standing::Older => verified.older += 1,
        }
    }
    let mut inflater = Inflater::new()?;
    let sound: Vec<Sound> =
        records.iter().map(|(id, held)| Sound::of(scope, id, held, None, &mut inflater)).collect();
    let merged: Vec<Option<(Merged<'_>, bool)>> = sound
        .iter()
        .map(|sound| sound.texts.as_ref().and_then(|texts| texts.merge(scope)))
        .collect();
    let stored: Vec<Stored<'_>> = stored_rows(scope, &records, &merged);
    let made = merged.iter().flatten().count();
    verified.compared = count(stored.len());
    // A record whose kept detail item bears the vendor's mark of a deletion.
    verified.deleted += count(made - stored.len());
    let mut differing = differences::differing(connection, scope, &stored).await?;
    for record in &stored {
        if known.get(record.id).is_some_and(|held| is_on_wrong_day(held, record)) {
            let tables = differing.entry(record.id.to_owned()).or_default();
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
    Ok((verified, Found { differing, lost }))
}

/// Whether a record is noted on another day than that of its creation.
pub(super) fn is_on_wrong_day(held: &Held, record: &Stored<'_>) -> bool {
    record.normalized.created_at.is_some_and(|at| at.date_naive() != held.window_day)
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
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
