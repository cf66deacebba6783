//! Writes the changes of known records. This transaction has locked their rows.

use super::{build::ChangeSet, drift};
use crate::{
    domain::Call,
    warehouse::{
        postgres::error::WarehouseError,
        raw::bodies,
        record::{observation::Origin, stored},
        state::detail_queue::{self, Priority},
        tables::{record_rows, write},
        tx::Tx,
    },
};

/// Writes a change set.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    origin: Origin,
    changes: ChangeSet,
) -> Result<(), WarehouseError> {
    let Tx { scope, now, .. } = *tx;
    let ChangeSet { records, updates, bodies, due, usual } = changes;
    write::write(tx.connection, &scope.project, scope.stream, &records).await?;
    stored::update(tx, origin.call(), &updates).await?;
    bodies::keep(tx, origin.call(), &bodies).await?;
    drift::replace(tx, &record_rows::noted(&records)).await?;
    let due: Vec<&str> = due.iter().map(String::as_str).collect();
    detail_queue::mark(tx, &due, Priority::of(origin.lane()), now).await?;
    if origin.call() == Call::Detail {
        usual.count(tx).await?;
    }
    Ok(())
}
