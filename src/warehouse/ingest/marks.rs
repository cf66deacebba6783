//! Items with the vendor's deletion mark, and items of deleted records.
//!
//! A mark changes no row. It makes its record a suspect, like an absence, and two detail calls that
//! show it, some time apart, delete the record (I7). Rows of a deleted record keep the state that
//! the deletion left until the record returns.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::{
    domain::{Call, ReadNumber, Stream},
    normalize::{self, DeletionMark, Presence, catalogue},
    warehouse::{
        deletion::{
            absence,
            delete::{self, DeletionProof, Gone},
        },
        postgres::{
            error::{Doing as _, WarehouseError},
            sql::CHANGE_NUMBER,
        },
        record::observation::{Observation, Origin, Work},
        scope::Scope,
        state::detail_queue::{self, Priority},
        tx::Tx,
    },
};

/// The meaning of an item of a known record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Its facts are stored; if the record was deleted, it returns.
    Facts,
    /// The vendor marks the record as deleted.
    Mark(DeletionMark),
    /// A sparse list item of a deleted record: a detail call decides whether the record has
    /// returned.
    Hint,
    /// Nothing new: an item of a deleted record, or a mark that is older than an item without one.
    Nothing,
}

/// Whether an item counts even if its digest is known: each detail call that shows a mark is
/// evidence.
pub(super) fn is_evidence(scope: &Scope, origin: Origin, observation: &Observation) -> bool {
    match origin {
        Origin::Detail => observation.is_marked(scope.stream),
        Origin::List { .. } | Origin::Quarantine { .. } => false,
    }
}

/// Returns the meaning of an item, given the stored state of its record.
pub(super) fn meaning(scope: &Scope, origin: Origin, Work { item, stored }: &Work) -> Meaning {
    if stored.deleted_at.is_none() {
        return match normalize::mark_in(scope.stream, &item.body) {
            None => Meaning::Facts,
            Some(_) if item.read <= stored.newest => Meaning::Nothing,
            Some(mark) => Meaning::Mark(mark),
        };
    }
    let is_sparse = origin.call() == Call::List && scope.stream == Stream::Submission;
    match normalize::presence(scope.stream, &item.body) {
        Presence::Marked(mark) => Meaning::Mark(mark),
        Presence::Live | Presence::Bare if is_sparse => Meaning::Hint,
        Presence::Live => Meaning::Facts,
        // For example an incomplete submission, which never had identity data.
        Presence::Bare if stored.deleted_by_absence => Meaning::Facts,
        Presence::Bare => Meaning::Nothing,
    }
}

/// Stores marks and hints of known records, whose rows this transaction has locked. Returns the
/// number of records deleted.
pub(super) async fn store(
    tx: &mut Tx<'_>,
    origin: Origin,
    items: &[(Work, Meaning)],
) -> Result<i64, WarehouseError> {
    let now = tx.now;
    let is_list = origin.call() == Call::List;
    // A list item is recorded once: until another one arrives, it contains nothing new.
    let is_news = |(work, meaning): &&(Work, Meaning)| {
        *meaning != Meaning::Nothing && (!is_list || work.is_news())
    };
    let news = || items.iter().filter(is_news);
    if is_list {
        note_digests(tx, &news().collect::<Vec<_>>()).await?;
    }
    let hints = news().filter(|(_, meaning)| *meaning == Meaning::Hint);
    let hints: Vec<&str> = hints.map(|(work, _)| work.item.id.as_str()).collect();
    detail_queue::mark(tx, &hints, Priority::News, now).await?;
    let marks = news().filter_map(|(work, meaning)| match meaning {
        Meaning::Mark(mark) => Some((work, *mark)),
        Meaning::Facts | Meaning::Hint | Meaning::Nothing => None,
    });
    let (live, deleted): (Vec<_>, Vec<_>) =
        marks.partition(|(work, _)| work.stored.deleted_at.is_none());
    note_vendor_times(tx, &deleted).await?;
    let live: Vec<_> =
        live.iter().map(|(work, mark)| (work.item.id.as_str(), work.item.read, *mark)).collect();
    suspect(tx, origin, &live).await
}

