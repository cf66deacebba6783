//! The start of the stored history (`sync.since`): older records are stored only on request, and
//! stay current from then on.

use argos_sync::simulator::{Addition, Change, Knobs, KycResult};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::{
    evidence::Clock,
    world::{KEY, Ran, TestWorld},
};

const SINCE: &str = "2025-02-15";
const SETTINGS: [(&str, &str); 3] =
    [("sync.since", SINCE), ("audit.cycle_days", "4"), ("audit.detail_cycle_days", "3650")];

/// Slightly more than the cycle, in minutes.
const A_CYCLE: i32 = 4 * 25 * 60;

const OLDER: &str = "select count(*) from argos_sync.record where window_day < '2025-02-15'";
const MADE: &str = "select count(*) from argos_sync.detail_call";
const SKIPPED: &str = "select coalesce(sum(skipped), 0)::bigint from argos_sync.run_counter";
const WALKS_OVER_EVERYTHING: &str =
    "select count(*) from argos_sync.pass where not filtered and state = 'complete'";

async fn once(world: &TestWorld, settings: &[(&str, &str)]) -> Ran {
    let ran = world.run_with(settings, &["run", "--once", "--project", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

/// A world whose days since 2025-02-15 were read, and the list without a date filter once.
async fn read() -> (TestWorld, Clock) {
    let world = TestWorld::new(120, 0).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    for _ in 0..2 {
        once(&world, &SETTINGS).await;
    }
    assert_eq!(world.number(WALKS_OVER_EVERYTHING).await, 1);
    (world, clock)
}

/// Makes the pass without a date filter due, and runs it.
async fn walk_over_everything(world: &TestWorld, clock: &mut Clock) {
    let before = world.number(WALKS_OVER_EVERYTHING).await;
    clock.forward(A_CYCLE).await;
    // Days come first.
    for _ in 0..2 {
        once(world, &SETTINGS).await;
    }
    assert_eq!(world.number(WALKS_OVER_EVERYTHING).await, before + 1);
}

/// Submissions with their days, the oldest first.
fn submissions(world: &TestWorld) -> Vec<(NaiveDate, String)> {
    let day = |id: String| {
        let item = world.vendor.submission(KEY, &id).expect("an item");
        let item = String::from_utf8(item).expect("UTF-8");
        let (_, behind) = item.split_once("\"created_at\":\"").expect("a date");
        let (text, _) = behind.split_once('"').expect("an end");
        (text.parse::<DateTime<Utc>>().expect("a time").date_naive(), id)
    };
    let mut all: Vec<_> = world.vendor.submission_ids(KEY).map(day).collect();
    all.sort();
    all
}

fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, month, day).expect("a day")
}

async fn is_stored(world: &TestWorld, id: &str) -> bool {
    let sql = "select exists (select from argos.submission where submission_id = $1 and deleted_at is null)";
    sqlx::query_scalar(sql).bind(id).fetch_one(&world.pool).await.expect("an answer")
}

#[tokio::test]
async fn records_from_before_since_are_neither_stored_nor_asked_for_and_are_counted() {
    let (world, _clock) = read().await;
    let all = submissions(&world);
    let older = all.iter().filter(|(of, _)| *of < day(2, 15)).count();
    let older = i64::try_from(older).expect("a count");
    assert!(older > 30, "{older}");
    assert_eq!(world.number(OLDER).await, 0);
    assert_eq!(world.number("select count(*) from argos_sync.record").await, 120 - older);
    assert_eq!(world.number(MADE).await, 120 - older, "a detail call for each that is stored");
    // The pass without a date filter showed each of them, and the first window those of the day
    // before.
    assert!((older..=older + 10).contains(&world.number(SKIPPED).await), "{older}");
    let uneven = "select count(*) from argos_sync.run_counter
        where received <> inserted + updated + unchanged + quarantined + duplicate + skipped";
    assert_eq!(world.number(uneven).await, 0);
}

#[tokio::test]
async fn with_a_detail_call_at_every_sight_none_is_made_for_what_is_older() {
    let world = TestWorld::new(60, 0).await;
    let _clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    let settings = [&SETTINGS[..], &[("sync.details", "always")]].concat();
    for _ in 0..2 {
        once(&world, &settings).await;
    }
    assert_eq!(world.number(WALKS_OVER_EVERYTHING).await, 1);
    let unknown = "select count(*) from argos_sync.detail_call
        where not exists (select from argos_sync.record where record.id = detail_call.id)";
    assert_eq!(world.number(unknown).await, 0);
    assert_eq!(world.number(OLDER).await, 0);
}

#[tokio::test]
async fn a_record_without_a_date_is_stored_for_nobody_knows_how_old_it_is() {
    let (world, mut clock) = read().await;
    let (_, oldest) = submissions(&world).remove(0);
    assert!(!is_stored(&world, &oldest).await);
    world.vendor.change(KEY, &oldest, Change::HideDate).expect("the change");
    walk_over_everything(&world, &mut clock).await;
    assert!(is_stored(&world, &oldest).await);
}

#[tokio::test]
async fn what_a_backfill_or_fetch_asked_for_stays_current_and_its_days_take_new_records() {
    let (world, mut clock) = read().await;
    let all = submissions(&world);
    let days = ["run", "--backfill", "2025-01-10..2025-01-19", "--project", "main"];
    let ran = world.run_with(&SETTINGS, &days).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let asked_for = all.iter().filter(|(of, _)| (day(1, 10)..day(1, 20)).contains(of)).count();
    assert_eq!(world.number(OLDER).await, i64::try_from(asked_for).expect("a count"));
    let (_, fetched) = all.iter().find(|(of, _)| *of < day(1, 9)).expect("a record");
    let ran = world.run_with(&SETTINGS, &["fetch", "submission", "--id", fetched]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(is_stored(&world, fetched).await);

    // An unlisted record appears on a day that was read; the fetched record changes.
    let addition = Addition { created_at_ms: Some(1_736_942_400_000), result: None };
    let late = world.vendor.add(KEY, &addition).expect("a new record");
    world.vendor.change(KEY, &late, Change::Unlist).expect("the change");
    let decision = Change::Decide { result: KycResult::Rejected, codes: vec![] };
    world.vendor.change(KEY, fetched, decision).expect("the change");
    walk_over_everything(&world, &mut clock).await;
    assert!(is_stored(&world, &late).await);
    let result = "select kyc_result from argos.submission where submission_id = $1";
    let result: String =
        sqlx::query_scalar(result).bind(fetched).fetch_one(&world.pool).await.expect("a row");
    assert_eq!(result, "rejected");

    // The absence of the fetched record is evidence, too.
    world.vendor.change(KEY, fetched, Change::Vanish).expect("the change");
    walk_over_everything(&world, &mut clock).await;
    clock.forward(61).await;
    once(&world, &SETTINGS).await;
    assert!(!is_stored(&world, fetched).await);
}

#[tokio::test]
async fn a_later_since_deletes_nothing_and_status_says_what_is_covered() {
    let (world, mut clock) = read().await;
    let before = world.number("select count(*) from argos_sync.record").await;
    let later = [("sync.since", "2025-03-15"), ("audit.cycle_days", "4")];
    clock.forward(A_CYCLE).await;
    once(&world, &later).await;
    let sql = "select count(*) from argos_sync.record where deleted_at is null";
    assert_eq!(world.number(sql).await, before);

    let status = world.run_with(&later, &["status", "--json"]).await;
    let json: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let projects = json["projects"].as_array().expect("projects");
    let main = projects.iter().find(|project| project["project"] == "main").expect("main");
    let older = format!(
        "select count(*) from argos_sync.record where project = 'main' and window_day < '{}'",
        later[0].1
    );
    let older: i64 =
        sqlx::query_scalar(AssertSqlSafe(older)).fetch_one(&world.pool).await.expect("a count");
    assert!(older > 0);
    // 2025-02-15 to 2025-03-14, and 2025-03-15 to the day before 2025-04-06.
    for (key, value) in [
        ("covered_days_before_since", 28),
        ("records_before_since", older),
        ("days_since", 22),
        ("covered_days_since", 22),
    ] {
        assert_eq!(main[key], Value::from(value), "{key}: {main}");
    }
    let text = world.run_with(&later, &["status"]).await;
    let line = format!(
        "main: 22 of 22 days from `sync.since` (2025-03-15) to yesterday are covered; \
         before that, 28 days with {older} records are covered\n"
    );
    assert!(text.stdout.contains(&line), "{text:?}");
}
