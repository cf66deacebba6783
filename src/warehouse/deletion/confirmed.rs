//! Decides which confirmed absences are believed. Too many within 24 hours raise an alarm, and
//! deletions by absence stop until a person decides (I7).

use crate::{
    domain::ReadNumber,
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        scope::Count,
        tx::Tx,
    },
};

/// An absence confirmed by two detail calls.
#[derive(Debug, Clone, Copy)]
struct Confirmed<'a> {
    id: &'a str,
    read: ReadNumber,
    /// A person's decision about its day, if any.
    approved: Option<bool>,
}

/// The result of judging confirmed absences.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged<'a> {
    /// Records to delete.
    deleted: Vec<(&'a str, ReadNumber)>,
    /// Records to keep, with an alarm.
    held_back: Vec<&'a str>,
}

/// The absences confirmed within the last 24 hours.
#[derive(Debug, Clone, Copy)]
struct Recent {
    /// Live records of the project, and absences without a decision.
    count: Count,
    /// An earlier alarm of this kind is still undecided.
    is_stopped: bool,
}

/// Deletes approved absences and keeps rejected ones. The others are either all deleted or all held
/// back.
fn judge<'a>(
    is_plausible: impl Fn(Count) -> bool,
    recent: Recent,
    confirmed: &[Confirmed<'a>],
) -> Judged<'a> {
    let undecided = confirmed.iter().filter(|one| one.approved.is_none()).count();
    let missing = recent.count.missing.saturating_add(u32::try_from(undecided).unwrap_or(u32::MAX));
    let is_believed = !recent.is_stopped && is_plausible(Count { missing, ..recent.count });
    let mut judged = Judged::default();
    for one in confirmed {
        match one.approved {
            Some(true) => judged.deleted.push((one.id, one.read)),
            Some(false) => {}
            None if is_believed => judged.deleted.push((one.id, one.read)),
            None => judged.held_back.push(one.id),
        }
    }
    judged
}

/// Returns the confirmed absences that are believed. Raises an alarm for the days of the others.
pub(super) async fn believed<'a>(
    tx: &mut Tx<'_>,
    gone: &[(&'a str, ReadNumber)],
) -> Result<Vec<(&'a str, ReadNumber)>, WarehouseError> {
    let scope = tx.scope;
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let confirmed = with_decisions(tx, gone).await?;
    let recent = recent(tx).await?;
    let judged = judge(|count| scope.deletion.is_plausible(count), recent, &confirmed);
    raise_alarm(tx, &judged.held_back).await?;
    Ok(judged.deleted)
}

/// Whether deletions by absence are stopped: too many were confirmed within 24 hours and no person
/// has decided yet.
pub(super) async fn is_stopped(tx: &mut Tx<'_>) -> Result<bool, WarehouseError> {
    let scope = tx.scope;
    sqlx::query_scalar!(
        r#"select exists (
            select from argos_sync.deletion_alarm
            where project = $1 and stream = $2 and confirmed) as "is_stopped!""#,
        scope.project.as_str(),
        scope.stream.as_str(),
    )
    .fetch_one(&mut *tx.connection)
    .await
    .doing("reading alarms")
}

