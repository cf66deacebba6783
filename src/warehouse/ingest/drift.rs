//! Records deviations: repairs by record, drift by path. Never stores a value.

use crate::{
    domain::HIDDEN_FIELD,
    normalize::Note,
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        tables::record_rows::Noted,
        tx::Tx,
    },
};
use std::collections::BTreeSet;

/// Maximum number of unknown names recorded separately at one path. Concurrent transactions may
/// record some more.
const NAMES_MAX: i64 = 50;

/// Replaces the notes of these records, and adds new kinds of deviation.
pub(in crate::warehouse) async fn replace(
    tx: &mut Tx<'_>,
    records: &[Noted<'_>],
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    let known: Vec<&str> = records.iter().map(|record| record.id).collect();
    if !known.is_empty() {
        sqlx::query!(
            "delete from argos_sync.repair as stored using unnest($3::text[]) as given (id)
             cross join lateral (
                select ctid as place from argos_sync.repair
                where project = $1 and stream = $2 and id = given.id offset 0
             ) as found
             where stored.ctid = found.place",
            scope.project.as_str(),
            scope.stream.as_str(),
            &known as &[&str],
        )
        .execute(&mut *tx.connection)
        .await
        .doing("clearing repairs")?;
    }
    add(tx, records).await
}

/// Adds the notes of records that have none yet, and new kinds of deviation.
pub(super) async fn add(tx: &mut Tx<'_>, records: &[Noted<'_>]) -> Result<(), WarehouseError> {
    let notes: BTreeSet<&Note> = records.iter().flat_map(|record| record.notes).collect();
    if notes.is_empty() {
        return Ok(());
    }
    keep_repairs(tx, records).await?;
    keep_drift(tx, &notes).await
}

async fn keep_repairs(tx: &mut Tx<'_>, records: &[Noted<'_>]) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let repairs: Vec<(&str, &Note)> = records
        .iter()
        .flat_map(|record| record.notes.iter().map(|note| (record.id, note)))
        .filter(|(_, note)| note.found.is_repair())
        .collect();
    if repairs.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = repairs.iter().map(|(id, _)| *id).collect();
    let paths: Vec<&str> = repairs.iter().map(|(_, note)| note.path.as_str()).collect();
    let found: Vec<&str> = repairs.iter().map(|(_, note)| note.found.as_str()).collect();
    let types: Vec<&str> = repairs.iter().map(|(_, note)| note.json_type).collect();
    sqlx::query!(
        "insert into argos_sync.repair (project, stream, id, path, found, json_type, noted_at)
         select $1, $2, given.*, $7
         from unnest($3::text[], $4::text[], $5::text[], $6::text[])
            as given (id, path, found, json_type)
         order by given.id, given.path
         on conflict do nothing",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &paths as &[&str],
        &found as &[&str],
        &types as &[&str],
        now,
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("storing repairs")
}

/// Adds new kinds of deviation.
pub(in crate::warehouse) async fn keep_drift(
    tx: &mut Tx<'_>,
    notes: &BTreeSet<&Note>,
) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let paths: Vec<&str> = notes.iter().map(|note| note.path.as_str()).collect();
    let found: Vec<&str> = notes.iter().map(|note| note.found.as_str()).collect();
    let types: Vec<&str> = notes.iter().map(|note| note.json_type).collect();
    // A path with many unknown names is a map whose keys are data: one path represents the
    // remaining names.
    sqlx::query!(
        "insert into argos_sync.schema_drift as stored
            (project, stream, path, found, json_type, first_seen_at)
         select distinct $1, $2,
            case when count.known + new.number > $8 then new.place || $7 else new.path end,
            new.found, new.json_type, $6::timestamptz
         from (
            select given.*, place,
                row_number() over (partition by place, found order by path) as number
            from unnest($3::text[], $4::text[], $5::text[]) as given (path, found, json_type)
            cross join lateral (select regexp_replace(given.path, '[^.]*$', '') as place) as above
            where not exists (
                select from argos_sync.schema_drift as known
                where known.project = $1 and known.stream = $2
                  and (known.path, known.found, known.json_type)
                    = (given.path, given.found, given.json_type))
         ) as new
         cross join lateral (
            select count(*) as known from argos_sync.schema_drift as known
            where known.project = $1 and known.stream = $2 and known.found = new.found
              and regexp_replace(known.path, '[^.]*$', '') = new.place
         ) as count
         order by 3, 4, 5
         on conflict do nothing",
        scope.project.as_str(),
        scope.stream.as_str(),
        &paths as &[&str],
        &found as &[&str],
        &types as &[&str],
        now,
        HIDDEN_FIELD,
        NAMES_MAX,
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("storing drift")
}
