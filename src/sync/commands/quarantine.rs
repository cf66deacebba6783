//! Retries quarantined items in batches, so that memory stays bounded.

use crate::{
    domain::Digest,
    sync::{project::Project, world::World},
    warehouse::{QuarantinedItem, Retried, WarehouseError},
};

/// Most items of a transaction.
const ITEMS_MAX: usize = 100;

/// Most bytes of a transaction's items; a larger item has a transaction of its own.
const BYTES_MAX: i64 = 16 << 20;

/// Retries these items of a project and returns the results. Ends early when the program has to
/// end.
pub async fn retry_quarantined(
    world: &World,
    project: &Project,
    items: &[&QuarantinedItem],
) -> Result<Retried, WarehouseError> {
    let mut retried = Retried::default();
    for batch in batches(items) {
        if world.stop.is_cancelled() {
            break;
        }
        retried += world.warehouse.retry_quarantined(&project.scope, &batch).await?;
    }
    Ok(retried)
}

/// Cuts items into batches.
fn batches(items: &[&QuarantinedItem]) -> Vec<Vec<Digest>> {
    let mut batches: Vec<Vec<Digest>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        bytes += i64::from(item.bytes);
        match batches.last_mut() {
            Some(batch) if batch.len() < ITEMS_MAX && bytes <= BYTES_MAX => batch.push(item.digest),
            _ => {
                bytes = i64::from(item.bytes);
                batches.push(vec![item.digest]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: i32) -> QuarantinedItem {
        QuarantinedItem {
            digest: Digest([0; 16]),
            project: "main".to_owned(),
            stream: "submission".to_owned(),
            call: "list".to_owned(),
            reason: "id missing".to_owned(),
            bytes,
            first_seen_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn sizes(bytes: &[i32]) -> Vec<usize> {
        let items: Vec<_> = bytes.iter().map(|bytes| item(*bytes)).collect();
        let items: Vec<_> = items.iter().collect();
        batches(&items).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_batch_is_bounded_by_items_and_by_bytes_and_none_is_empty() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[1; 250]), [100, 100, 50]);
        assert_eq!(sizes(&[10 << 20, 5 << 20, 5 << 20, i32::MAX, 1]), [2, 1, 1, 1]);
    }
}
