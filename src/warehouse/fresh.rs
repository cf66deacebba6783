//! Records that nobody has seen before: the larger part of a first load.
//!
//! Who inserts the row of `argos_sync.record` owns the record until the transaction ends, and where that row was missing
//! there are no others of it: its rows are added without looking for older ones. Should somebody have emptied tables by
//! hand, so that others are there after all, they belong to nobody and make way.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use super::{
    Scope, WarehouseError,
    due::{self, Rank},
    held,
    notes::{self, Noted},
    own_thread::on_own_thread,
    raw,
    ready::Ready,
    store::{ItemToStore, Origin},
    tables,
};
use crate::{
    domain::Call,
    normalize::catalogue::{self, Key},
};

/// Bytes of items that are made ready and written at a time; bounds the memory of their rows.
const CHUNK_BYTES: usize = 1 << 20;

/// What new records of so many bytes take besides while they are written: the rows of two chunks, and what is sent of one.
pub fn bytes_to_write(bytes: usize) -> usize {
    bytes.min(CHUNK_BYTES).saturating_mul(6)
}

/// Writes records that have no row yet, in the order of their ids; returns the ids that were written.
///
/// The others were inserted by another writer at the same moment: they are known now. While PostgreSQL takes some, the next
/// are made ready.
pub(super) async fn store(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    items: Vec<ItemToStore>,
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, WarehouseError> {
    let mut written = BTreeSet::new();
    let mut bytes = 0;
    let of_one_chunk = |item: &ItemToStore, _: &ItemToStore| {
        bytes += item.body.len();
        let fits = bytes < CHUNK_BYTES;
        if !fits {
            bytes = 0;
        }
        fits
    };
    let mut chunks = items.chunk_by(of_one_chunk).map(Arc::<[ItemToStore]>::from);
    let prepare = async |chunk: Option<Arc<[ItemToStore]>>| match chunk {
        Some(chunk) => prepare(scope, origin, chunk, None, now).await.map(Some),
        None => Ok(None),
    };
    let mut next = prepare(chunks.next()).await?;
    while let Some(ready) = next {
        let writing = write(connection, scope, origin, ready, now);
        let (ids, coming) = tokio::join!(writing, prepare(chunks.next()));
        written.extend(ids?);
        next = coming?;
    }
    Ok(written)
}

/// Makes records ready on a thread of their own; all of the chunk, or those with such ids.
async fn prepare(
    scope: &Arc<Scope>,
    origin: Origin,
    chunk: Arc<[ItemToStore]>,
    only: Option<BTreeSet<String>>,
    now: DateTime<Utc>,
) -> Result<Ready, WarehouseError> {
    let scope = Arc::clone(scope);
    on_own_thread(move || {
        let mut ready = Ready::new(scope.stream, Arc::clone(&chunk))?;
        let ours = |item: &&ItemToStore| only.as_ref().is_none_or(|only| only.contains(&item.id));
        for item in chunk.iter().filter(ours) {
            ready.add(&scope, origin, item, now)?;
        }
        ready.add_sets();
        Ok(ready)
    })
    .await
}

/// Writes one chunk; returns the ids that were written.
async fn write(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    mut ready: Ready,
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, WarehouseError> {
    let inserted = held::insert(connection, scope, origin.call(), &ready.records).await?;
    if inserted.len() < ready.records.len() {
        let ours = Some(inserted.clone());
        ready = prepare(scope, origin, Arc::clone(&ready.chunk), ours, now).await?;
    }
    match add(connection, scope, origin, &mut ready).await {
        Err(error) if error.is_unique_violation() => {
            let ours = Some(inserted.clone());
            ready = prepare(scope, origin, Arc::clone(&ready.chunk), ours, now).await?;
            clear(connection, scope, &ready).await?;
            add(connection, scope, origin, &mut ready).await?;
        }
        other => other?,
    }
    note(connection, scope, origin, &ready, now).await?;
    Ok(inserted)
}

/// Adds the rows of these records, all or none of them; what was sent is not kept.
async fn add(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    ready: &mut Ready,
) -> Result<(), WarehouseError> {
    let doing = "writing rows of new records";
    let mut savepoint = connection.begin().await.map_err(WarehouseError::database(doing))?;
    let rows = std::mem::take(&mut ready.rows);
    tables::insert(&mut savepoint, &scope.project, scope.stream, rows).await?;
    raw::keep(&mut savepoint, scope, origin.call(), &ready.bodies).await?;
    savepoint.commit().await.map_err(WarehouseError::database(doing))
}

/// Removes what stands in the tables of records that had no row of their own.
async fn clear(
    connection: &mut PgConnection,
    scope: &Scope,
    ready: &Ready,
) -> Result<(), WarehouseError> {
    let ids = ready.ids();
    for table in catalogue::tables(scope.stream).iter().filter(|table| table.key != Key::Set) {
        let (name, id) = (table.qualified(), table.id_column());
        tables::empty(connection, &scope.project, &name, id, &ids).await?;
    }
    raw::drop_bodies(connection, scope, &ids).await
}

/// Keeps what deviated in these records, and makes their single calls due.
async fn note(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    ready: &Ready,
    now: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    let noted = ready.notes.iter().map(|(id, notes)| Noted { id, notes });
    notes::add(connection, scope, &noted.collect::<Vec<_>>(), now).await?;
    if origin.call() == Call::List && scope.detail.wants_changed() {
        due::mark(connection, scope, &ready.ids(), Rank::of(origin.lane()), now).await?;
    }
    Ok(())
}
