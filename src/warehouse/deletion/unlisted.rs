//! Records that exist although lists of their days do not show them.

use std::sync::Arc;

use crate::warehouse::{
    postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
    scope::Scope,
    state::{
        claim::{self, Claim},
        run::RunId,
    },
    tx::Tx,
};

impl Warehouse {
    /// Marks those of these records of the claimed days that exist and that lists do not show.
    /// Requires that a pass of an earlier run left their day unverified too, because an empty list
    /// may be a short fault of the API. Returns the number of marked records.
    pub async fn mark_unlisted(
        &self,
        scope: &Arc<Scope>,
        claim: &Claim,
        run: RunId,
        ids: &[&str],
    ) -> Result<usize, WarehouseError> {
        self.retry(async || {
            let doing = "marking unlisted records";
            let mut transaction = self.begin(doing).await?;
            let now = claim::hold(&mut transaction, claim).await?;
            let mut tx = Tx { connection: &mut transaction, scope, now };
            let again = missing_again(&mut tx, run, ids).await?;
            let again: Vec<&str> = again.iter().map(String::as_str).collect();
            note_unlisted(&mut tx, &again).await?;
            transaction.commit().await.doing(doing)?;
            Ok(again.len())
        })
        .await
    }
}

/// Returns those of these records whose day a pass of an earlier run left unverified.
async fn missing_again(
    tx: &mut Tx<'_>,
    run: RunId,
    ids: &[&str],
) -> Result<Vec<String>, WarehouseError> {
    let scope = tx.scope;
    sqlx::query_scalar!(
        "select id from argos_sync.record as stored
         where stored.project = $1 and stored.stream = $2 and stored.id = any($3)
            and exists (
                select from argos_sync.pass
                where pass.project = $1 and pass.stream = $2
                    and pass.window_from <= stored.window_day
                    and stored.window_day < pass.window_to and pass.unverified = 'records'
                    and pass.ended_at < (
                        select run.started_at from argos_sync.run where run.run_id = $4))",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
        run.0,
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("reading earlier passes of unlisted records")
}

/// Marks records that exist but are not listed by passes of their days.
pub(super) async fn note_unlisted(tx: &mut Tx<'_>, ids: &[&str]) -> Result<(), WarehouseError> {
    let scope = tx.scope;
    if ids.is_empty() {
        return Ok(());
    }
    // Suspects are few, and another writer may hold their rows, so they are updated by key instead
    // of `ctid`.
    sqlx::query!(
        "update argos_sync.record as stored set unlisted = true
         where stored.project = $1 and stored.stream = $2 and stored.id = any($3)
            and not stored.undated and not stored.unlisted",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
    )
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .doing("marking unlisted records")
}
