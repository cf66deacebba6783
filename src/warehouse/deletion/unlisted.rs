//! Records that exist although lists of their days do not show them.

use std::sync::Arc;

use crate::warehouse::{
    postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
    scope::Scope,
    state::claim::{self, Claim},
    tx::Tx,
};

impl Warehouse {
    /// Marks records of the claimed days that exist and that lists do not show.
    pub async fn mark_unlisted(
        &self,
        scope: &Arc<Scope>,
        claim: &Claim,
        ids: &[&str],
    ) -> Result<(), WarehouseError> {
        self.retry(async || {
            let doing = "marking unlisted records";
            let mut transaction = self.begin(doing).await?;
            let now = claim::hold(&mut transaction, claim).await?;
            let mut tx = Tx { connection: &mut transaction, scope, now };
            note_unlisted(&mut tx, ids).await?;
            transaction.commit().await.doing(doing)
        })
        .await
    }
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
