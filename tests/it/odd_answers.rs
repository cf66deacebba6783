//! Odd answers: partial ones, other records, records of other days, records that are too large.

use argos_sync::simulator::{Addition, Change, Knobs, KycResult};
use chrono::{DateTime, Utc};

use crate::{
    evidence::{Clock, ended_within},
    truth::assert_equal,
    world::{ALL_DAYS, KEY, TestWorld},
};

const BACKFILL: [&str; 5] = ["run", "--backfill", ALL_DAYS, "--project", "main"];
const ONCE: [&str; 4] = ["run", "--once", "--project", "main"];

/// No waiting for failures that will not pass.
const IMPATIENT: [(&str, &str); 2] =
    [("client.retry_budget_seconds", "1"), ("sync.give_up_after_minutes", "0")];

const SOON: std::time::Duration = std::time::Duration::from_mins(1);

#[tokio::test]
async fn a_part_of_an_answer_is_no_answer() {
    let world = TestWorld::new(20, 0).await;
    world.vendor.set_all_knobs(&Knobs { list_status: 206, ..Knobs::default() });
    let ran = ended_within(SOON, world.start_with(&IMPATIENT, &BACKFILL)).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("the response has status 206 instead of 200"), "{ran:?}");
    for table in
        ["select count(*) from argos_sync.record", "select count(*) from argos_sync.coverage"]
    {
        assert_eq!(world.number(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_detail_call_that_answers_with_another_record_is_not_believed() {
    let world = TestWorld::new(30, 0).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    world.vendor.set_all_knobs(&Knobs { singles_are_of_others: true, ..Knobs::default() });
    let ran = ended_within(SOON, world.start_with(&IMPATIENT, &BACKFILL)).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("the response contains another record"), "{ran:?}");
    let details = "select count(*) from argos_sync.record where detail_read is not null";
    assert_eq!(world.number(details).await, 0);
    let id = world.vendor.submission_ids(KEY).next().expect("one");
    let fetch = ["fetch", "submission", "--id", &id];
    let fetched = ended_within(SOON, world.start_with(&IMPATIENT, &fetch)).await;
    assert_ne!(fetched.code(), 0, "{fetched:?}");
    assert_eq!(world.number(details).await, 0);

    world.vendor.set_all_knobs(&Knobs::default());
    clock.forward(24 * 60).await;
    let ran = world.run_with(&[], &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_equal(&world).await;
}

#[tokio::test]
async fn an_item_dated_to_the_first_day_of_all_proves_no_date_filter() {
    let world = TestWorld::new(20, 0).await;
    let _clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    let id = world.vendor.submission_ids(KEY).next().expect("one");
    let item = format!(r#"{{"submission_id":"{id}","created_at":"0001-01-01T10:00:00.000Z"}}"#);
    world.vendor.override_item(KEY, &id, item.into_bytes()).expect("an override");
    world.vendor.set_all_knobs(&Knobs { dated_lists_are_empty: true, ..Knobs::default() });
    // No history is requested, so the list without a date filter is read at once.
    let settings = [("sync.since", "2025-04-02"), ("sync.details", "never")];
    for _ in 0..2 {
        let ran = world.run_with(&settings, &ONCE).await;
        assert_eq!(ran.code(), 65, "{ran:?}");
        assert!(ran.stdout.contains("empty, unverified"), "{ran:?}");
    }
    let listed = "select sum(skipped)::bigint from argos_sync.run_counter";
    assert_eq!(world.number(listed).await, 20, "all was listed, and is older than `sync.since`");
    let proven = "select count(*) from argos_sync.project where filter_proven";
    assert_eq!(world.number(proven).await, 0);
    assert_eq!(world.number("select count(*) from argos_sync.coverage").await, 0);
}

#[tokio::test]
async fn an_item_of_another_time_in_a_list_with_dates_proves_no_date_filter() {
    let world = TestWorld::new(1, 0).await;
    let _clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    let id = world.vendor.submission_ids(KEY).next().expect("one");
    let item = format!(r#"{{"submission_id":"{id}","created_at":"2023-05-06T10:00:00.000Z"}}"#);
    world.vendor.override_item(KEY, &id, item.into_bytes()).expect("an override");
    let settings = [("sync.since", "2025-01-01"), ("sync.details", "never")];
    world.run_with(&settings, &ONCE).await;
    let received = "select sum(received)::bigint from argos_sync.run_counter";
    assert!(world.number(received).await > 0);
    let proven = "select count(*) from argos_sync.project where filter_proven";
    assert_eq!(world.number(proven).await, 0);
}

#[tokio::test]
async fn a_record_larger_than_an_answer_may_be_blocks_its_day_and_names_the_key_to_raise() {
    let world = TestWorld::new(20, 0).await;
    let id = world.vendor.submission_ids(KEY).nth(7).expect("one");
    let item = format!(
        r#"{{"submission_id":"{id}","created_at":"2025-02-01T10:00:00.000Z","memo":{{"text":"{}"}}}}"#,
        "x".repeat(90_000)
    );
    world.vendor.override_item(KEY, &id, item.into_bytes()).expect("an override");
    let small = [("client.response_bytes_max", "80000"), ("sync.details", "never")];
    let ran = world.run_with(&small, &BACKFILL).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    let advice = "a single record is too large: raise `client.response_bytes_max`";
    assert!(ran.stderr.contains(advice), "{ran:?}");
    let status = world.run(&["status"]).await;
    assert!(status.code() == 1 && status.stdout.contains(advice), "{status:?}");

    let ran = world.run_with(&[("sync.details", "never")], &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 20);
    assert_eq!(world.run(&["status"]).await.code(), 0);
}

/// Adds a pending submission created at this moment.
fn add(world: &TestWorld, created_at: &str) -> String {
    let at: DateTime<Utc> = created_at.parse().expect("a time");
    let created_at_ms = Some(at.timestamp_millis());
    let addition = Addition { created_at_ms, result: Some(KycResult::Pending) };
    world.vendor.add(KEY, &addition).expect("an addition")
}

/// Decides it, and returns its result in the warehouse after the next round; `None` if not stored.
async fn decided(world: &TestWorld, id: &str, result: KycResult) -> Option<String> {
    world.vendor.change(KEY, id, Change::Decide { result, codes: vec![] }).expect("a decision");
    let ran = world.run_with(&[("sync.since", "2025-01-01")], &ONCE).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    sqlx::query_scalar("select kyc_result from argos.submission where submission_id = $1")
        .bind(id)
        .fetch_optional(&world.pool)
        .await
        .expect("an answer")
}

#[tokio::test]
async fn a_record_dated_some_days_ahead_is_seen_and_kept_up_to_date_by_every_round() {
    let world = TestWorld::new(20, 0).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    let ahead = add(&world, "2025-04-09T20:00:00Z");
    let approved = Some("approved".to_owned());
    assert_eq!(decided(&world, &ahead, KycResult::Approved).await, approved);
    let rejected = Some("rejected".to_owned());
    clock.forward(10).await;
    assert_eq!(decided(&world, &ahead, KycResult::Rejected).await, rejected);
    // The list without a date filter is read once a cycle, and was already read.
    clock.forward(10).await;
    let calls = world.vendor.call_count();
    assert_eq!(decided(&world, &ahead, KycResult::Approved).await, approved);
    assert_eq!(world.vendor.call_count() - calls, 2, "one list, and its detail call");
    let own_day = "select count(*) from argos_sync.record where window_day = '2025-04-09'";
    assert_eq!(world.number(own_day).await, 1);
    let explain = ["explain", "submission", &ahead];
    let told = world.run_with(&[("sync.since", "2025-01-01")], &explain).await;
    assert!(told.stdout.contains("next list       in the next round (lane recent)"), "{told:?}");
    assert_equal(&world).await;
}

#[tokio::test]
async fn of_a_record_dated_further_ahead_explain_says_when_lists_of_its_day_begin() {
    let world = TestWorld::new(20, 0).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    let far = add(&world, "2025-05-20T10:00:00Z");
    let seen = decided(&world, &far, KycResult::Pending).await;
    assert_eq!(seen, None, "the first round reads days alone");
    let pending = Some("pending".to_owned());
    assert_eq!(decided(&world, &far, KycResult::Pending).await, pending);
    let explain = ["explain", "submission", &far];
    let told = world.run_with(&[("sync.since", "2025-01-01")], &explain).await;
    let line = "next list       2025-05-13 00:00:00 (lane recent), when its day is at most 7 days \
        ahead; until then, only lists without a date filter";
    assert!(told.stdout.contains(line), "{told:?}");

    clock.set("2025-05-12T23:59:00Z".parse().expect("a time")).await;
    // The list without a date filter, which is due by now, must not be the one that shows it.
    sqlx::query("update argos_sync.project set unfiltered_as_of = '2025-05-12'")
        .execute(&world.pool)
        .await
        .expect("a time");
    let status = world.run(&["status", "--json"]).await;
    assert!(
        !status.stdout.contains("2025-04-09"),
        "days ahead do not count as covered: {status:?}"
    );
    clock.forward(1).await;
    let approved = Some("approved".to_owned());
    assert_eq!(decided(&world, &far, KycResult::Approved).await, approved);
    assert_equal(&world).await;
}
