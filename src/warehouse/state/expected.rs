//! Records that an empty pass should have shown, and records that it could not show.

use super::claim::Claim;
use crate::{
    domain::Day,
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
        },
        scope::Scope,
    },
};

impl Warehouse {
    /// Returns some live records of the claimed days that a pass must show. Excludes days whose
    /// missing records a person approved as deleted, and records known to be missing from the
    /// passes of their day.
    pub async fn expected_records(
        &self,
        scope: &Scope,
        claim: &Claim,
        count_max: usize,
    ) -> Result<Vec<String>, WarehouseError> {
        let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
        self.retry(async || {
            sqlx::query_scalar!(
                "select id from argos_sync.record as stored
                 where project = $1 and stream = $2 and window_day >= $3 and window_day < $4
                    and deleted_at is null and not undated and not unlisted
                    and not exists (
                        select from argos_sync.deletion_decision as decision
                        where decision.project = $1 and decision.stream = $2 and approved
                          and expires_at > argos_sync.clock()
                          and window_from <= stored.window_day and stored.window_day < window_to)
                 limit $5",
                scope.project.as_str(),
                scope.stream.as_str(),
                claim.window.from(),
                claim.window.to(),
                count_max,
            )
            .fetch_all(&self.pool)
            .await
            .doing("reading the records that a pass should have shown")
        })
        .await
    }

    /// Returns the nearest day that the request for the claimed days does not touch and whose lists
    /// show a live record.
    pub async fn listed_day_elsewhere(
        &self,
        scope: &Scope,
        claim: &Claim,
    ) -> Result<Option<Day>, WarehouseError> {
        let asked = claim.window.asked();
        self.retry(async || {
            sqlx::query_scalar!(
                r#"select window_day as "day!" from (
                    (select window_day from argos_sync.record
                     where project = $1 and stream = $2 and window_day < $3
                        and deleted_at is null and not undated and not unlisted
                     order by window_day desc limit 1)
                    union all
                    (select window_day from argos_sync.record
                     where project = $1 and stream = $2 and window_day >= $4
                        and deleted_at is null and not undated and not unlisted
                     order by window_day limit 1)) as near
                 order by least(abs(window_day - $3), abs(window_day - $4)) limit 1"#,
                scope.project.as_str(),
                scope.stream.as_str(),
                asked.from(),
                asked.to(),
            )
            .fetch_optional(&self.pool)
            .await
            .doing("reading days with records")
        })
        .await
    }

    /// Returns some live records of the days nearest to the claimed ones.
    pub async fn records_elsewhere(
        &self,
        scope: &Scope,
        claim: &Claim,
        count_max: usize,
    ) -> Result<Vec<String>, WarehouseError> {
        let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
        self.retry(async || {
            sqlx::query_scalar!(
                r#"select id as "id!" from (
                    (select id, window_day from argos_sync.record
                     where project = $1 and stream = $2 and window_day < $3 and deleted_at is null
                     order by window_day desc limit $5)
                    union all
                    (select id, window_day from argos_sync.record
                     where project = $1 and stream = $2 and window_day >= $4 and deleted_at is null
                     order by window_day limit $5)) as near
                 order by least(abs(window_day - $3), abs(window_day - $4)) limit $5"#,
                scope.project.as_str(),
                scope.stream.as_str(),
                claim.window.from(),
                claim.window.to(),
                count_max,
            )
            .fetch_all(&self.pool)
            .await
            .doing("reading records of other days")
        })
        .await
    }
}
