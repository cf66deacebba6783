//! Stores observed items in three steps. `classify` decides by digests, `build` merges and
//! normalizes on a blocking thread, and `apply` writes. Unknown records are written by `insert`. An
//! unchanged item costs no write (I4).
//!
//! List pages and batches of detail calls both use this path, inside the caller's transaction.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

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
        scope::Scope,
        state::{
            detail_queue::{self, Priority},
            run::Tally,
        },
    },
};

/// Number of records merged, normalized and written at a time; limits the memory for their trees.
const CHUNK: usize = 500;

/// Stores items of one origin. Returns their counts by outcome.
pub(in crate::warehouse) async fn store(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    observations: &[&Observation],
    now: DateTime<Utc>,
) -> Result<Tally, WarehouseError> {
    let batch = Batch::of(observations);
    refused::keep(connection, scope, origin, &batch.refused, now).await?;
    let known = find_differing(connection, scope, origin, &batch).await?;
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
    let skipped = since::not_asked_for(connection, scope, origin, unknown).await?;
    if !skipped.is_empty() {
        new.retain(|item| !skipped.contains(item.id()));
        due.retain(|id| !skipped.contains(id));
        tally.skipped = count(skipped.len());
    }
    if !new.is_empty() {
        let items = new.iter().map(|item| item.to_store()).collect();
        let inserted = insert::store(connection, scope, origin, items, now).await?;
        tally.inserted = count(inserted.len());
        // The others were inserted by another writer first, and are known now.
        changed.extend(new.into_iter().filter(|item| !inserted.contains(item.id())));
        changed.sort_unstable_by_key(KeyedItem::id);
    }
    for chunk in changed.chunks(CHUNK) {
        store_changed(connection, scope, origin, chunk, now, &mut tally).await?;
    }
    detail_queue::mark(connection, scope, &due, Priority::of(origin.lane()), now).await?;
    Ok(tally)
}

/// Finds the records whose stored digests differ from those of these items.
async fn find_differing(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    batch: &Batch<'_>,
) -> Result<HashMap<String, Known>, WarehouseError> {
    let ids: Vec<&str> = batch.items.keys().copied().collect();
    let digests: Vec<&[u8]> = batch.items.values().map(|item| &item.key.digest.0[..]).collect();
    stored::find_differing(connection, scope, origin.call(), &ids, &digests).await
}

/// Locks the records of some items and stores their changes.
async fn store_changed(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    items: &[KeyedItem<'_>],
    now: DateTime<Utc>,
    tally: &mut Tally,
) -> Result<(), WarehouseError> {
    let ids: Vec<&str> = items.iter().map(KeyedItem::id).collect();
    let locked = stored::lock(connection, scope, &ids).await?;
    let LockedItems { facts, doubtful, special, unchanged, other_window } =
        classify_locked(scope, origin, items, locked)?;
    tally.updated += count(facts.len());
    tally.unchanged += count(unchanged + doubtful.len());
    tally.duplicate += count(other_window);
    doubt::set_aside(connection, scope, origin, &doubtful, now).await?;
    if !facts.is_empty() {
        let usual = match scope.stream {
            Stream::Submission => Usual::read(connection, scope).await?,
            Stream::Faceauth => Usual::default(),
        };
        let of = Arc::clone(scope);
        let changes = blocking::run(move || build(&of, origin, &facts, usual, now)).await?;
        apply(connection, scope, origin, changes, now).await?;
    }
    let deleted = marks::store(connection, scope, origin, &special, now).await?;
    tally.updated += deleted;
    tally.unchanged += count(special.len()) - deleted;
    Ok(())
}
