//! What must be left of records that the vendor deleted, with a mark or without a word.

use std::collections::BTreeSet;

use sqlx::PgPool;

use super::{
    Difference, assert_every_column_is_compared, compare, expectations::ALL, load, orphans,
    records, rows, unlike_raw_bodies,
};
use crate::world::World;

/// Compares everything with a vendor that once had these records, and has them no more.
///
/// Their facts stay, with a time of deletion; personal data and raw items of all deleted records are gone.
pub(crate) async fn differences_with(world: &World, vanished: &[String]) -> Vec<Difference> {
    load(world).await;
    assert_every_column_is_compared(&world.pool).await;
    sqlx::query("insert into truth.vanished select unnest($1::text[])")
        .bind(vanished)
        .execute(&world.pool)
        .await
        .expect("the vanished");
    let is_vanished: BTreeSet<&str> = vanished.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for expectation in ALL {
        let differing = compare(&world.pool, expectation).await;
        found.extend(differing.into_iter().filter_map(|differing| {
            if differing.what != "row too many" || expectation.table.starts_with("argos_pii.") {
                return Some(differing);
            }
            // A policy stays when its last record went.
            let may_stay = |id: &String| {
                expectation.table.ends_with("_policy") || is_vanished.contains(id.as_str())
            };
            let ids: BTreeSet<_> = differing.ids.into_iter().filter(|id| !may_stay(id)).collect();
            (!ids.is_empty()).then_some(Difference { ids, ..differing })
        }));
    }
    found.extend(orphans(&world.pool).await);
    found.extend(records(&world.pool).await);
    found.extend(leftovers(&world.pool).await);
    let ids = unlike_raw_bodies(&world.pool).await;
    if !ids.is_empty() {
        found.push(Difference { table: "argos_raw".to_owned(), what: "body".to_owned(), ids });
    }
    found
}

/// What vanished records must not have any more.
async fn leftovers(pool: &PgPool) -> Vec<Difference> {
    let mut found = Vec::new();
    for (table, id) in [("argos.submission", "submission_id"), ("argos.faceauth", "auth_id")] {
        let sql = format!(
            "select 'not deleted', array_agg({id}::text) from {table}
             where {id} in (select id from truth.vanished) and deleted_at is null having count(*) > 0"
        );
        found.extend(rows(pool, table, sql).await);
    }
    for (table, id) in
        [("argos_raw.submission", "submission_id"), ("argos_raw.faceauth", "auth_id")]
    {
        let sql = format!(
            "select 'raw items of a vanished record', array_agg({id}::text) from {table}
             where {id} in (select id from truth.vanished) having count(*) > 0"
        );
        found.extend(rows(pool, table, sql).await);
    }
    found
}
