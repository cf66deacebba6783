//! Writes the changes of known records. This transaction has locked their rows.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{build::ChangeSet, drift};
use crate::{
    domain::Call,
    warehouse::{
        postgres::error::WarehouseError,
        raw::bodies,
        record::{observation::Origin, stored},
        scope::Scope,
        state::detail_queue::{self, Priority},
        tables::{record_rows, write},
    },
};

/// Writes a change set.
pub(super) async fn apply(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    changes: ChangeSet,
    now: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    let ChangeSet { records, updates, bodies, due, usual } = changes;
    write::write(connection, &scope.project, scope.stream, &records).await?;
    stored::update(connection, scope, origin.call(), &updates).await?;
    bodies::keep(connection, scope, origin.call(), &bodies).await?;
    drift::replace(connection, scope, &record_rows::noted(&records), now).await?;
    let due: Vec<&str> = due.iter().map(String::as_str).collect();
    detail_queue::mark(connection, scope, &due, Priority::of(origin.lane()), now).await?;
    if origin.call() == Call::Detail {
        usual.count(connection, scope).await?;
    }
    Ok(())
}
