//! Due detail calls: claimed in batches, answered, and stored in one transaction per batch.

use super::{
    answer::{DetailAnswer, DueDetail},
    due::{log_calls, settle_claimed},
};
use crate::warehouse::{
    deletion::absence,
    ingest::{sparse, store},
    postgres::{
        error::{Doing as _, WarehouseError},
        pool::{self, Warehouse},
        sql::count,
    },
    record::{
        compare::{ItemChange, compare},
        observation::{Observation, Origin},
        stored,
    },
    scope::Scope,
    state::{
        claim::LEASE_SECONDS,
        detail_queue::Priority,
        numbers::Drawn,
        run::{self, RunId, Tally},
    },
    tx::Tx,
};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use sqlx::PgConnection;

/// Handles the answers about suspects whose call is done. Items with the vendor's mark are handled
/// where they are stored.
async fn decide_suspects(
    tx: &mut Tx<'_>,
    answers: &[(DueDetail, DetailAnswer)],
    done: &HashSet<String>,
) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    let suspects = answers.iter().filter(|(due, _)| due.is_suspect && done.contains(&due.id));
    let (mut there, mut not_there) = (Vec::new(), Vec::new());
    for (due, answer) in suspects {
        match answer {
            DetailAnswer::Found(observation) => {
                if !observation.is_marked(scope.stream) {
                    there.push(due.id.as_str());
                }
            }
            DetailAnswer::NotFound(read) if due.was_missed => {
                not_there.push((due.id.as_str(), *read));
            }
            DetailAnswer::NotFound(_) | DetailAnswer::Failed | DetailAnswer::NotAsked => {}
        }
    }
    absence::is_there(tx, &there).await?;
    absence::is_not_there(tx, &not_there).await
}

/// Returns the number of these items that are unchanged and belong to repaired records.
async fn unchanged(
    connection: &mut PgConnection,
    scope: &Scope,
    observations: &[Observation],
    repaired: &BTreeSet<String>,
) -> Result<i64, WarehouseError> {
    let ids: Vec<&str> = repaired.iter().map(String::as_str).collect();
    let known = stored::look_up(connection, scope, &ids).await?;
    let is_same = |seen: &&Observation| {
        let known = seen.key.as_ref().ok().and_then(|key| Some((key, known.get(&key.id)?)));
        known.is_some_and(|(key, stored)| {
            compare(Origin::Detail, seen.read, key, stored) == ItemChange::Unchanged
        })
    };
    Ok(count(observations.iter().filter(is_same).count()))
}

impl Warehouse {
    /// Returns some live records for control calls. These are the newest ones that were stored
    /// while the project was known to read the bound account.
    pub async fn live_records(
        &self,
        scope: &Scope,
        count_max: i64,
    ) -> Result<Vec<String>, WarehouseError> {
        self.retry(async || {
            // The condition on `window_day` makes its index usable: the index needs a comparison of
            // that column.
            sqlx::query_scalar!(
                "select id from argos_sync.record as stored
                 where project = $1 and stream = $2 and deleted_at is null
                    and not exists (
                        select from argos_sync.suspect
                        where suspect.project = $1 and suspect.stream = $2
                            and suspect.id = stored.id)
                    and window_day >= '-infinity'
                    and first_read >= (select account_first_read from argos_sync.project
                        where project = $1)
                    and first_read <= (select account_last_read from argos_sync.project
                        where project = $1)
                 order by window_day desc limit $3",
                scope.project.as_str(),
                scope.stream.as_str(),
                count_max,
            )
            .fetch_all(&self.pool)
            .await
            .doing("reading a live record")
        })
        .await
    }

