//! The state of a record before an item arrives: its row in `argos_sync.record` and its raw bodies.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{Arguments as _, PgConnection, error::BoxDynError, postgres::PgArguments};

use crate::{
    domain::{Call, Day, Digest, ReadNumber},
    normalize,
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        raw::bodies,
        scope::Scope,
        tx::Tx,
    },
};

/// An item that is known: its digest, and the read number of its last comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::warehouse) struct KnownItem {
    pub(in crate::warehouse) digest: Digest,
    pub(in crate::warehouse) read: ReadNumber,
}

/// The stored state of a record.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one record")]
pub(in crate::warehouse) struct StoredRecord {
    /// The last list item.
    pub(in crate::warehouse) list: Option<KnownItem>,
    /// The last detail item.
    pub(in crate::warehouse) detail: Option<KnownItem>,
    /// A list item that was set aside, with the read number of its last comparison.
    pub(in crate::warehouse) doubted: Option<KnownItem>,
    /// The highest read number of its list and detail items.
    pub(in crate::warehouse) newest: ReadNumber,
    pub(in crate::warehouse) sources_differ: bool,
    pub(in crate::warehouse) window_day: Day,
    pub(in crate::warehouse) unlisted: bool,
    pub(in crate::warehouse) deleted_by_absence: bool,
    pub(in crate::warehouse) unsettled: bool,
    pub(in crate::warehouse) changed_at: Option<DateTime<Utc>>,
    pub(in crate::warehouse) deleted_at: Option<DateTime<Utc>>,
    /// Version of the normalizer that made the rows.
    pub(in crate::warehouse) normalizer_version: i16,
    /// The stored raw items; set only once the record is locked.
    pub(in crate::warehouse) kept: Option<bodies::RawItems>,
}

/// A row of `argos_sync.record`.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one record")]
struct StoredRow {
    id: String,
    list_digest: Option<Vec<u8>>,
    list_read: Option<i64>,
    detail_digest: Option<Vec<u8>>,
    detail_read: Option<i64>,
    doubted_digest: Option<Vec<u8>>,
    doubted_read: Option<i64>,
    sources_differ: bool,
    window_day: Day,
    unlisted: bool,
    deleted_by_absence: bool,
    unsettled: bool,
    changed_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    normalizer_version: i16,
}

impl StoredRow {
    fn read(self) -> (String, StoredRecord) {
        let pair = |digest: Option<Vec<u8>>, number: Option<i64>| {
            Some(KnownItem { digest: Digest::from_slice(&digest?)?, read: ReadNumber(number?) })
        };
        let stored = StoredRecord {
            list: pair(self.list_digest, self.list_read),
            detail: pair(self.detail_digest, self.detail_read),
            doubted: pair(self.doubted_digest, self.doubted_read),
            newest: ReadNumber(self.list_read.max(self.detail_read).unwrap_or_default()),
            sources_differ: self.sources_differ,
            window_day: self.window_day,
            unlisted: self.unlisted,
            deleted_by_absence: self.deleted_by_absence,
            unsettled: self.unsettled,
            changed_at: self.changed_at,
            deleted_at: self.deleted_at,
            normalizer_version: self.normalizer_version,
            kept: None,
        };
        (self.id, stored)
    }
}

/// The stored state of a record whose digest differs from that of a received item.
#[derive(Debug)]
pub(in crate::warehouse) enum Known {
    /// The record is not stored.
    New,
    /// The record is stored with another digest, and has no special state.
    Changed,
    /// The digest is not sufficient: the sources differ, lists omit the record, it was deleted by
    /// absence, or a list item was set aside.
    Special(Box<StoredRecord>),
}

