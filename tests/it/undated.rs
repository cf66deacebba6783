//! Undated and misdated records: the day that they belong to, and the passes that may find them
//! missing (design section 5).

use argos_sync::{
    domain::Stream,
    simulator::{Addition, Change, Knobs, KycResult},
};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::AssertSqlSafe;

use crate::{
    evidence::Clock,
    truth::assert_equal,
    world::{FACE_KEY, KEY, Ran, TestWorld},
};

/// Every day is read daily, the list without a date filter every four days. The slow cycle takes
/// years, so detail calls have other causes.
const SETTINGS: [(&str, &str); 3] =
    [("sync.since", "2025-01-01"), ("audit.cycle_days", "4"), ("audit.detail_cycle_days", "3650")];

/// Slightly more than a day, in minutes; four of them are slightly more than a cycle.
const A_DAY: i32 = 25 * 60;

const RECORDS: &str = "select count(*) from argos_sync.record";
const SUSPECTS: &str = "select count(*) from argos_sync.suspect";
const DELETED: &str = "select count(*) from argos_sync.record where deleted_at is not null";
const UNLISTED: &str = "select count(*) from argos_sync.record where unlisted";
const DAYS_NOT_READ_NOW: &str =
    "select count(*) from argos_sync.coverage where as_of < argos_sync.clock()";
const WALKS_OVER_EVERYTHING: &str =
    "select count(*) from argos_sync.pass where not filtered and state = 'complete'";

/// A world at noon after the last day of the population, before anything was read.
async fn unread() -> (TestWorld, Clock) {
    let world = TestWorld::new(60, 30).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    (world, clock)
}