/// Adds the latest valid decision about each record's day.
async fn with_decisions<'a>(
    tx: &mut Tx<'_>,
    gone: &[(&'a str, ReadNumber)],
) -> Result<Vec<Confirmed<'a>>, WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let ids: Vec<&str> = gone.iter().map(|(id, _)| *id).collect();
    let rows = sqlx::query!(
        r#"select given.id as "id!", decided.approved
           from unnest($3::text[]) as given (id)
           cross join lateral (
                select window_day from argos_sync.record
                where project = $1 and stream = $2 and id = given.id offset 0) as stored
           cross join lateral (
                select approved from argos_sync.deletion_decision
                where project = $1 and stream = $2 and expires_at > $4
                  and window_from <= stored.window_day and stored.window_day < window_to
                order by decision_id desc limit 1) as decided"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        now,
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("reading decisions")?;
    let approved = |id: &str| rows.iter().find(|row| row.id == id).map(|row| row.approved);
    let confirmed =
        |&(id, read): &(&'a str, ReadNumber)| Confirmed { id, read, approved: approved(id) };
    Ok(gone.iter().map(confirmed).collect())
}

/// Counts live records like the ledger does, and absences confirmed within 24 hours without a
/// person's approval.
async fn recent(tx: &mut Tx<'_>) -> Result<Recent, WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let row = sqlx::query!(
        r#"select (
                select count(*) from argos_sync.record as stored
                where project = $1 and stream = $2 and deleted_by_absence
                  and deleted_at > $3::timestamptz - interval '24 hours'
                  and not exists (
                    select from argos_sync.deletion_decision
                    where project = $1 and stream = $2 and approved
                      and decided_at <= stored.deleted_at and stored.deleted_at < expires_at
                      and window_from <= stored.window_day and stored.window_day < window_to))
                as "missing!",
            (select coalesce(sum(records), 0) from argos_sync.coverage
                where project = $1 and stream = $2) as "live!""#,
        scope.project.as_str(),
        scope.stream.as_str(),
        now,
    )
    .fetch_one(&mut *tx.connection)
    .await
    .doing("counting confirmed absences")?;
    let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Recent {
        count: Count { live: number(row.live), missing: number(row.missing) },
        is_stopped: is_stopped(tx).await?,
    })
}

/// Raises an alarm for the days with confirmed absences that are not believed.
async fn raise_alarm(tx: &mut Tx<'_>, held_back: &[&str]) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    if held_back.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into argos_sync.deletion_alarm as alarm
            (project, stream, filtered, day, raised_at, pass_id, live, missing, confirmed)
         select $1, $2, stored.is_filtered, stored.window_day, $4, max(suspect.pass_id),
            coalesce(max(covered.records), 0), count(*), true
         from unnest($3::text[]) as given (id)
         cross join lateral (
            select window_day, not (undated or unlisted) as is_filtered from argos_sync.record
            where project = $1 and stream = $2 and id = given.id offset 0) as stored
         join argos_sync.suspect
            on suspect.project = $1 and suspect.stream = $2 and suspect.id = given.id
         left join argos_sync.coverage as covered
            on covered.project = $1 and covered.stream = $2 and covered.day = stored.window_day
         group by stored.is_filtered, stored.window_day
         order by stored.is_filtered, stored.window_day
         on conflict (project, stream, filtered, day) do update
         set raised_at = excluded.raised_at, missing = alarm.missing + excluded.missing,
            confirmed = true",
        scope.project.as_str(),
        scope.stream.as_str(),
        held_back as &[&str],
        now,
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("raising an alarm")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges `undecided` absences, confirmed after `recent` others. Returns the numbers of deleted
    /// and held-back records.
    fn judged(live: u32, recent: u32, undecided: usize, is_stopped: bool) -> (usize, usize) {
        let ids: Vec<String> = (0..undecided).map(|number| number.to_string()).collect();
        let one = |id, approved| Confirmed { id, read: ReadNumber(1), approved };
        let confirmed: Vec<_> = ids
            .iter()
            .map(|id| one(id, None))
            .chain([one("approved", Some(true)), one("rejected", Some(false))])
            .collect();
        let rules = crate::warehouse::DeletionRules::default();
        let recent = Recent { count: Count { live, missing: recent }, is_stopped };
        let judged = judge(|count| rules.is_plausible(count), recent, &confirmed);
        assert!(judged.deleted.contains(&("approved", ReadNumber(1))));
        (judged.deleted.len() - 1, judged.held_back.len())
    }

    #[test]
    fn more_confirmed_absences_within_a_day_than_a_minimum_and_a_share_are_held_back() {
        for (live, recent, undecided, expected) in [
            (60, 0, 10, (10, 0)),
            (60, 0, 11, (0, 11)),
            (60, 6, 4, (4, 0)),
            (60, 6, 5, (0, 5)),
            (5_000, 20, 30, (30, 0)),
            (5_000, 20, 31, (0, 31)),
            (0, 10, 1, (0, 1)),
            (60, 500, 0, (0, 0)),
        ] {
            assert_eq!(
                judged(live, recent, undecided, false),
                expected,
                "{live} {recent} {undecided}"
            );
        }
    }

    #[test]
    fn nothing_undecided_is_deleted_while_an_alarm_waits_for_a_person() {
        assert_eq!(judged(5_000, 0, 1, true), (0, 1));
    }
}
