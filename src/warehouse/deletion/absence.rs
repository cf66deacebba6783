//! Deletions by absence (I7). A record is deleted after a complete pass missed it and two detail
//! calls, some time apart, did not find it. Each of these calls needs a control call that finds a
//! live record. Deletions by the vendor's mark use the same suspects (`marks`), with their own
//! detail calls as evidence.

use super::{
    alarms, confirmed,
    delete::{self, DeletionProof, Gone},
    judge::{Expected, judge},
    seen_ids::{SeenIds, Sorted},
    unlisted::note_unlisted,
};
use crate::{
    domain::{ReadNumber, Window},
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
        },
        scope::Count,
        state::{
            account,
            claim::Claim,
            detail_queue::{self, Priority},
        },
        tx::Tx,
    },
};
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;

impl Warehouse {
    /// Whether a pass can miss any record, so that it must remember the ids it reads. False if no
    /// record was known before.
    ///
    /// Records that other processes store on these days in the meantime may be missed by the next
    /// pass.
    pub async fn can_miss(&self, claim: &Claim) -> Result<bool, WarehouseError> {
        self.retry(async || {
            let days = claim.reading.is_filtered().then_some(claim.window);
            sqlx::query_scalar!(
                r#"select exists (select from argos_sync.record
                        where project = $1 and stream = $2
                            and ($3::date is null or window_day >= $3)
                            and ($4::date is null or window_day < $4))
                    or exists (select from argos_sync.suspect
                        where project = $1 and stream = $2)
                    or exists (select from argos_sync.deletion_alarm
                        where project = $1 and stream = $2) as "can_miss!""#,
                claim.project.as_str(),
                claim.stream.as_str(),
                days.map(Window::from),
                days.map(Window::to),
            )
            .fetch_one(&self.pool)
            .await
            .doing("reading the known records of some days")
        })
        .await
    }
}

/// Compares the ids of a pass with the live records that it should have shown. Returns the counts
/// if implausibly many are missing.
pub(in crate::warehouse) async fn compare(
    tx: &mut Tx<'_>,
    claim: &Claim,
    pass_id: i64,
    seen: &SeenIds,
) -> Result<Option<Count>, WarehouseError> {
    let scope = tx.scope;
    let Some(seen) = seen.sorted() else { return Ok(None) };
    let decisions = alarms::decisions(tx.connection, claim).await?;
    let mut rows = sqlx::query!(
        r#"select id, window_day,
            case when first_read > (select account_last_read from argos_sync.project
                    where project = $1) then false
                when first_read >= (select account_first_read from argos_sync.project
                    where project = $1) then true end as is_bound
         from argos_sync.record
         where project = $1 and stream = $2 and deleted_at is null and first_read < $3
           and case when $4 then window_day >= $5 and window_day < $6
                    and not undated and not unlisted
                else undated or unlisted or not exists (
                    select from argos_sync.coverage as covered
                    where covered.project = $1 and covered.stream = $2
                        and covered.day = window_day) end"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        seen.began.0,
        claim.reading.is_filtered(),
        claim.window.from(),
        claim.window.to(),
    )
    .fetch(&mut *tx.connection);
    let doing = "comparing a pass with the stored records";
    let (mut expected, mut evidence) = (Expected::default(), account::AccountEvidence::default());
    while let Some(row) = rows.try_next().await.doing(doing)? {
        let is_shown = seen.contains(&row.id);
        evidence.add(row.is_bound, is_shown);
        expected.add(row.id, row.window_day, is_shown);
    }
    drop(rows);
    if evidence.is_of_bound_account() {
        account::raise_account_last_read(tx.connection, &scope.project, seen.began).await?;
    }
    clear_seen(tx, claim, &seen).await?;
    if expected.is_complete() {
        alarms::clear_alarms(tx.connection, claim).await?;
        return Ok(None);
    }
    let is_stopped = confirmed::is_stopped(tx).await?;
    let judged = judge(expected, &decisions, &scope.deletion, is_stopped);
    let suspects: Vec<&str> = judged.suspects.iter().map(String::as_str).collect();
    suspect(tx, pass_id, &suspects).await?;
    let Some(missed) = judged.alarm else {
        alarms::clear_alarms(tx.connection, claim).await?;
        return Ok(None);
    };
    alarms::raise_alarm(tx.connection, claim, pass_id, &missed, is_stopped).await?;
    Ok(Some(judged.undecided))
}