async fn once(world: &TestWorld) -> Ran {
    let ran = world.run_with(&SETTINGS, &["run", "--once"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

/// Reads all days first and then, since all are read, the list without a date filter.
async fn read_all(world: &TestWorld) {
    once(world).await;
    assert_eq!(world.number(WALKS_OVER_EVERYTHING).await, 0, "days come first");
    once(world).await;
    assert_eq!(world.number(WALKS_OVER_EVERYTHING).await, 2);
}

/// Advances by a day, after which every day is read again.
async fn next_day(world: &TestWorld, clock: &mut Clock) {
    clock.forward(A_DAY).await;
    once(world).await;
    assert_eq!(world.number(DAYS_NOT_READ_NOW).await, 0, "every day was walked");
}

async fn backfill(world: &TestWorld, days: &str) {
    let ran = world.run(&["run", "--backfill", days, "--project", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}

fn item(world: &TestWorld, stream: Stream, id: &str) -> String {
    let item = match stream {
        Stream::Submission => world.vendor.submission(KEY, id),
        Stream::Faceauth => world.vendor.faceauth(FACE_KEY, id),
    };
    String::from_utf8(item.expect("an item")).expect("UTF-8")
}

/// The member with the item's date, as text, and the date itself.
fn date(world: &TestWorld, stream: Stream, id: &str) -> (String, DateTime<Utc>) {
    let name = match stream {
        Stream::Submission => "created_at",
        Stream::Faceauth => "create_time",
    };
    let item = item(world, stream, id);
    let (_, behind) = item.split_once(&format!("\"{name}\":\"")).expect("a date");
    let (text, _) = behind.split_once('"').expect("an end");
    (format!("\"{name}\":\"{text}\""), text.parse().expect("a time"))
}

/// A record from the middle of February, far from the edges of likely windows.
fn of_february(world: &TestWorld, stream: Stream) -> String {
    let mut ids: Box<dyn Iterator<Item = String>> = match stream {
        Stream::Submission => Box::new(world.vendor.submission_ids(KEY)),
        Stream::Faceauth => Box::new(world.vendor.faceauth_ids(FACE_KEY)),
    };
    let day = |day| NaiveDate::from_ymd_opt(2025, 2, day).expect("a day");
    let is_inside = |at: DateTime<Utc>| (day(10)..day(20)).contains(&at.date_naive());
    ids.find(|id| is_inside(date(world, stream, id).1)).expect("a record")
}

fn happens(world: &TestWorld, submission: &str, face: &str, change: &Change) {
    world.vendor.change(KEY, submission, change.clone()).expect("the change");
    world.vendor.change(FACE_KEY, face, change.clone()).expect("the change");
}

fn decide(world: &TestWorld, id: &str, result: KycResult) {
    let change = Change::Decide { result, codes: vec![] };
    world.vendor.change(KEY, id, change).expect("the change");
}

/// The day of a record, and whether it is undated, unlisted and live.
async fn standing(world: &TestWorld, id: &str) -> (NaiveDate, bool, bool, bool) {
    sqlx::query_as(
        "select window_day, undated, unlisted, deleted_at is null from argos_sync.record where id = $1",
    )
    .bind(id)
    .fetch_one(&world.pool)
    .await
    .expect("a record")
}

/// One column of one submission, as text.
async fn value(world: &TestWorld, column: &str, id: &str) -> Option<String> {
    let sql = format!("select ({column})::text from argos.submission where submission_id = $1");
    sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_one(&world.pool).await.expect("a row")
}

#[tokio::test]
async fn an_item_without_a_date_belongs_to_the_first_day_of_the_window_that_listed_it_until_it_has_one()
 {
    let (world, mut clock) = unread().await;
    let submission = of_february(&world, Stream::Submission);
    let face = of_february(&world, Stream::Faceauth);
    let days = [Stream::Submission, Stream::Faceauth].map(|stream| {
        let id = if stream == Stream::Submission { &submission } else { &face };
        (id.clone(), stream, date(&world, stream, id).1.date_naive())
    });
    happens(&world, &submission, &face, &Change::HideDate);
    once(&world).await;
    for (id, stream, day) in &days {
        let first: NaiveDate = sqlx::query_scalar(
            "select window_from from argos_sync.pass
             where filtered and stream = $1 and window_from <= $2 and $2 < window_to",
        )
        .bind(stream.as_str())
        .bind(day)
        .fetch_one(&world.pool)
        .await
        .expect("a walk");
        assert_ne!(first, *day);
        assert_eq!(standing(&world, id).await, (first, true, false, true), "{stream}");
    }
    assert_eq!(value(&world, "created_at", &submission).await, None);
    assert_equal(&world).await;

    next_day(&world, &mut clock).await;
    let undated = world.number("select count(*) from argos_sync.record where undated").await;
    assert_eq!(undated, 2, "it stays where it is");
    assert_equal(&world).await;

    happens(&world, &submission, &face, &Change::ShowDate);
    next_day(&world, &mut clock).await;
    for (id, stream, day) in &days {
        assert_eq!(standing(&world, id).await, (*day, false, false, true), "{stream}");
    }
    assert_equal(&world).await;
}

#[tokio::test]
async fn no_window_suspects_an_undated_record_and_a_walk_over_everything_does() {
    let (world, mut clock) = unread().await;
    let submission = of_february(&world, Stream::Submission);
    let face = of_february(&world, Stream::Faceauth);
    // One record that never had a date, and one that loses it later.
    let later = world.vendor.submission_ids(KEY).nth(40).expect("a record");
    assert_ne!(submission, later);
    happens(&world, &submission, &face, &Change::HideDate);
    read_all(&world).await;
    world.vendor.change(KEY, &later, Change::HideDate).expect("the change");
    next_day(&world, &mut clock).await;
    assert_eq!(world.number("select count(*) from argos_sync.record where undated").await, 3);
    assert_equal(&world).await;

    happens(&world, &submission, &face, &Change::Vanish);
    world.vendor.change(KEY, &later, Change::Vanish).expect("the change");
    for _ in 0..2 {
        next_day(&world, &mut clock).await;
        assert_eq!(world.number(SUSPECTS).await, 0);
    }
    assert_eq!((world.number(WALKS_OVER_EVERYTHING).await, world.number(DELETED).await), (2, 0));
    next_day(&world, &mut clock).await;
    assert_eq!(world.number(WALKS_OVER_EVERYTHING).await, 4);
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (3, 0));
    clock.forward(61).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 3));
}

/// Makes the vendor show the submission with another date; its lists use the true one.
fn misdate(world: &TestWorld, id: &str, created_at: &str) {
    let (pair, _) = date(world, Stream::Submission, id);
    let other = format!("\"created_at\":\"{created_at}\"");
    let raw = item(world, Stream::Submission, id).replacen(&pair, &other, 1);
    world.vendor.override_item(KEY, id, raw.into_bytes()).expect("an override");
}

#[tokio::test]
async fn an_unknown_item_dated_outside_the_window_is_stored_under_its_own_date_and_stays() {
    let (world, mut clock) = unread().await;
    let id = of_february(&world, Stream::Submission);
    misdate(&world, &id, "2024-06-01T10:00:00.000Z");
    // Without `sync.since` no day is too early. The detail call is left to a regular round.
    world.backfill().await;
    once(&world).await;
    let own = NaiveDate::from_ymd_opt(2024, 6, 1).expect("a day");
    assert_eq!(standing(&world, &id).await, (own, false, false, true));
    assert_equal(&world).await;
    for _ in 0..4 {
        next_day(&world, &mut clock).await;
        assert_eq!(world.number(SUSPECTS).await, 0);
    }
    assert_eq!(standing(&world, &id).await, (own, false, false, true));
    assert_equal(&world).await;
}

#[tokio::test]
async fn a_known_item_that_a_window_shows_from_its_margin_is_left_to_its_own_window() {
    let (world, _clock) = unread().await;
    let noon: DateTime<Utc> = "2025-02-10T12:00:00Z".parse().expect("a time");
    let addition = Addition {
        created_at_ms: Some(noon.timestamp_millis()),
        result: Some(KycResult::Approved),
    };
    let id = world.vendor.add(KEY, &addition).expect("an addition");
    world.backfill().await;
    decide(&world, &id, KycResult::Rejected);
    for neighbour in ["2025-02-11..2025-02-12", "2025-02-08..2025-02-09"] {
        backfill(&world, neighbour).await;
        let result = value(&world, "kyc_result", &id).await;
        assert_eq!(result.as_deref(), Some("approved"), "{neighbour}");
        let counted = "select sum(duplicate)::int8 from argos_sync.run_counter
            where run_id = (select max(run_id) from argos_sync.run)";
        assert!(world.number(counted).await >= 1, "{neighbour} shows it");
    }
    backfill(&world, "2025-02-10..2025-02-10").await;
    assert_equal(&world).await;
}

#[tokio::test]
async fn a_known_misdated_item_is_left_to_its_own_window_which_asks_for_it() {
    let (world, _clock) = unread().await;
    let id = of_february(&world, Stream::Submission);
    misdate(&world, &id, "2025-03-20T10:00:00.000Z");
    backfill(&world, "2025-02-01..2025-02-28").await;
    let own = NaiveDate::from_ymd_opt(2025, 3, 20).expect("a day");
    assert_eq!(standing(&world, &id).await, (own, false, false, true));
    let changed =
        item(&world, Stream::Submission, &id).replacen("\"email\":\"", "\"email\":\"x", 1);
    assert_ne!(changed, item(&world, Stream::Submission, &id));
    world.vendor.override_item(KEY, &id, changed.into_bytes()).expect("an override");
    let before = value(&world, "changed_at", &id).await;
    backfill(&world, "2025-02-01..2025-02-28").await;
    assert_eq!(value(&world, "changed_at", &id).await, before);
    backfill(&world, "2025-03-01..2025-03-31").await;
    assert_eq!(standing(&world, &id).await, (own, false, true, true));
    world.backfill().await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
    assert_equal(&world).await;
}

#[tokio::test]
async fn a_record_that_no_date_filter_returns_is_found_kept_updated_and_deleted_by_walks_over_everything()
 {
    let (world, mut clock) = unread().await;
    let submission = of_february(&world, Stream::Submission);
    let face = of_february(&world, Stream::Faceauth);
    happens(&world, &submission, &face, &Change::Unlist);
    once(&world).await;
    assert_eq!(world.number(RECORDS).await, 88);
    once(&world).await;
    assert_eq!((world.number(RECORDS).await, world.number(WALKS_OVER_EVERYTHING).await), (90, 2));
    assert_equal(&world).await;

    next_day(&world, &mut clock).await;
    assert_eq!(world.number(UNLISTED).await, 2, "detail calls found what walks of their day miss");
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
    assert_equal(&world).await;

    let known = value(&world, "kyc_result", &submission).await;
    let is_approved = known.as_deref() == Some("approved");
    decide(
        &world,
        &submission,
        if is_approved { KycResult::Rejected } else { KycResult::Approved },
    );
    for _ in 0..2 {
        next_day(&world, &mut clock).await;
        assert_eq!(value(&world, "kyc_result", &submission).await, known);
    }
    next_day(&world, &mut clock).await;
    assert_eq!((world.number(WALKS_OVER_EVERYTHING).await, world.number(UNLISTED).await), (4, 2));
    assert_ne!(value(&world, "kyc_result", &submission).await, known);
    assert_equal(&world).await;

    happens(&world, &submission, &face, &Change::Vanish);
    for _ in 0..3 {
        next_day(&world, &mut clock).await;
        assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
    }
    next_day(&world, &mut clock).await;
    assert_eq!(world.number(WALKS_OVER_EVERYTHING).await, 6);
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (2, 0));
    clock.forward(61).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 2));
}
