//! Read numbers and fencing numbers never decrease, whatever happens to the database (I6).

use argos_sync::simulator::Change;

use crate::{
    evidence::Clock,
    truth::assert_equal,
    world::{ALL_DAYS, KEY, TestWorld},
};

const DUE: &str = "select count(*) from argos_sync.detail_due where due_at <= argos_sync.clock()";
const BACKFILL: [&str; 4] = ["run", "--backfill", ALL_DAYS, "--restart"];

#[tokio::test]
async fn changes_are_stored_although_the_sequences_were_rebuilt() {
    let world = TestWorld::new(60, 20).await;
    world.backfill().await;
    // As after a data-only restore, or in a logical replica.
    world
        .execute(
            "alter sequence argos_sync.read_number restart with 1; alter sequence argos_sync.fence restart with 1",
        )
        .await;
    for id in world.vendor.submission_ids(KEY).collect::<Vec<_>>() {
        let edit = Change::Edit([("email".to_owned(), format!("{id}@example.com"))].into());
        world.vendor.change(KEY, &id, edit).expect("the change");
    }
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("was lower than the numbers in use"), "{ran:?}");
    assert_equal(&world).await;
    let covered = "select count(*) from argos_sync.coverage
        join argos_sync.pass using (pass_id) where coverage.fence = pass.fence";
    let days = world.number("select count(*) from argos_sync.coverage").await;
    assert_eq!(world.number(covered).await, days, "the days are those of the last passes");
    let ran = world.run(&BACKFILL).await;
    assert!(!ran.stderr.contains("was lower"), "only once: {ran:?}");
}

#[tokio::test]
async fn a_fence_that_was_rebuilt_holds_no_day_back() {
    let world = TestWorld::new(60, 5).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    let settings = [("sync.since", "2025-03-01")];
    assert_eq!(world.run_with(&settings, &["run", "--once"]).await.code(), 0);
    world.execute("alter sequence argos_sync.fence restart with 1").await;
    clock.forward(25 * 60).await;
    assert_eq!(world.run_with(&settings, &["run", "--once"]).await.code(), 0);
    let old = "select count(*) from argos_sync.coverage where as_of < '2025-04-03 00:00:00Z' and day > '2025-03-25'";
    assert_eq!(world.number(old).await, 0);
}

#[tokio::test]
async fn answers_that_were_asked_for_before_a_failover_are_discarded_and_asked_for_again() {
    // The server becomes another one after `turn` queries of its identity: at the start, between
    // pages, among detail calls.
    for turn in [2, 4, 9] {
        let world = TestWorld::new(90, 40).await;
        world
            .execute(&format!(
                "create sequence public.asked;
                 create or replace function argos_sync.database_identity() returns text language sql volatile
                    as $$ select case when nextval('public.asked') <= {turn} then 'one' else 'two' end $$"
            ))
            .await;
        let ran =
            world.run_with(&[("client.page_size", "40")], &["run", "--backfill", ALL_DAYS]).await;
        assert_eq!(ran.code(), 0, "{turn}: {ran:?}");
        assert!(ran.stderr.contains("restored or failed over"), "{turn}: {ran:?}");
        assert_eq!(world.number(DUE).await, 0);
        assert_equal(&world).await;
    }
}

#[tokio::test]
async fn a_server_that_turns_into_one_with_older_sequences_has_them_raised() {
    for turn in [3, 6] {
        let world = TestWorld::new(60, 20).await;
        world.backfill().await;
        for id in world.vendor.submission_ids(KEY).collect::<Vec<_>>() {
            let edit = Change::Edit([("email".to_owned(), format!("{id}@example.com"))].into());
            world.vendor.change(KEY, &id, edit).expect("the change");
        }
        // As after a failover to a replica that never got the sequences.
        world
            .execute(&format!(
                "create sequence public.asked;
                 create or replace function argos_sync.database_identity() returns text language plpgsql volatile as $$
                 declare
                    turn bigint := nextval('public.asked');
                 begin
                    if turn = {turn} then
                        perform setval('argos_sync.read_number', 1), setval('argos_sync.fence', 1);
                    end if;
                    return case when turn < {turn} then 'one' else 'two' end;
                 end $$"
            ))
            .await;
        let settings = [("client.page_size", "40")];
        let ran = world.run_with(&settings, &BACKFILL).await;
        assert!(ran.stderr.contains("was lower than the numbers in use"), "{turn}: {ran:?}");
        assert_eq!(ran.code(), 0, "{turn}: {ran:?}");
        assert_equal(&world).await;
    }
}

#[tokio::test]
async fn a_pass_with_a_lower_fencing_number_takes_no_day_from_one_with_a_higher() {
    let world = TestWorld::new(30, 10).await;
    world.backfill().await;
    // Another process has read everything under a later claim, with a clock that is behind.
    world
        .execute(
            "update argos_sync.coverage set fence = fence + 1000000, as_of = as_of - interval '1 hour'",
        )
        .await;
    let as_of = "select extract(epoch from max(as_of))::bigint from argos_sync.coverage where stream = 'submission'";
    let before = world.number(as_of).await;
    world.run(&BACKFILL).await;
    assert_eq!(world.number(as_of).await, before);
}
