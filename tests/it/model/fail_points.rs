//! Kills the program once before and once after every commit: the next start ends like an
//! undisturbed run.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::replicas::{End, Fate, Replica};
use crate::world::{ALL_DAYS, TestWorld};

const BACKFILL: [&str; 3] = ["run", "--backfill", ALL_DAYS];
/// Several pages of each list, and all days in one window.
const SETTINGS: [(&str, &str); 2] = [("client.page_size", "4"), ("sync.window_days", "365")];

const ENDED: &str = "select count(*) from argos_sync.backfill where ended_at is not null";

/// Number of worlds in parallel.
const AT_A_TIME: usize = 2;

/// The final content of a warehouse, and the work done.
#[derive(Debug, PartialEq, Eq)]
struct Result {
    tables: BTreeMap<String, String>,
    pages: i64,
    details: i64,
    claims: i64,
}

async fn result(world: &TestWorld) -> Result {
    Result {
        tables: world.tables().await,
        pages: world.number("select sum(pages)::bigint from argos_sync.run_counter").await,
        details: world.number("select sum(details)::bigint from argos_sync.run_counter").await,
        claims: world.number("select count(*) from argos_sync.claim").await,
    }
}

async fn backfill(world: &TestWorld, fate: Fate) -> End {
    Replica::start(world, &SETTINGS, &BACKFILL, fate).await.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn model_a_backfill_killed_at_any_commit_ends_as_if_it_never_had_been() {
    let world = TestWorld::new(14, 6).await;
    let undisturbed = world.twin().await;
    let End { ran, commits, .. } = backfill(&undisturbed, Fate::Lives).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let wanted = result(&undisturbed).await;
    assert!(commits > 15, "{commits}");
    let fates =
        (1..=commits).flat_map(|at| [(at, Fate::KilledBefore(at)), (at, Fate::KilledAfter(at))]);
    let killed: Vec<bool> = stream::iter(fates)
        .map(|(at, fate)| is_killed_and_ends_alike(&world, at, fate, &wanted))
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let count = killed.iter().filter(|is_killed| **is_killed).count();
    assert!(count * 10 >= killed.len() * 9, "only {count} of {} were killed", killed.len());
}

/// Starts the program twice. Returns whether the first start was killed: the number of commits
/// depends a little on timing, so a process may end before it comes to the chosen one.
async fn is_killed_and_ends_alike(world: &TestWorld, at: u64, fate: Fate, wanted: &Result) -> bool {
    let twin = world.twin().await;
    let End { ran, commits, .. } = backfill(&twin, fate).await;
    let is_killed = commits >= at;
    assert_eq!(ran.code(), if is_killed { -1 } else { 0 }, "{fate}, {commits} commits: {ran:?}");
    // If it was killed after the backfill ended but before the program did, the next start is
    // another backfill.
    let is_done = twin.number(ENDED).await > 0;
    let End { ran, .. } = backfill(&twin, Fate::Lives).await;
    assert_eq!(ran.code(), 0, "{fate}: {ran:?}");
    let Result { pages, .. } = *wanted;
    let found = result(&twin).await;
    let found = if is_done { Result { pages, ..found } } else { found };
    assert_eq!(found, *wanted, "{fate}");
    twin.pool.close().await;
    twin.database.close().await;
    is_killed
}