/// Records marks of live records. A detail call is made due until two calls, some time apart, have
/// shown the mark; the second one deletes the record. Returns the number of records deleted.
pub(super) async fn suspect(
    tx: &mut Tx<'_>,
    origin: Origin,
    marks: &[(&str, ReadNumber, DeletionMark)],
) -> Result<i64, WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    if marks.is_empty() {
        return Ok(0);
    }
    let is_detail_call = matches!(origin, Origin::Detail);
    let ids: Vec<&str> = marks.iter().map(|(id, ..)| *id).collect();
    let rows = sqlx::query!(
        "insert into argos_sync.suspect as stored (project, stream, id, marked_at, mark_found_at)
         select $1, $2, given.id, $4::timestamptz, case when $5 then $4::timestamptz end
         from unnest($3::text[]) as given (id) order by given.id
         on conflict (project, stream, id) do update
         set marked_at = coalesce(stored.marked_at, excluded.marked_at),
            mark_found_at = coalesce(stored.mark_found_at, excluded.mark_found_at)
         returning id, mark_found_at + make_interval(secs => $6) as confirmed_at",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        now,
        is_detail_call,
        scope.deletion.confirm.as_secs_f64(),
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("storing marks of deletions")?;
    let mut again: BTreeMap<DateTime<Utc>, Vec<&str>> = BTreeMap::new();
    let mut gone = Vec::new();
    for row in &rows {
        let confirmed_at = row.confirmed_at.unwrap_or(now);
        let mark = marks.iter().find(|(id, ..)| *id == row.id);
        match mark {
            Some((id, read, mark)) if is_detail_call && confirmed_at <= now => {
                gone.push(Gone { id, read: *read, proof: DeletionProof::Marked(*mark) });
            }
            Some(_) | None => again.entry(confirmed_at.max(now)).or_default().push(&row.id),
        }
    }
    for (due_at, ids) in again {
        detail_queue::mark(tx, &ids, Priority::News, due_at).await?;
    }
    let deleted = delete::delete(tx, &gone).await?;
    let gone: Vec<&str> = gone.iter().map(|gone| gone.id).collect();
    absence::forget(tx, &gone).await?;
    Ok(deleted)
}

/// Records the digests of list items whose content is not stored, so that the same items count as
/// unchanged next time. For live records they are stored like those of items set aside: the stored
/// body stays that of the last stored item. A deleted record with a mark no longer counts as
/// absent.
async fn note_digests(tx: &mut Tx<'_>, items: &[&(Work, Meaning)]) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if items.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = items.iter().map(|(work, _)| work.item.id.as_str()).collect();
    let digests: Vec<&[u8]> = items.iter().map(|(work, _)| &work.item.digest.0[..]).collect();
    let numbers: Vec<i64> = items.iter().map(|(work, _)| work.item.read.0).collect();
    let is_mark = |meaning| matches!(meaning, Meaning::Mark(_));
    let marked: Vec<bool> = items.iter().map(|(_, meaning)| is_mark(*meaning)).collect();
    sqlx::query!(
        "update argos_sync.record as stored
         set doubted_digest = case when stored.deleted_at is null then given.digest
                else stored.doubted_digest end,
            doubted_read = case when stored.deleted_at is null then given.number
                else stored.doubted_read end,
            list_digest = case when stored.deleted_at is null then stored.list_digest
                else given.digest end,
            list_read = case when stored.deleted_at is null then stored.list_read
                else coalesce(stored.list_read, 0) end,
            deleted_by_absence = stored.deleted_by_absence and not given.marked
         from unnest($3::text[], $4::bytea[], $5::boolean[], $6::bigint[])
            as given (id, digest, marked, number)
         cross join lateral (
            select ctid as place from argos_sync.record
            where project = $1 and stream = $2 and id = given.id offset 0
         ) as found
         where stored.ctid = found.place",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &digests as &[&[u8]],
        &marked,
        &numbers,
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("storing digests")
}

/// Stores the vendor's deletion time of records whose deletion was proven without one.
async fn note_vendor_times(
    tx: &mut Tx<'_>,
    marks: &[(&Work, DeletionMark)],
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    let (ids, times): (Vec<&str>, Vec<DateTime<Utc>>) =
        marks.iter().filter_map(|(work, mark)| Some((work.item.id.as_str(), mark.at?))).unzip();
    if ids.is_empty() {
        return Ok(());
    }
    let table = format!("argos.{}", scope.stream.as_str());
    let sql = format!(
        "update {table} as stored
         set vendor_deleted_at = given.at, changed_at = argos_sync.clock(),
            change_number = {CHANGE_NUMBER}
         from unnest($2::text[], $3::timestamptz[]) as given (id, at)
         cross join lateral (
            select ctid as place from {table}
            where project = $1 and {id} = given.id and vendor_deleted_at is null offset 0
         ) as found
         where stored.ctid = found.place",
        id = catalogue::id_column(scope.stream),
    );
    // The text is composed from the names of a stream.
    sqlx::query(AssertSqlSafe(sql))
        .bind(scope.project.as_str())
        .bind(ids)
        .bind(times)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .doing("storing the vendor's time of deletions")
}
