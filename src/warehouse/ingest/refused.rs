//! Stores items that do not fit into their tables, completely and with the reason.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{
    domain::Call,
    json,
    normalize::Refusal,
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        raw::codec::Compressor,
        record::observation::{Observation, Origin},
        scope::Scope,
        tx::Tx,
    },
};

/// Stores refused items. The same item is stored once; reading it again writes nothing.
pub(super) async fn keep(
    tx: &mut Tx<'_>,
    origin: Origin,
    refused: &[(&Observation, &Refusal)],
) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    if refused.is_empty() {
        return Ok(());
    }
    let mut by_digest: BTreeMap<[u8; 16], (&Observation, &Refusal)> = BTreeMap::new();
    for (observation, refusal) in refused {
        by_digest.insert(digest(scope, &observation.body), (observation, refusal));
    }
    let digests: Vec<&[u8]> = by_digest.keys().map(|digest| &digest[..]).collect();
    let reasons: Vec<&str> = by_digest.values().map(|(_, refusal)| refusal.as_str()).collect();
    let sizes: Vec<i32> = by_digest
        .values()
        .map(|(observation, _)| i32::try_from(observation.body.len()).unwrap_or(i32::MAX))
        .collect();
    let numbers: Vec<i64> = by_digest.values().map(|(observation, _)| observation.read.0).collect();
    let pass_id = match origin {
        Origin::List { pass_id, .. } => Some(pass_id),
        Origin::Detail | Origin::Quarantine { .. } => None,
    };
    let mut compressor = Compressor::new()?;
    let bodies: Vec<Vec<u8>> = by_digest
        .values()
        .map(|(observation, _)| Ok(compressor.compress(&observation.body)?.to_vec()))
        .collect::<Result<_, _>>()?;
    sqlx::query!(
        "with fresh as (
            insert into argos_sync.quarantine
                (project, stream, digest, call, reason, bytes, first_seen_at, pass_id, read_number)
            select $1, $2, given.digest, $3, given.reason, given.bytes, $4, $5, given.read_number
            from unnest($6::bytea[], $7::text[], $8::int[], $10::bigint[])
                as given (digest, reason, bytes, read_number)
            where not exists (
                select from argos_sync.quarantine as known
                where known.project = $1 and known.stream = $2 and known.digest = given.digest)
            order by given.digest
            on conflict do nothing
            returning digest)
         insert into argos_raw.quarantine (project, stream, digest, body)
         select $1, $2, given.digest, given.body
         from unnest($6::bytea[], $9::bytea[]) as given (digest, body)
         join fresh on fresh.digest = given.digest
         on conflict do nothing",
        scope.project.as_str(),
        scope.stream.as_str(),
        word(origin.call()),
        now,
        pass_id,
        &digests as &[&[u8]],
        &reasons as &[&str],
        &sizes,
        &bodies as &[Vec<u8>],
        &numbers,
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("storing quarantined items")
}

/// The word in the `call` column.
pub(in crate::warehouse) fn word(call: Call) -> &'static str {
    match call {
        Call::List => "list",
        Call::Detail => "detail",
    }
}

/// Identifies an item that has no id. It is the digest if the item can be parsed, so that signed
/// addresses that change with every call do not create a new entry. Otherwise it is a hash of the
/// bytes.
pub(super) fn digest(scope: &Scope, body: &[u8]) -> [u8; 16] {
    let text = json::text(body);
    if let Ok(item) = json::parse(&text) {
        return json::digest(&item.value, &scope.volatile).0;
    }
    let mut digest = [0; 16];
    digest.iter_mut().zip(Sha256::digest(body)).for_each(|(to, from)| *to = from);
    digest
}