/// Finds the records whose stored digests differ from these, without locking anything. Omits
/// unchanged records unless their state is [special](Known::Special).
///
/// Each record is looked up by its key, which `offset 0` ensures. For a page of records PostgreSQL
/// might otherwise prefer to read all of them.
pub(in crate::warehouse) async fn find_differing(
    tx: &mut Tx<'_>,
    call: Call,
    ids: &[&str],
    digests: &[&[u8]],
) -> Result<HashMap<String, Known>, WarehouseError> {
    let scope = tx.scope;
    let rows = sqlx::query!(
        r#"select given.id as "id!", stored.id is not null as "is_known!",
            coalesce(stored.sources_differ or stored.unlisted or stored.deleted_by_absence
                or stored.doubted_read is not null, false) as "is_special!"
         from (select unnest($4::text[]) as id, unnest($5::bytea[]) as digest) as given
         left join lateral (
            select * from argos_sync.record
            where project = $1 and stream = $2 and id = given.id offset 0
         ) as stored on true
         where (case when $3 then stored.list_digest else stored.detail_digest end)
                is distinct from given.digest
            or stored.sources_differ or stored.unlisted or stored.deleted_by_absence
            or stored.doubted_read is not null"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        call == Call::List,
        ids as &[&str],
        digests as &[&[u8]],
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("comparing digests")?;
    let special = rows.iter().filter(|row| row.is_special).map(|row| row.id.as_str());
    let mut special = look_up(tx.connection, scope, &special.collect::<Vec<_>>()).await?;
    let known = rows.into_iter().map(|row| {
        let known = match (row.is_known && !row.is_special, special.remove(&row.id)) {
            (true, _) => Known::Changed,
            (false, Some(stored)) => Known::Special(Box::new(stored)),
            // Unknown, or deleted between the two statements.
            (false, None) => Known::New,
        };
        (row.id, known)
    });
    Ok(known.collect())
}

/// Reads the stored state of these records without locking anything.
pub(in crate::warehouse) async fn look_up(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[&str],
) -> Result<HashMap<String, StoredRecord>, WarehouseError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query_as!(
        StoredRow,
        "select stored.id, list_digest, list_read, detail_digest, detail_read, doubted_digest,
            doubted_read, sources_differ, window_day, unlisted, deleted_by_absence, unsettled,
            changed_at, deleted_at, normalizer_version
         from unnest($3::text[]) as given (id)
         cross join lateral (
            select * from argos_sync.record
            where project = $1 and stream = $2 and id = given.id offset 0
         ) as stored",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
    )
    .fetch_all(connection)
    .await
    .doing("reading what is known")?;
    Ok(rows.into_iter().map(StoredRow::read).collect())
}

/// Locks these records in key order and reads everything that merging needs.
pub(in crate::warehouse) async fn lock(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[&str],
) -> Result<HashMap<String, StoredRecord>, WarehouseError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query_as!(
        StoredRow,
        r#"select stored.id, list_digest, list_read, detail_digest, detail_read, doubted_digest,
            doubted_read, sources_differ, window_day, unlisted, deleted_by_absence, unsettled,
            changed_at, deleted_at, normalizer_version
         from (select id from unnest($3::text[]) as given (id) order by id collate "C") as given
         cross join lateral (
            select * from argos_sync.record
            where project = $1 and stream = $2 and id = given.id for update
         ) as stored"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
    )
    .fetch_all(&mut *connection)
    .await
    .doing("locking records")?;
    let mut stored: HashMap<_, _> = rows.into_iter().map(StoredRow::read).collect();
    for (id, kept) in bodies::read(connection, scope, ids).await? {
        if let Some(stored) = stored.get_mut(&id) {
            stored.kept = Some(kept);
        }
    }
    Ok(stored)
}

/// A record to insert.
pub(in crate::warehouse) struct NewRecord {
    pub(in crate::warehouse) id: String,
    pub(in crate::warehouse) digest: Digest,
    pub(in crate::warehouse) read: ReadNumber,
    pub(in crate::warehouse) window_day: Day,
    pub(in crate::warehouse) undated: bool,
    pub(in crate::warehouse) unsettled: bool,
}

/// The maximum number of bytes that [`bind_new`] binds, including the short values before them.
pub(in crate::warehouse) fn size_hint(records: &[NewRecord]) -> usize {
    512 + records.iter().map(|record| 80 + record.id.len()).sum::<usize>()
}

/// Binds the rows of new records, column by column.
pub(in crate::warehouse) fn bind_new(
    arguments: &mut PgArguments,
    records: &[NewRecord],
) -> Result<(), BoxDynError> {
    arguments.add(records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>())?;
    arguments.add(records.iter().map(|record| &record.digest.0[..]).collect::<Vec<_>>())?;
    arguments.add(records.iter().map(|record| record.read.0).collect::<Vec<_>>())?;
    arguments.add(records.iter().map(|record| record.window_day).collect::<Vec<_>>())?;
    arguments.add(records.iter().map(|record| record.undated).collect::<Vec<_>>())?;
    arguments.add(records.iter().map(|record| record.unsettled).collect::<Vec<_>>())
}

