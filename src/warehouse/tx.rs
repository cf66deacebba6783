//! A transaction that stores items of one scope.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::scope::Scope;

/// A transaction that stores items of one scope.
#[derive(Debug)]
pub(super) struct Tx<'a> {
    /// The connection with the open transaction.
    pub(super) connection: &'a mut PgConnection,
    /// The project and stream, and the rules for storing their items.
    pub(super) scope: &'a Arc<Scope>,
    /// The time of the transaction by PostgreSQL's clock.
    pub(super) now: DateTime<Utc>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        connection: &'a mut PgConnection,
        scope: &'a Arc<Scope>,
        now: DateTime<Utc>,
    ) -> Self {
        Self { connection, scope, now }
    }
}
