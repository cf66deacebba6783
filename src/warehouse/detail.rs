//! Single calls that are due: claimed in batches, answered, and stored many in one transaction.

use std::time::Duration;

use super::{
    Scope, Tally, Warehouse, WarehouseError,
    claim::LEASE_SECONDS,
    run::{self, RunId},
    store::{self, Observation, Origin},
};

/// A record whose single call this process may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDetail {
    /// The record's id.
    pub id: String,
    fence: i64,
}

/// What came of a single call.
#[derive(Debug)]
pub enum DetailAnswer {
    /// An item, already looked at.
    Found(Observation),
    /// The vendor knows no such record. That alone proves no deletion (I7).
    NotFound,
    /// No answer; the call stays due, later.
    Failed,
    /// The call was not made after all; it stays due.
    NotAsked,
}

/// After each failure a call waits twice as long, at most so many seconds.
const WAIT_SECONDS_MAX: f64 = 6.0 * 3600.0;

impl Warehouse {
    /// Claims due single calls, the oldest first.
    pub async fn claim_details(
        &self,
        scope: &Scope,
        holder: &str,
        count_max: i64,
    ) -> Result<Vec<DueDetail>, WarehouseError> {
        // Materialized: a join may run a plain subquery again and again, and claim another hundred each time.
        let rows = sqlx::query!(
            "with free as materialized (
                select id from argos_sync.detail_due
                where project = $1 and stream = $2 and due_at <= argos_sync.clock() and until_at <= argos_sync.clock()
                order by due_at limit $3 for update skip locked)
             update argos_sync.detail_due as held
             set fence = nextval('argos_sync.fence'), holder = $5,
                until_at = argos_sync.clock() + make_interval(secs => $4)
             from free
             where held.project = $1 and held.stream = $2 and held.id = free.id
             returning held.id, held.fence",
            scope.project.as_str(),
            scope.stream.as_str(),
            count_max,
            LEASE_SECONDS,
            holder,
        )
        .fetch_all(&self.pool)
        .await
        .map_err(WarehouseError::database("claiming single calls"))?;
        Ok(rows.into_iter().map(|row| DueDetail { id: row.id, fence: row.fence }).collect())
    }

    /// How many single calls are due, those that wait for another try included.
    pub async fn details_due(&self, scope: &Scope) -> Result<i64, WarehouseError> {
        sqlx::query_scalar!(
            r#"select count(*) as "count!" from argos_sync.detail_due where project = $1 and stream = $2"#,
            scope.project.as_str(),
            scope.stream.as_str(),
        )
        .fetch_one(&self.pool)
        .await
        .map_err(WarehouseError::database("counting what is due"))
    }

    /// How long until the next single call is due; `None` when none is, or all are held by others.
    pub async fn details_next_due(
        &self,
        scope: &Scope,
    ) -> Result<Option<Duration>, WarehouseError> {
        let seconds = sqlx::query_scalar!(
            "select greatest(extract(epoch from min(greatest(due_at, until_at)) - argos_sync.clock()), 0)::float8
             from argos_sync.detail_due where project = $1 and stream = $2",
            scope.project.as_str(),
            scope.stream.as_str(),
        )
        .fetch_one(&self.pool)
        .await
        .map_err(WarehouseError::database("looking for the next single call"))?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    /// Stores the answers of single calls, and takes what was answered from what is due; or does nothing.
    ///
    /// Answers whose claim was lost meanwhile are dropped: the record was seen anew, or somebody else asks for it.
    pub async fn commit_details(
        &self,
        scope: &Scope,
        run: RunId,
        answers: &[(DueDetail, DetailAnswer)],
    ) -> Result<Tally, WarehouseError> {
        let mut transaction = self.begin("storing single calls").await?;
        let ids: Vec<&str> = answers.iter().map(|(due, _)| due.id.as_str()).collect();
        let fences: Vec<i64> = answers.iter().map(|(due, _)| due.fence).collect();
        let (answered, failed): (Vec<bool>, Vec<bool>) = answers
            .iter()
            .map(|(_, answer)| match answer {
                DetailAnswer::Found(_) | DetailAnswer::NotFound => (true, false),
                DetailAnswer::Failed => (false, true),
                DetailAnswer::NotAsked => (false, false),
            })
            .unzip();
        let held = sqlx::query!(
            r#"with given as (
                select * from unnest($3::text[], $4::bigint[], $5::boolean[], $7::boolean[])
                    as given (id, fence, answered, failed)),
             done as (
                delete from argos_sync.detail_due as held using given
                where held.project = $1 and held.stream = $2 and held.id = given.id
                  and held.fence = given.fence and given.answered
                returning held.id),
             left_over as (
                update argos_sync.detail_due as held
                set until_at = '-infinity', failures = held.failures + given.failed::int,
                    due_at = case when given.failed then argos_sync.clock()
                        + make_interval(secs => least($6, 30 * power(2, least(held.failures, 20))))
                        else held.due_at end
                from given
                where held.project = $1 and held.stream = $2 and held.id = given.id
                  and held.fence = given.fence and not given.answered)
             select id as "id!", argos_sync.clock() as "now!" from done"#,
            scope.project.as_str(),
            scope.stream.as_str(),
            &ids as &[&str],
            &fences,
            &answered,
            WAIT_SECONDS_MAX,
            &failed,
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(WarehouseError::database("taking single calls from what is due"))?;
        let mut tally = Tally::default();
        if let Some(now) = held.first().map(|row| row.now) {
            let ours: std::collections::HashSet<&str> =
                held.iter().map(|row| row.id.as_str()).collect();
            let observations: Vec<&Observation> = answers
                .iter()
                .filter(|(due, _)| ours.contains(due.id.as_str()))
                .filter_map(|(_, answer)| match answer {
                    DetailAnswer::Found(observation) => Some(observation),
                    DetailAnswer::NotFound | DetailAnswer::Failed | DetailAnswer::NotAsked => None,
                })
                .collect();
            tally =
                store::store(&mut transaction, scope, Origin::Detail, &observations, now).await?;
        }
        let calls = i64::try_from(held.len()).unwrap_or(i64::MAX);
        run::count(&mut transaction, run, scope, &tally, run::Source::Details(calls)).await?;
        transaction.commit().await.map_err(WarehouseError::database("committing single calls"))?;
        Ok(tally)
    }

    /// Stores items that were asked for by name, through the same path as all others.
    pub async fn commit_fetched(
        &self,
        scope: &Scope,
        run: RunId,
        observations: &[Observation],
    ) -> Result<Tally, WarehouseError> {
        let mut transaction = self.begin("storing what was fetched").await?;
        let now = super::now(&mut transaction).await?;
        let given: Vec<&Observation> = observations.iter().collect();
        let tally = store::store(&mut transaction, scope, Origin::Detail, &given, now).await?;
        let calls = i64::try_from(observations.len()).unwrap_or(i64::MAX);
        run::count(&mut transaction, run, scope, &tally, run::Source::Details(calls)).await?;
        transaction
            .commit()
            .await
            .map_err(WarehouseError::database("committing what was fetched"))?;
        Ok(tally)
    }
}