/// The new row of a record after one more item was merged.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one record")]
pub(in crate::warehouse) struct Update {
    pub(in crate::warehouse) id: String,
    pub(in crate::warehouse) digest: Digest,
    pub(in crate::warehouse) read: ReadNumber,
    pub(in crate::warehouse) sources_differ: bool,
    pub(in crate::warehouse) window_day: Day,
    pub(in crate::warehouse) undated: bool,
    pub(in crate::warehouse) unlisted: bool,
    pub(in crate::warehouse) deleted_by_absence: bool,
    pub(in crate::warehouse) unsettled: bool,
    pub(in crate::warehouse) changed_at: Option<DateTime<Utc>>,
    pub(in crate::warehouse) deleted_at: Option<DateTime<Utc>>,
    pub(in crate::warehouse) sparse: Option<i16>,
}

/// Updates the rows of these locked records. Rows that already have these values are not written.
pub(in crate::warehouse) async fn update(
    tx: &mut Tx<'_>,
    call: Call,
    updates: &[Update],
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if updates.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = updates.iter().map(|update| update.id.as_str()).collect();
    let digests: Vec<&[u8]> = updates.iter().map(|update| &update.digest.0[..]).collect();
    let numbers: Vec<i64> = updates.iter().map(|update| update.read.0).collect();
    let sources_differ: Vec<bool> = updates.iter().map(|update| update.sources_differ).collect();
    let days: Vec<Day> = updates.iter().map(|update| update.window_day).collect();
    let undated: Vec<bool> = updates.iter().map(|update| update.undated).collect();
    let unlisted: Vec<bool> = updates.iter().map(|update| update.unlisted).collect();
    let deleted_by_absence: Vec<bool> =
        updates.iter().map(|update| update.deleted_by_absence).collect();
    let unsettled: Vec<bool> = updates.iter().map(|update| update.unsettled).collect();
    let moved: Vec<Option<DateTime<Utc>>> =
        updates.iter().map(|update| update.changed_at).collect();
    let deleted: Vec<Option<DateTime<Utc>>> =
        updates.iter().map(|update| update.deleted_at).collect();
    let sparse: Vec<Option<i16>> = updates.iter().map(|update| update.sparse).collect();
    sqlx::query!(
        "update argos_sync.record as stored
         set list_digest = case when $3 then digest else stored.list_digest end,
            list_read = case when $3 then number else stored.list_read end,
            detail_digest = case when $3 then stored.detail_digest else digest end,
            detail_read = case when $3 then stored.detail_read else number end,
            sources_differ = given.sources_differ, normalizer_version = $4,
            window_day = given.day, undated = given.undated, deleted_at = given.deleted_at,
            unlisted = given.unlisted, deleted_by_absence = given.deleted_by_absence,
            unsettled = given.unsettled, changed_at = given.changed_at,
            doubted_digest = case when $3 and given.number > stored.doubted_read then null
                else stored.doubted_digest end,
            doubted_read = case when $3 and given.number > stored.doubted_read then null
                else stored.doubted_read end,
            sparse = given.sparse, detail_next_at = null
         from unnest($5::text[], $6::bytea[], $7::bigint[], $8::boolean[], $9::date[],
                $10::boolean[], $11::timestamptz[], $12::boolean[], $13::boolean[],
                $14::boolean[], $15::timestamptz[], $16::smallint[])
            as given (id, digest, number, sources_differ, day, undated, deleted_at, unlisted,
                deleted_by_absence, unsettled, changed_at, sparse)
         cross join lateral (
            select ctid as place from argos_sync.record
            where project = $1 and stream = $2 and id = given.id offset 0
         ) as found
         where stored.ctid = found.place
            and (case when $3 then stored.list_read else stored.detail_read end,
                    stored.sources_differ, stored.deleted_at, stored.normalizer_version,
                    stored.window_day, stored.undated, stored.unlisted,
                    stored.deleted_by_absence, stored.unsettled, stored.changed_at,
                    stored.sparse)
                is distinct from (given.number, given.sources_differ, given.deleted_at, $4,
                    given.day, given.undated, given.unlisted,
                    given.deleted_by_absence, given.unsettled, given.changed_at,
                    given.sparse)",
        scope.project.as_str(),
        scope.stream.as_str(),
        call == Call::List,
        normalize::VERSION,
        &ids as &[&str],
        &digests as &[&[u8]],
        &numbers,
        &sources_differ,
        &days,
        &undated,
        &deleted as &[Option<DateTime<Utc>>],
        &unlisted,
        &deleted_by_absence,
        &unsettled,
        &moved as &[Option<DateTime<Utc>>],
        &sparse as &[Option<i16>],
    )
    .execute(&mut *tx.connection)
    .await
    .doing("updating records")?;
    Ok(())
}