    /// Claims due detail calls up to this priority, most urgent first.
    pub async fn claim_details(
        &self,
        scope: &Scope,
        holder: &str,
        priority_max: Priority,
        count_max: i64,
    ) -> Result<Vec<DueDetail>, WarehouseError> {
        self.retry(async || {
            // Materialized: a join may run a plain subquery repeatedly and claim another batch each
            // time. By `ctid`: without up-to-date statistics PostgreSQL might read all due calls
            // for each claimed one.
            let rows = sqlx::query!(
                r#"with free as materialized (
                    select ctid as place from argos_sync.detail_due
                    where project = $1 and stream = $2 and due_at <= argos_sync.clock()
                        and expires_at <= argos_sync.clock()
                        and priority <= $6
                    order by priority, due_at limit $3 for update skip locked)
                 update argos_sync.detail_due as stored
                 set fence = nextval('argos_sync.fence'), holder = $5,
                    expires_at = argos_sync.clock() + make_interval(secs => $4)
                 from free
                 where stored.ctid = free.place
                 returning stored.id, stored.fence, (
                    select missed_at is not null from argos_sync.suspect
                    where suspect.project = $1 and suspect.stream = $2
                        and suspect.id = stored.id) as was_missed"#,
                scope.project.as_str(),
                scope.stream.as_str(),
                count_max,
                LEASE_SECONDS,
                holder,
                priority_max.number(),
            )
            .fetch_all(&self.pool)
            .await
            .doing("claiming detail calls")?;
            Ok(rows
                .into_iter()
                .map(|row| DueDetail::new(row.id, row.fence, row.was_missed))
                .collect())
        })
        .await
    }

    /// Claims the detail calls of these records that are due and not held by another process.
    pub async fn claim_details_of(
        &self,
        scope: &Scope,
        holder: &str,
        ids: &[String],
    ) -> Result<Vec<DueDetail>, WarehouseError> {
        self.retry(async || {
            let doing = "claiming detail calls of some records";
            let mut transaction = self.begin_writing(doing).await?;
            let rows = sqlx::query!(
                r#"with free as materialized (
                    select due.place from unnest($3::text[]) as given (id)
                    cross join lateral (
                        select ctid as place from argos_sync.detail_due
                        where project = $1 and stream = $2 and id = given.id
                            and due_at <= argos_sync.clock() and expires_at <= argos_sync.clock()
                        for update skip locked) as due)
                 update argos_sync.detail_due as stored
                 set fence = nextval('argos_sync.fence'), holder = $5,
                    expires_at = argos_sync.clock() + make_interval(secs => $4)
                 from free
                 where stored.ctid = free.place
                 returning stored.id, stored.fence, (
                    select missed_at is not null from argos_sync.suspect
                    where suspect.project = $1 and suspect.stream = $2
                        and suspect.id = stored.id) as was_missed"#,
                scope.project.as_str(),
                scope.stream.as_str(),
                ids,
                LEASE_SECONDS,
                holder,
            )
            .fetch_all(&mut *transaction)
            .await
            .doing(doing)?;
            transaction.commit().await.doing(doing)?;
            Ok(rows
                .into_iter()
                .map(|row| DueDetail::new(row.id, row.fence, row.was_missed))
                .collect())
        })
        .await
    }

    /// Stores the answers of detail calls and removes the answered calls from the queue, or does
    /// nothing.
    ///
    /// Answers whose claim was lost in the meantime are dropped: the record was observed again, or
    /// another process requests it. An unknown record is evidence only if the batch `has_control`:
    /// a call in it found a live record.
    pub async fn commit_details(
        &self,
        scope: &Arc<Scope>,
        run: RunId,
        answers: &[(DueDetail, DetailAnswer)],
        has_control: bool,
    ) -> Result<Tally, WarehouseError> {
        self.retry(async || {
            let mut transaction = self.begin_writing("storing detail calls").await?;
            let (done, now) = settle_claimed(&mut transaction, scope, answers, has_control).await?;
            let reads = answers.iter().filter_map(|(_, answer)| answer.read());
            let fences = answers.iter().map(|(due, _)| due.fence);
            let drawn = Drawn::of(reads, fences.max().unwrap_or_default());
            self.check_numbers(&mut transaction, &drawn).await?;
            let mut tally = Tally::default();
            if let Some(now) = now.filter(|_| !done.is_empty()) {
                let observations: Vec<&Observation> = answers
                    .iter()
                    .filter(|(due, _)| done.contains(&due.id))
                    .filter_map(|(_, answer)| match answer {
                        DetailAnswer::Found(observation) => Some(observation),
                        DetailAnswer::NotFound(_)
                        | DetailAnswer::Failed
                        | DetailAnswer::NotAsked => None,
                    })
                    .collect();
                let mut tx = Tx::new(&mut transaction, scope, now);
                decide_suspects(&mut tx, answers, &done).await?;
                tally = store::store(&mut tx, Origin::Detail, &observations).await?;
                sparse::note_reads(&mut tx, &observations).await?;
            }
            log_calls(&mut transaction, scope, answers).await?;
            let calls = count(done.len());
            let source = run::CountSource::Details(calls);
            let counted = run::CountedItems { tally, source, drawn };
            run::count(&mut transaction, scope, run, counted).await?;
            transaction.commit().await.doing("committing detail calls")?;
            Ok(tally)
        })
        .await
    }

    /// Stores items that were requested by id, in the same way as all others, after damaged rows of
    /// their records were rewritten. An unchanged item of such a record counts as updated.
    pub async fn commit_fetched(
        &self,
        scope: &Arc<Scope>,
        run: RunId,
        observations: &[Observation],
    ) -> Result<Tally, WarehouseError> {
        self.retry(async || {
            // A separate transaction: a writer that holds rows of known records must not wait for
            // others to insert new ones.
            let repaired = self.repair_fetched(scope, observations).await?;
            let mut transaction = self.begin_writing("storing fetched records").await?;
            let now = pool::now(&mut transaction).await?;
            let drawn = Drawn::of(observations.iter().map(|observation| observation.read), 0);
            self.check_numbers(&mut transaction, &drawn).await?;
            let given: Vec<&Observation> = observations.iter().collect();
            let same = unchanged(&mut transaction, scope, observations, &repaired).await?;
            let mut tx = Tx::new(&mut transaction, scope, now);
            let mut tally = store::store(&mut tx, Origin::Detail, &given).await?;
            let same = same.min(tally.unchanged);
            tally.unchanged -= same;
            tally.updated += same;
            sparse::note_reads(&mut tx, &given).await?;
            let calls = count(observations.len());
            let source = run::CountSource::Details(calls);
            let counted = run::CountedItems { tally, source, drawn };
            run::count(&mut transaction, scope, run, counted).await?;
            transaction.commit().await.doing("committing fetched records")?;
            Ok(tally)
        })
        .await
    }
}
