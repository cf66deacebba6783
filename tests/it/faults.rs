//! A misbehaving vendor or network: everything arrives nevertheless, or the program reports that it
//! did not.

use std::time::Duration;

use argos_sync::simulator::{Addition, Change, CursorLoop, Faults, Knobs, KycResult, Order};

use crate::{
    evidence::ended_within,
    world::{ALL_DAYS, FACE_KEY, KEY, TestWorld},
};

const BACKFILL: [&str; 3] = ["run", "--backfill", ALL_DAYS];

/// No waiting for failures that will not pass.
const IMPATIENT: [(&str, &str); 3] = [
    ("client.page_size", "10"),
    ("client.retry_budget_seconds", "1"),
    ("sync.give_up_after_minutes", "0"),
];

/// A program that has nothing to wait for ends within this time, even on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// Detail calls that are due now; those that confirm a deletion wait for an hour.
const DUE: &str = "select count(*) from argos_sync.detail_due where due_at <= argos_sync.clock()";

#[tokio::test]
async fn a_fifth_of_all_calls_going_wrong_costs_nothing_but_time() {
    let world = TestWorld::new(300, 150).await;
    let settings = [("client.page_size", "40")];
    let twin = world.twin().await;
    let ran = twin.run_with(&settings, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    for seed in [1, 2] {
        let world = world.twin().await;
        // The seconds of `Retry-After` have a test of their own.
        let faults = Faults { retry_after_seconds: None, ..Faults::evenly(seed, 0.2) };
        world.vendor.set_faults(faults);
        let ran = world.run_with(&settings, &BACKFILL).await;
        assert_eq!(ran.code(), 0, "seed {seed}: {ran:?}");
        assert_eq!(world.tables().await, twin.tables().await, "seed {seed}");
    }
}

#[tokio::test]
async fn the_vendors_wish_for_a_pause_is_kept() {
    let world = TestWorld::new(0, 20).await;
    let faults = Faults { retry_after_seconds: Some(1), seed: 3, ..Faults::default() };
    world.vendor.set_faults(Faults { too_many_requests: 0.3, ..faults });
    let ran = world
        .run_with(
            &[("client.page_size", "5")],
            &["run", "--backfill", ALL_DAYS, "--project", "face"],
        )
        .await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 20);
}

#[tokio::test]
async fn a_list_that_leads_in_circles_is_reported_and_covers_nothing() {
    for (cursor_loop, order) in
        [(CursorLoop::Aa, Order::Ascending), (CursorLoop::Aba, Order::Descending)]
    {
        let world = TestWorld::new(300, 150).await;
        let knobs = Knobs { cursor_loop, order, ..Knobs::default() };
        world.vendor.set_all_knobs(&knobs);
        let program = world.start_with(&IMPATIENT, &BACKFILL);
        let ran = ended_within(SOON, program).await;
        assert_eq!(ran.code(), 65, "{ran:?}");
        assert!(ran.stdout.contains("partial"), "{ran:?}");
        assert!(ran.stderr.contains("(and 2 more windows)"), "{ran:?}");
        assert!(
            ran.stderr.contains("form a cycle") && ran.stderr.contains("main: 2025-"),
            "{ran:?}"
        );
        assert_eq!(world.number("select count(*) from argos_sync.coverage").await, 0);

        let status = world.run(&["status"]).await;
        assert!(status.stdout.contains("an open pass that last failed with"), "{status:?}");

        // Once the vendor works again, everything is read.
        world.vendor.set_all_knobs(&Knobs::default());
        world.backfill().await;
        assert_eq!(world.number("select count(*) from argos.submission").await, 300);
    }
}

#[tokio::test]
async fn a_date_filter_that_answers_nothing_proves_nothing() {
    let world = TestWorld::new(60, 30).await;
    world.vendor.set_all_knobs(&Knobs { dated_lists_are_empty: true, ..Knobs::default() });
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert_eq!(ran.stdout.matches("empty, unverified").count(), 2, "{ran:?}");
    assert!(ran.stderr.contains("main: empty, unverified"), "{ran:?}");
    assert_eq!(world.number("select count(*) from argos_sync.coverage").await, 0);
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(status.stdout.contains("empty, unverified"), "{status:?}");

    world.vendor.set_all_knobs(&Knobs::default());
    world.backfill().await;
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
}

