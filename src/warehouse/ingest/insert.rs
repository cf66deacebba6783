//! Records that nobody has seen before: the larger part of a first load.
//!
//! Where the row of `argos_sync.record` is missing there are no others of the record: all are added
//! by one statement that looks for none. It fails where another writer was faster, and then what
//! that one wrote is left out and the rest written again. Should somebody have emptied tables by
//! hand, so that rows are there after all, they belong to nobody and make way.

use super::{
    drift, insert_statement, marks,
    prepare::{Capacity, Ready},
};
use crate::{
    blocking,
    domain::Call,
    normalize::{
        Mark,
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
        scope::Scope,
        state::detail_queue::{self, Priority},
        tables::record_rows::Noted,
    },
};
use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};
use tokio::sync::mpsc;

/// Bytes of items that are made ready and written at a time; bounds the memory of their rows.
const CHUNK_BYTES: usize = 1 << 20;

/// What new records of so many bytes take besides while they are written: the rows of three chunks,
/// and what is sent of one.
pub fn bytes_to_write(bytes: usize) -> usize {
    bytes.min(CHUNK_BYTES).saturating_mul(6)
}

/// Writes records that have no row yet, in the order of their ids; returns the ids written.
///
/// The others were inserted by another writer at the same moment: they are known now.
pub(super) async fn store(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    mut items: Vec<ItemToStore>,
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, WarehouseError> {
    let doing = "writing new records";
    let mut is_in_the_way = false;
    loop {
        let mut savepoint = connection.begin().await.doing(doing)?;
        if is_in_the_way {
            // Kept only together with the new rows: what another writer stores at this moment
            // belongs to somebody.
            let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
            clear(&mut savepoint, scope, &ids).await?;
        }
        let collision = match add(&mut savepoint, scope, origin, &items, now).await {
            Ok(written) => {
                savepoint.commit().await.doing(doing)?;
                return Ok(written);
            }
            Err(error) if error.is_unique_violation() => error,
            Err(error) => return Err(error),
        };
        savepoint.rollback().await.doing(doing)?;
        let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
        let stored = stored::look_up(connection, scope, &ids).await?;
        if stored.is_empty() && std::mem::replace(&mut is_in_the_way, true) {
            return Err(collision);
        }
        items.retain(|item| !stored.contains_key(&item.id));
    }
}

/// Adds these records, all or none of them. While PostgreSQL takes some, the next are made ready,
/// and those behind them.
async fn add(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    items: &[ItemToStore],
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, WarehouseError> {
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
        let (mut room, mut compressor) = (Capacity::default(), Compressor::new()?);
        for chunk in items.chunk_by(of_one_chunk) {
            let ready;
            (ready, compressor) = prepare(scope, origin, chunk, room, compressor, now).await?;
            room = ready.room();
            // Nobody waits any more once writing has failed.
            if made.send(ready).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let writing = async move {
        let mut written = BTreeSet::new();
        while let Some(ready) = waiting.recv().await {
            written.extend(write(connection, scope, origin, ready, now).await?);
        }
        Ok(written)
    };
    // Both come to their end: a statement that nobody waits for would still be under way.
    let (made, written) = tokio::join!(making, writing);
    made.and(written)
}

/// Makes records ready on a thread of their own; the compressor comes back.
async fn prepare(
    scope: &Arc<Scope>,
    origin: Origin,
    chunk: &[ItemToStore],
    room: Capacity,
    mut compressor: Compressor,
    now: DateTime<Utc>,
) -> Result<(Ready, Compressor), WarehouseError> {
    let (scope, chunk) = (Arc::clone(scope), chunk.to_vec());
    blocking::run(move || {
        let mut ready = Ready::new(scope.stream, &room);
        for item in &chunk {
            ready.add(&scope, origin, item, &mut compressor, now)?;
        }
        ready.add_sets();
        Ok((ready, compressor))
    })
    .await
}

/// Writes one chunk; returns its ids.
async fn write(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    mut ready: Ready,
    now: DateTime<Utc>,
) -> Result<Vec<String>, WarehouseError> {
    insert_statement::insert(connection, scope, origin.call(), &mut ready).await?;
    let noted = ready.notes.iter().map(|(id, notes)| Noted { id, notes });
    drift::add(connection, scope, &noted.collect::<Vec<_>>(), now).await?;
    if origin.call() == Call::List && scope.details.wants_changed() {
        detail_queue::mark(connection, scope, &ready.ids(), Priority::of(origin.lane()), now)
            .await?;
    }
    let marks = ready.marked.iter().map(|(id, read)| (id.as_str(), *read, Mark { at: None }));
    marks::suspect(connection, scope, origin, &marks.collect::<Vec<_>>(), now).await?;
    Ok(ready.records.into_iter().map(|record| record.id).collect())
}

/// Removes what stands in the tables of records that have no row of their own.
async fn clear(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[&str],
) -> Result<(), WarehouseError> {
    for table in catalogue::tables(scope.stream).iter().filter(|table| table.key != Key::Set) {
        let (name, id) = (table.qualified(), table.id_column());
        sql::empty(connection, &scope.project, &name, id, ids).await?;
    }
    bodies::drop_bodies(connection, scope, ids).await
}
