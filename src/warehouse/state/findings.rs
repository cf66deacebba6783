//! What a project's API was seen to do: facts and findings in words, never a value of an item.

use std::collections::BTreeMap;

use crate::{
    domain::ProjectName,
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
};

/// What was found out about one fact, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingUpdate<'a> {
    /// What was looked at.
    pub fact: &'a str,
    /// What was found.
    pub finding: &'a str,
    /// What was true until the vendor changed it; `None`: it has not, more is known now.
    pub before: Option<&'a str>,
}

impl Warehouse {
    /// Reads what is known of a project's API: the finding of each fact.
    pub async fn findings(
        &self,
        project: &ProjectName,
    ) -> Result<BTreeMap<String, String>, WarehouseError> {
        let rows = sqlx::query!(
            "select fact, finding from argos_sync.api_finding where project = $1",
            project.as_str(),
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading findings")?;
        Ok(rows.into_iter().map(|row| (row.fact, row.finding)).collect())
    }

    /// Keeps findings that are new, or other than before.
    pub async fn save_findings(
        &self,
        project: &ProjectName,
        learned: &[FindingUpdate<'_>],
    ) -> Result<(), WarehouseError> {
        if learned.is_empty() {
            return Ok(());
        }
        let facts: Vec<_> = learned.iter().map(|learned| learned.fact).collect();
        let findings: Vec<_> = learned.iter().map(|learned| learned.finding).collect();
        let before: Vec<_> = learned.iter().map(|learned| learned.before).collect();
        sqlx::query!(
            "insert into argos_sync.api_finding as stored (project, fact, finding, learned_at, changed_at, before)
             select $1, fact, finding, argos_sync.clock(), case when before is not null then argos_sync.clock() end, before
             from unnest($2::text[], $3::text[], $4::text[]) as given (fact, finding, before)
             order by fact
             on conflict (project, fact) do update set finding = excluded.finding,
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
        .doing("keeping findings")
    }
}
