//! Stores observed items in three steps. `classify` decides by digests, `build` merges and
//! normalizes on a blocking thread, and `apply` writes. Unknown records are written by `insert`. An
//! unchanged item costs no write (I4).
//!
//! List pages and batches of detail calls both use this path, inside the caller's transaction.

use std::{collections::HashMap, sync::Arc};

use super::{
    apply::apply,
    build::build,
    classify::{Batch, Classified, KeyedItem, LockedItems, classify, classify_locked},
    insert, marks, refused,
};
use crate::{
    blocking,
    domain::Stream,
    warehouse::{
        postgres::{error::WarehouseError, sql::count},
        record::{
            doubt,
            observation::{Observation, Origin},
            since,
            stored::{self, Known},
            usual::Usual,
        },
        state::{
            detail_queue::{self, Priority},
            run::Tally,
        },
        tx::Tx,
    },
};

/// Number of records merged, normalized and written at a time; limits the memory for their trees.
const CHUNK: usize = 500;

/// Stores items of one origin. Returns their counts by outcome.
pub(in crate::warehouse) async fn store(
    tx: &mut Tx<'_>,
    origin: Origin,
    observations: &[&Observation],
) -> Result<Tally, WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let batch = Batch::of(observations);
    refused::keep(tx, origin, &batch.refused).await?;
    let known = find_differing(tx, origin, &batch).await?;
    let Classified { mut new, mut changed, unchanged, other_window, mut due } =
        classify(scope, origin, &batch, &known);
    let mut tally = Tally {
        received: count(observations.len()),
        quarantined: count(batch.refused.len()),
        duplicate: count(batch.duplicate + other_window),
        unchanged: count(unchanged),
        ..Tally::default()
    };
    let unknown = new.iter().map(|item| item.key);
    let skipped = since::not_asked_for(tx, origin, unknown).await?;
    if !skipped.is_empty() {
        new.retain(|item| !skipped.contains(item.id()));
        due.retain(|id| !skipped.contains(id));
        tally.skipped = count(skipped.len());
    }
    if !new.is_empty() {
        let items = new.iter().map(|item| item.to_store()).collect();
        let inserted = insert::store(tx, origin, items).await?;
        tally.inserted = count(inserted.len());
        // The others were inserted by another writer first, and are known now.
        changed.extend(new.into_iter().filter(|item| !inserted.contains(item.id())));
        changed.sort_unstable_by_key(KeyedItem::id);
    }
    for chunk in changed.chunks(CHUNK) {
        store_changed(tx, origin, chunk, &mut tally).await?;
    }
    detail_queue::mark(tx, &due, Priority::of(origin.lane()), now).await?;
    Ok(tally)
}

/// Finds the records whose stored digests differ from those of these items.
async fn find_differing(
    tx: &mut Tx<'_>,
    origin: Origin,
    batch: &Batch<'_>,
) -> Result<HashMap<String, Known>, WarehouseError> {
    let ids: Vec<&str> = batch.items.keys().copied().collect();
    let digests: Vec<&[u8]> = batch.items.values().map(|item| &item.key.digest.0[..]).collect();
    stored::find_differing(tx, origin.call(), &ids, &digests).await
}

/// Locks the records of some items and stores their changes.
async fn store_changed(
    tx: &mut Tx<'_>,
    origin: Origin,
    items: &[KeyedItem<'_>],
    tally: &mut Tally,
) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let ids: Vec<&str> = items.iter().map(KeyedItem::id).collect();
    let locked = stored::lock(tx.connection, scope, &ids).await?;
    let LockedItems { facts, doubtful, special, unchanged, other_window } =
        classify_locked(scope, origin, items, locked)?;
    tally.updated += count(facts.len());
    tally.unchanged += count(unchanged + doubtful.len());
    tally.duplicate += count(other_window);
    doubt::set_aside(tx, origin, &doubtful).await?;
    if !facts.is_empty() {
        let usual = match scope.stream {
            Stream::Submission => Usual::read(tx.connection, scope).await?,
            Stream::Faceauth => Usual::default(),
        };
        let of = Arc::clone(scope);
        let changes = blocking::run(move || build(&of, origin, &facts, usual, now)).await?;
        apply(tx, origin, changes).await?;
    }
    let deleted = marks::store(tx, origin, &special).await?;
    tally.updated += deleted;
    tally.unchanged += count(special.len()) - deleted;
    Ok(())
}