/// Removes records that were seen again from the missed ones. A record shown by a pass of other
/// days exists, but its own days do not list it. Deletion marks are kept: only a detail call
/// disproves them.
async fn clear_seen(
    tx: &mut Tx<'_>,
    claim: &Claim,
    seen: &Sorted<'_>,
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    let doing = "clearing suspects";
    let suspects = sqlx::query!(
        "select id, window_day
         from argos_sync.suspect join argos_sync.record using (project, stream, id)
         where project = $1 and stream = $2 and missed_at is not null",
        scope.project.as_str(),
        scope.stream.as_str(),
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing(doing)?;
    let back: Vec<_> = suspects.iter().filter(|suspect| seen.contains(&suspect.id)).collect();
    let elsewhere = back.iter().filter(|suspect| !claim.window.contains(suspect.window_day));
    let elsewhere: Vec<&str> = elsewhere.map(|suspect| suspect.id.as_str()).collect();
    note_unlisted(tx, &elsewhere).await?;
    let seen: Vec<&str> = back.iter().map(|suspect| suspect.id.as_str()).collect();
    was_not_missed(tx, &seen).await
}

/// Clears the absence of these records; suspects with a mark remain.
async fn was_not_missed(tx: &mut Tx<'_>, ids: &[&str]) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with marked as (
            update argos_sync.suspect set missed_at = null, pass_id = null, absent_at = null
            where project = $1 and stream = $2 and id = any($3) and marked_at is not null)
         delete from argos_sync.suspect
         where project = $1 and stream = $2 and id = any($3) and marked_at is null",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("clearing suspects")
}

/// Removes records from the suspects.
pub(in crate::warehouse) async fn forget(
    tx: &mut Tx<'_>,
    ids: &[&str],
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "delete from argos_sync.suspect where project = $1 and stream = $2 and id = any($3)",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("clearing suspects")
}

/// Adds missed records to the suspects, and makes detail calls due for new ones.
async fn suspect(tx: &mut Tx<'_>, pass_id: i64, ids: &[&str]) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    if ids.is_empty() {
        return Ok(());
    }
    let fresh = sqlx::query_scalar!(
        "insert into argos_sync.suspect as stored (project, stream, id, missed_at, pass_id)
         select $1, $2, given.id, $4, $5 from unnest($3::text[]) as given (id) order by given.id
         on conflict (project, stream, id) do update
         set missed_at = excluded.missed_at, pass_id = excluded.pass_id
         where stored.missed_at is null
         returning id",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
        now,
        pass_id,
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("storing suspects")?;
    let fresh: Vec<&str> = fresh.iter().map(String::as_str).collect();
    detail_queue::mark(tx, &fresh, Priority::News, now).await
}

/// Handles detail calls that found a suspect without a deletion mark: the record exists. If a pass
/// missed it, passes of its day do not list it.
pub(in crate::warehouse) async fn is_there(
    tx: &mut Tx<'_>,
    ids: &[&str],
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if ids.is_empty() {
        return Ok(());
    }
    let missed = sqlx::query_scalar!(
        "select suspect.id from unnest($3::text[]) as given (id)
         cross join lateral (
            select id from argos_sync.suspect
            where project = $1 and stream = $2 and id = given.id and missed_at is not null offset 0
         ) as suspect",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("reading suspects")?;
    let missed: Vec<&str> = missed.iter().map(String::as_str).collect();
    note_unlisted(tx, &missed).await?;
    forget(tx, ids).await
}

/// Handles detail calls that did not find a suspect, in a batch whose control call found a live
/// record. The first is recorded; the second deletes the record if it is late enough.
pub(in crate::warehouse) async fn is_not_there(
    tx: &mut Tx<'_>,
    missed: &[(&str, ReadNumber)],
) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    if missed.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = missed.iter().map(|(id, _)| *id).collect();
    let confirm = scope.deletion.confirm.as_secs_f64();
    let rows = sqlx::query!(
        r#"update argos_sync.suspect as stored set absent_at = coalesce(stored.absent_at, $4)
           where project = $1 and stream = $2 and id = any($3) and missed_at is not null
           returning id, absent_at + make_interval(secs => $5) as "confirmed_at!""#,
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        now,
        confirm,
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("storing absences")?;
    let mut again: BTreeMap<DateTime<Utc>, Vec<&str>> = BTreeMap::new();
    let mut gone = Vec::new();
    for row in &rows {
        if row.confirmed_at <= now {
            gone.extend(missed.iter().find(|(id, _)| *id == row.id).copied());
        } else {
            again.entry(row.confirmed_at).or_default().push(&row.id);
        }
    }
    for (due_at, ids) in again {
        detail_queue::mark(tx, &ids, Priority::News, due_at).await?;
    }
    let believed = confirmed::believed(tx, &gone).await?;
    let proof = DeletionProof::Absent;
    let proven: Vec<Gone<'_>> =
        believed.iter().map(|&(id, read)| Gone { id, read, proof }).collect();
    delete::delete(tx, &proven).await?;
    let gone: Vec<&str> = gone.iter().map(|(id, _)| *id).collect();
    forget(tx, &gone).await
}