#[tokio::test]
async fn days_without_records_are_covered_once_the_filter_is_proven() {
    let world = TestWorld::new(60, 30).await;
    let ran = world.run(&["run", "--backfill", "2024-06-01..2025-03-31"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(
        world.number("select count(*) from argos_sync.coverage where project = 'main'").await,
        304
    );
}

#[tokio::test]
async fn a_web_page_in_place_of_an_answer_is_no_answer() {
    let world = TestWorld::new(60, 30).await;
    world.vendor.set_faults(Faults { html: 1.0, ..Faults::default() });
    let program = world.start_with(&IMPATIENT, &BACKFILL);
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("the response is a web page instead of JSON"), "{ran:?}");
    assert!(ran.stderr.contains("check that `base_url` is the API"), "{ran:?}");
    assert_eq!(world.number("select count(*) from argos_sync.coverage").await, 0);
    assert_eq!(world.number("select count(*) from argos_sync.record").await, 0);
}

#[tokio::test]
async fn nobody_at_the_address_is_reported_with_what_to_check() {
    let world = TestWorld::new(0, 0).await;
    let mut settings = IMPATIENT.to_vec();
    // Port 9 (discard) of the loopback address, where no server listens.
    settings.push(("project.main.base_url", "http://127.0.0.1:9/v3"));
    settings.push(("project.face.base_url", "http://127.0.0.1:9/v3"));
    let ran = ended_within(SOON, world.start_with(&settings, &BACKFILL)).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("no connection to the API"), "{ran:?}");
    assert!(ran.stderr.contains("check name resolution"), "{ran:?}");
}

#[tokio::test]
async fn pages_that_are_too_large_are_halved_until_they_come() {
    for status in [413, 502, 504] {
        let world = TestWorld::new(300, 150).await;
        world.vendor.set_all_knobs(&Knobs {
            too_large_above: 30,
            too_large_status: status,
            ..Knobs::default()
        });
        let ran = world.run(&BACKFILL).await;
        assert_eq!(ran.code(), 0, "{status}: {ran:?}");
        assert_eq!(world.number("select count(*) from argos.submission").await, 300);
        assert_eq!(world.number("select count(*) from argos.faceauth").await, 150);
        assert_eq!(world.number("select count(*) from argos_sync.coverage").await, 180);
    }
}

#[tokio::test]
async fn run_once_reads_history_once_and_what_is_new_each_time() {
    let world = TestWorld::new(120, 60).await;
    let settings = [("sync.since", "2025-01-01"), ("sync.window_days", "365")];
    let first = world.run_with(&settings, &["run", "--once"]).await;
    assert_eq!(first.code(), 0, "{first:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 120);
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 60);

    // After history was read, everything is listed without a date filter, once a cycle.
    let calls = world.vendor.call_count();
    let unfiltered = world.run_with(&settings, &["run", "--once"]).await;
    assert_eq!(unfiltered.code(), 0, "{unfiltered:?}");
    assert_eq!(world.vendor.call_count() - calls, 4);

    let calls = world.vendor.call_count();
    let again = world.run_with(&settings, &["run", "--once"]).await;
    assert_eq!(again.code(), 0, "{again:?}");
    assert_eq!(world.vendor.call_count() - calls, 2, "only today and yesterday are read again");

    let pending = Addition { result: Some(KycResult::Pending), ..Addition::default() };
    let id = world.vendor.add(KEY, &pending).expect("a submission");
    world.vendor.add(FACE_KEY, &Addition::default()).expect("a face authentication");
    let third = world.run_with(&settings, &["run", "--once"]).await;
    assert_eq!(third.code(), 0, "{third:?}");
    assert_eq!(world.number("select count(*) from argos.submission where kyc_result = 'pending' and created_at > '2026-01-01'").await, 1);
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 61);
    assert_eq!(world.number(DUE).await, 0);

    let decided = Change::Decide { result: KycResult::Approved, codes: Vec::new() };
    world.vendor.change(KEY, &id, decided).expect("a decision");
    let fourth = world.run_with(&settings, &["run", "--once"]).await;
    assert_eq!(fourth.code(), 0, "{fourth:?}");
    assert_eq!(
        world.number("select count(*) from argos.submission where kyc_result = 'approved' and created_at > '2026-01-01'").await,
        1,
        "{fourth:?}"
    );
    assert_eq!(world.run(&["status"]).await.code(), 0);
}

#[tokio::test]
async fn an_outage_among_the_detail_calls_ends_the_run_and_the_next_one_makes_them() {
    let world = TestWorld::new(300, 0).await;
    world.slow_vendor(100);
    let arguments = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    let program = world.start_with(&IMPATIENT, &arguments);
    world.until("select count(*) > 20 from argos_sync.record where detail_read is not null").await;
    world.vendor.set_faults(Faults { server_error: 1.0, ..Faults::default() });
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("detail calls wait for a retry"), "{ran:?}");
    assert!(world.number("select count(*) from argos_sync.detail_due").await > 0);

    world.vendor.set_faults(Faults::default());
    world.slow_vendor(0);
    let ran = world.run_with(&[], &arguments).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number(DUE).await, 0);
}
