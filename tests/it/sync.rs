//! The warehouse equals the vendor.

use crate::world::World;

#[tokio::test]
async fn a_backfill_stores_every_record_and_the_same_again_changes_none() {
    let world = World::new(300, 150).await;
    world.backfill().await;
    assert_eq!(world.number("select count(*) from argos.submission").await, 300);
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 150);
}
