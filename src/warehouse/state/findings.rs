//! Observed behavior of a project's API: facts and findings in words, never a value of an item.

use std::collections::BTreeMap;

use crate::{
    domain::ProjectName,
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// A finding to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingUpdate<'a> {
    /// The fact that was examined.
    pub fact: &'a str,
    /// The finding.
    pub finding: &'a str,
    /// The finding before the vendor changed the behavior; `None` if it did not change and more is
    /// known now.
    pub before: Option<&'a str>,
}

impl Warehouse {
    /// Reads the finding of each fact about a project's API.
    pub async fn findings(
        &self,
        project: &ProjectName,
    ) -> Result<BTreeMap<String, String>, WarehouseError> {
        self.retry(async || {
            let rows = sqlx::query!(
                "select fact, finding from argos_sync.api_finding where project = $1",
                project.as_str(),
            )
            .fetch_all(&self.pool)
            .await
            .doing("reading findings")?;
            Ok(rows.into_iter().map(|row| (row.fact, row.finding)).collect())
        })
        .await
    }

    /// Stores findings that are new or changed.
    pub async fn save_findings(
        &self,
        project: &ProjectName,
        learned: &[FindingUpdate<'_>],
    ) -> Result<(), WarehouseError> {
        self.retry(async || {
            if learned.is_empty() {
                return Ok(());
            }
            let facts: Vec<_> = learned.iter().map(|learned| learned.fact).collect();
            let findings: Vec<_> = learned.iter().map(|learned| learned.finding).collect();
            let before: Vec<_> = learned.iter().map(|learned| learned.before).collect();
            sqlx::query!(
                "insert into argos_sync.api_finding as stored
                    (project, fact, finding, learned_at, changed_at, before)
                 select $1, fact, finding, argos_sync.clock(),
                    case when before is not null then argos_sync.clock() end, before
                 from unnest($2::text[], $3::text[], $4::text[]) as given (fact, finding, before)
                 order by fact
                 on conflict (project, fact) do update
                 set finding = excluded.finding,
                    changed_at = coalesce(excluded.changed_at, stored.changed_at),
                    before = coalesce(excluded.before, stored.before)
                 where stored.finding <> excluded.finding",
                project.as_str(),
                &facts as &[&str],
                &findings as &[&str],
                &before as &[Option<&str>],
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("storing findings")
        })
        .await
    }
}
