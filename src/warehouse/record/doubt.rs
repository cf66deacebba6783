//! Handles list items that may be older than the stored record: lists may lag behind.
//!
//! An item whose own times are earlier than those of the stored record is set aside. Its digest is
//! recorded but its content is not, and the record keeps its rows. One detail call follows in every
//! mode: its higher read number decides. The same digest is compared again only after a detail with
//! other content, and causes no further call.

use super::{
    observation::{Origin, Work, is_listed},
    stored::{KnownItem, StoredRecord},
};
use crate::{
    domain::{Call, Digest},
    json::{self, Flat},
    normalize::Times,
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        raw::codec::Inflater,
        scope::Scope,
        state::detail_queue::{self, Priority},
        tx::Tx,
    },
};

/// Whether the stored record has a later time than this list item. Returns false if the stored raw
/// items are missing or do not match their digests.
pub(in crate::warehouse) fn is_doubtful(
    scope: &Scope,
    origin: Origin,
    Work { item, stored }: &Work,
    inflater: &mut Inflater,
) -> bool {
    if origin.call() != Call::List {
        return false;
    }
    let Some(kept) = stored.kept.as_ref().filter(|_| stored.deleted_at.is_none()) else {
        return false;
    };
    let listed = Times::read(&json::text(&item.body));
    if listed.is_empty() {
        return false;
    }
    let mut bodies = Vec::new();
    let mut times = |call, known: Option<KnownItem>| {
        let KnownItem { digest, read } = known?;
        // Unreadable items are not compared.
        let body = kept.body(call, inflater).ok()??;
        let times = Times::read(&json::text(&body));
        bodies.push((body, digest));
        Some((times, read))
    };
    let (list, detail) = (times(Call::List, stored.list), times(Call::Detail, stored.detail));
    if !Times::of_record(list, detail).is_later_than(&listed) {
        return false;
    }
    bodies.iter().all(|(body, digest)| {
        let text = json::text(body);
        Flat::parse(&text).is_ok_and(|item| item.digest(&scope.volatile) == *digest)
    })
}

/// Records items that were set aside, and makes a detail call due for each new digest.
pub(in crate::warehouse) async fn set_aside(
    tx: &mut Tx<'_>,
    origin: Origin,
    aside: &[Work],
) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    if aside.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = aside.iter().map(|work| work.item.id.as_str()).collect();
    let digests: Vec<&[u8]> = aside.iter().map(|work| &work.item.digest.0[..]).collect();
    let numbers: Vec<i64> = aside.iter().map(|work| work.item.read.0).collect();
    // The caller has locked the records.
    sqlx::query!(
        "update argos_sync.record as stored
         set doubted_digest = given.digest, doubted_read = given.number,
            unlisted = stored.unlisted and not $6
         from unnest($3::text[], $4::bytea[], $5::bigint[]) as given (id, digest, number)
         cross join lateral (
            select ctid as place from argos_sync.record
            where project = $1 and stream = $2 and id = given.id offset 0
         ) as found
         where stored.ctid = found.place",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &digests as &[&[u8]],
        &numbers,
        is_listed(origin),
    )
    .execute(&mut *tx.connection)
    .await
    .doing("setting list items aside")?;
    let asks = |work: &&Work| !is_known(&work.stored, work.item.digest);
    let due: Vec<&str> = aside.iter().filter(asks).map(|work| work.item.id.as_str()).collect();
    detail_queue::mark(tx, &due, Priority::News, now).await
}

/// Whether a detail call was already made due for this digest.
fn is_known(stored: &StoredRecord, digest: Digest) -> bool {
    [stored.list, stored.doubted].into_iter().flatten().any(|known| known.digest == digest)
}
