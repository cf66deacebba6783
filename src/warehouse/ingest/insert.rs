//! Inserts records that are not stored yet: most of an initial load.
//!
//! A record without a row in `argos_sync.record` has no other rows. So one statement inserts all of
//! them without checking for existing rows. It fails if another writer was faster. Then the records
//! of that writer are left out and the rest are written again. If leftover rows exist because
//! tables were emptied by hand, they belong to no record and are deleted.

use super::{
    drift, insert_statement, marks,
    prepare::{Capacity, ItemContext, Ready},
};
use crate::{
    blocking,
    domain::Call,
    normalize::{
        DeletionMark,
        catalogue::{self, Key},
    },
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            sql,
        },
        raw::{bodies, codec::Compressor},
        record::{
            observation::{ItemToStore, Origin},
            stored,
        },
        state::detail_queue::{self, Priority},
        tables::record_rows::Noted,
        tx::Tx,
    },
};
use std::{collections::BTreeSet, sync::Arc};

use sqlx::Connection as _;
use tokio::sync::mpsc;

/// Bytes of items prepared and written at a time; limits the memory for their rows.
const CHUNK_BYTES: usize = 1 << 20;

/// The additional memory for writing new records with this number of bytes: the rows of three
/// chunks and the message for one.
pub fn bytes_to_write(bytes: usize) -> usize {
    bytes.min(CHUNK_BYTES).saturating_mul(6)
}

/// Writes records that have no row yet, in id order. Returns the ids written.
///
/// The others were inserted by another writer at the same time, and are known now.
pub(super) async fn store(
    tx: &mut Tx<'_>,
    origin: Origin,
    mut items: Vec<ItemToStore>,
) -> Result<BTreeSet<String>, WarehouseError> {
    let scope = tx.scope;
    let doing = "writing new records";
    let mut is_in_the_way = false;
    loop {
        let mut savepoint = tx.connection.begin().await.doing(doing)?;
        if is_in_the_way {
            // Committed only together with the new rows: another writer may be storing some of
            // these records right now.
            let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
            clear(&mut Tx::new(&mut savepoint, scope, tx.now), &ids).await?;
        }
        let mut inner = Tx::new(&mut savepoint, scope, tx.now);
        let collision = match add(&mut inner, origin, &items).await {
            Ok(written) => {
                savepoint.commit().await.doing(doing)?;
                return Ok(written);
            }
            Err(error) if error.is_unique_violation() => error,
            Err(error) => return Err(error),
        };
        savepoint.rollback().await.doing(doing)?;
        let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
        let stored = stored::look_up(tx.connection, scope, &ids).await?;
        if stored.is_empty() && std::mem::replace(&mut is_in_the_way, true) {
            return Err(collision);
        }
        items.retain(|item| !stored.contains_key(&item.id));
    }
}

/// Adds all of these records or none. While PostgreSQL writes one chunk, the next chunks are
/// prepared.
async fn add(
    tx: &mut Tx<'_>,
    origin: Origin,
    items: &[ItemToStore],
) -> Result<BTreeSet<String>, WarehouseError> {
    let context = ItemContext { scope: Arc::clone(tx.scope), origin, now: tx.now };
    let mut bytes = 0;
    let of_one_chunk = |item: &ItemToStore, _: &ItemToStore| {
        bytes += item.body.len();
        let fits = bytes < CHUNK_BYTES;
        if !fits {
            bytes = 0;
        }
        fits
    };
    let (made, mut waiting) = mpsc::channel(1);
    let making = async move {
        let (mut capacity, mut compressor) = (Capacity::default(), Compressor::new()?);
        for chunk in items.chunk_by(of_one_chunk) {
            let ready;
            (ready, compressor) = prepare(context.clone(), chunk, capacity, compressor).await?;
            capacity = ready.capacity();
            // The receiver is dropped when writing has failed.
            if made.send(ready).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let writing = async move {
        let mut written = BTreeSet::new();
        while let Some(ready) = waiting.recv().await {
            written.extend(write(tx, origin, ready).await?);
        }
        Ok(written)
    };
    // Both run to completion: otherwise a statement could still be running without a reader.
    let (made, written) = tokio::join!(making, writing);
    made.and(written)
}

/// Prepares records on a blocking thread, and returns the compressor.
async fn prepare(
    context: ItemContext,
    chunk: &[ItemToStore],
    capacity: Capacity,
    mut compressor: Compressor,
) -> Result<(Ready, Compressor), WarehouseError> {
    let chunk = chunk.to_vec();
    blocking::run(move || {
        let mut ready = Ready::new(context.scope.stream, &capacity);
        for item in &chunk {
            ready.add(&context, item, &mut compressor)?;
        }
        ready.add_sets();
        Ok((ready, compressor))
    })
    .await
}

/// Writes one chunk and returns its ids.
async fn write(
    tx: &mut Tx<'_>,
    origin: Origin,
    mut ready: Ready,
) -> Result<Vec<String>, WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    insert_statement::insert(tx, origin.call(), &mut ready).await?;
    let noted = ready.notes.iter().map(|(id, notes)| Noted { id, notes });
    drift::add(tx, &noted.collect::<Vec<_>>()).await?;
    if origin.call() == Call::List && scope.details.wants_changed() {
        detail_queue::mark(tx, &ready.ids(), Priority::of(origin.lane()), now).await?;
    }
    let marks =
        ready.marked.iter().map(|(id, read)| (id.as_str(), *read, DeletionMark { at: None }));
    marks::suspect(tx, origin, &marks.collect::<Vec<_>>()).await?;
    Ok(ready.records.into_iter().map(|record| record.id).collect())
}

/// Deletes the data rows and bodies of records without a row of their own.
async fn clear(tx: &mut Tx<'_>, ids: &[&str]) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    for table in catalogue::tables(scope.stream).iter().filter(|table| table.key != Key::Set) {
        let (name, id) = (table.qualified(), table.id_column());
        sql::empty(tx.connection, &scope.project, &name, id, ids).await?;
    }
    bodies::drop_bodies(tx, ids).await
}
