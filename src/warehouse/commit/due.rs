//! The queue of due detail calls: removes answered calls, releases the others, and logs them all.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    answer::{DetailAnswer, DueDetail},
    settle::{Settled, settle},
};
use crate::warehouse::{
    postgres::error::{Doing as _, WarehouseError},
    scope::Scope,
};

/// Logs the detail calls that were made, for questions about a record's state.
pub(super) async fn log_calls(
    connection: &mut PgConnection,
    scope: &Scope,
    answers: &[(DueDetail, DetailAnswer)],
) -> Result<(), WarehouseError> {
    let made = answers.iter().filter_map(|(due, answer)| {
        let answer = match answer {
            DetailAnswer::Found(_) => "found",
            DetailAnswer::NotFound(_) => "not found",
            DetailAnswer::Failed => "failed",
            DetailAnswer::NotAsked => return None,
        };
        Some((due.id.as_str(), answer))
    });
    let (ids, answers): (Vec<&str>, Vec<&str>) = made.unzip();
    sqlx::query!(
        "insert into argos_sync.detail_call (project, stream, id, called_at, answer)
         select $1, $2, given.id, argos_sync.clock(), given.answer
         from unnest($3::text[], $4::text[]) as given (id, answer)",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &answers as &[&str],
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("storing detail calls")
}

/// Settles the calls that are still claimed. Returns the records whose call is done, and the
/// current time. Ignores calls whose claim was lost.
pub(super) async fn settle_claimed(
    connection: &mut PgConnection,
    scope: &Scope,
    answers: &[(DueDetail, DetailAnswer)],
    has_control: bool,
) -> Result<(HashSet<String>, Option<DateTime<Utc>>), WarehouseError> {
    let ids: Vec<&str> = answers.iter().map(|(due, _)| due.id.as_str()).collect();
    let fences: Vec<i64> = answers.iter().map(|(due, _)| due.fence).collect();
    let claimed = sqlx::query!(
        r#"select stored.id, stored.failures, argos_sync.clock() as "now!"
           from (
                select id, fence from unnest($3::text[], $4::bigint[]) as given (id, fence)
                order by id collate "C") as given
           cross join lateral (
                select id, failures from argos_sync.detail_due
                where project = $1 and stream = $2 and id = given.id
                    and fence = given.fence for update
           ) as stored"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &fences,
    )
    .fetch_all(&mut *connection)
    .await
    .doing("locking due detail calls")?;
    let now = claimed.first().map(|row| row.now);
    let failures: HashMap<&str, u32> = claimed
        .iter()
        .map(|row| (row.id.as_str(), u32::try_from(row.failures).unwrap_or_default()))
        .collect();
    let (mut done, mut again) = (HashSet::new(), Vec::new());
    for (due, answer) in answers {
        let Some(failures) = failures.get(due.id.as_str()) else { continue };
        match settle(due, answer, *failures, has_control) {
            Settled::Done => {
                done.insert(due.id.clone());
            }
            Settled::Unchanged => again.push((due.id.as_str(), None, false)),
            Settled::Again { after, has_failed } => {
                again.push((due.id.as_str(), now.map(|now| now + after), has_failed));
            }
        }
    }
    remove_due(connection, scope, &done).await?;
    release_due(connection, scope, &again).await?;
    Ok((done, now))
}

/// Removes detail calls from the queue.
async fn remove_due(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &HashSet<String>,
) -> Result<(), WarehouseError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    sqlx::query!(
        "delete from argos_sync.detail_due as stored using (
            select place from unnest($3::text[]) as given (id)
            cross join lateral (
                select ctid as place from argos_sync.detail_due
                where project = $1 and stream = $2 and id = given.id offset 0) as due) as found
         where stored.ctid = found.place",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("removing due detail calls")
}

/// Releases the claims of calls that stay due. Each entry has the record id, the new due time if it
/// changes, and whether the call failed.
async fn release_due(
    connection: &mut PgConnection,
    scope: &Scope,
    calls: &[(&str, Option<DateTime<Utc>>, bool)],
) -> Result<(), WarehouseError> {
    if calls.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = calls.iter().map(|(id, ..)| *id).collect();
    let times: Vec<Option<DateTime<Utc>>> = calls.iter().map(|(_, due_at, _)| *due_at).collect();
    let failed: Vec<bool> = calls.iter().map(|(.., has_failed)| *has_failed).collect();
    sqlx::query!(
        "update argos_sync.detail_due as stored
         set expires_at = '-infinity', failures = stored.failures + given.has_failed::int,
            due_at = coalesce(given.due_at, stored.due_at)
         from unnest($3::text[], $4::timestamptz[], $5::boolean[]) as given (id, due_at, has_failed)
         cross join lateral (
            select ctid as place from argos_sync.detail_due
            where project = $1 and stream = $2 and id = given.id offset 0) as found
         where stored.ctid = found.place",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &times as &[Option<DateTime<Utc>>],
        &failed,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("releasing due detail calls")
}
