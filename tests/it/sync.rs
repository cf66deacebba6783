//! The warehouse equals the vendor.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use argos_sync::{
    domain::Stream,
    simulator::{
        Addition, CallKind, Change, DateFormat, DeletedLabel, FaceauthShape, FilterZone,
        HiddenFields, Knobs, KycResult, Order, TimeFormat, UnknownId,
    },
};

use crate::{
    truth::{assert_equal, assert_tables_equal, differences, fingerprint, remember},
    world::{ALL_DAYS, FACE_KEY, KEY, Ran, TestWorld},
};

/// The counters of a run over all projects.
#[derive(Debug, sqlx::FromRow)]
struct Counted {
    received: i64,
    inserted: i64,
    updated: i64,
    unchanged: i64,
    quarantined: i64,
    duplicate: i64,
    details: i64,
}

/// The counters of the last run, which must add up.
async fn counted(world: &TestWorld) -> Counted {
    let counted: Counted = sqlx::query_as(
        "select sum(received)::int8 as received, sum(inserted)::int8 as inserted, sum(updated)::int8 as updated,
            sum(unchanged)::int8 as unchanged, sum(quarantined)::int8 as quarantined,
            sum(duplicate)::int8 as duplicate, sum(details)::int8 as details
         from argos_sync.run_counter where run_id = (select max(run_id) from argos_sync.run)",
    )
    .fetch_one(&world.pool)
    .await
    .expect("counters");
    let Counted { received, inserted, updated, unchanged, quarantined, duplicate, .. } = counted;
    assert_eq!(received, inserted + updated + unchanged + quarantined + duplicate, "{counted:?}");
    counted
}

/// Backfills, compares everything, and backfills again, which may only read.
async fn equal_and_idempotent(world: &TestWorld, submissions: i64, faceauths: i64) {
    let records = submissions + faceauths;
    world.backfill().await;
    assert_equal(world).await;
    let first = counted(world).await;
    // Lists of face authentications are complete: only those marked as deleted need detail calls.
    let marked =
        "select count(*) from argos_sync.suspect where mark_found_at is not null and stream = ";
    let marked = async |stream: &str| -> i64 {
        let sql = format!("{marked} '{stream}'");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.pool).await.expect("a count")
    };
    let (marked, marked_faces) = (marked("submission").await, marked("faceauth").await);
    let details = submissions + marked_faces;
    assert_eq!((first.inserted, first.quarantined, first.details), (records, 0, details));
    assert_eq!(first.updated, submissions - marked, "each live record's first detail call is news");
    let listed = first.received - first.details;
    assert!(listed >= records);

    let before = fingerprint(&world.pool).await;
    world.backfill().await;
    let again = counted(world).await;
    assert_eq!((again.received, again.details), (listed, 0));
    assert_eq!((again.inserted, again.updated, again.quarantined), (0, 0, 0));
    assert_eq!(again.unchanged + again.duplicate, listed);
    assert!(again.unchanged >= records);
    assert_eq!(fingerprint(&world.pool).await, before);
}

/// Detail calls that are due now; those that confirm a deletion wait for an hour.
const DUE: &str = "select count(*) from argos_sync.detail_due where due_at <= argos_sync.clock()";

#[tokio::test]
async fn rows_whose_record_was_removed_by_hand_make_way() {
    let world = TestWorld::new(40, 10).await;
    world.backfill().await;
    sqlx::raw_sql(
        "truncate argos_sync.record, argos_sync.detail_due;
         update argos.submission set kyc_result = 'of long ago';
         delete from argos.submission where submission_id < (select avg_id from (
            select percentile_disc(0.5) within group (order by submission_id) as avg_id from argos.submission) as half);
         insert into argos.kyc_reject_reason (project, submission_id, ordinal, comment_code, has_comment)
         select project, submission_id, 99, 'nobody''s', false from argos.submission",
    )
    .execute(&world.pool)
    .await
    .expect("rows are removed by hand");
    world.backfill().await;
    assert_equal(&world).await;
}

#[tokio::test]
async fn a_backfill_stores_every_record_and_the_same_again_writes_nothing() {
    let world = TestWorld::new(1500, 700).await;
    equal_and_idempotent(&world, 1500, 700).await;
}

/// The full size: `cargo test --test it thirty_thousand -- --ignored`
#[tokio::test]
#[ignore = "30,000 records and 20,000 detail calls take minutes"]
async fn the_warehouse_equals_the_vendor_with_thirty_thousand_records() {
    let world = TestWorld::new(20_000, 10_000).await;
    equal_and_idempotent(&world, 20_000, 10_000).await;
}

/// Items of the submission list as received, by id.
#[expect(
    clippy::disallowed_methods,
    reason = "asked of the simulator without the program's client"
)]
pub(crate) async fn listed(world: &TestWorld) -> BTreeMap<String, serde_json::Value> {
    let address = format!("{}/submission?count=2000", world.url);
    let answer = reqwest::Client::new().get(address).header("x-api-key", KEY).send().await;
    let body = answer.expect("an answer").bytes().await.expect("a body");
    let page: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let items = page["Items"].as_array().expect("items").iter();
    let with_id = |item: &serde_json::Value| {
        (item["submission_id"].as_str().expect("an id").to_owned(), item.clone())
    };
    items.map(with_id).collect()
}

/// Changes of every kind that lists show, each to a record of its own.
async fn changes(world: &TestWorld) -> Vec<(String, Change)> {
    let listed = listed(world).await;
    let mut free = listed.iter().filter(|(_, item)| {
        item["kyc"]["result"] == "approved" && item["aml"]["currentstatus"] == "Not Screened"
    });
    let mut next = || free.next().expect("enough people").0.clone();
    let first = |such: &dyn Fn(&serde_json::Value) -> bool| {
        listed.iter().find(|(_, item)| such(item)).expect("one").0.clone()
    };
    let flagged = first(&|item| item["aml"]["currentstatus"] == "Red Flag");
    let pending = first(&|item| item["kyc"]["result"] == "pending" && item.get("aml").is_some());
    let minimal = first(&|item| {
        item.get("aml").is_none()
            && item["kyc"]["result"] == "approved"
            && item["data"].get("gender").is_some()
    });
    let edit = |name: &str, text: &str| Change::Edit([(name.to_owned(), text.to_owned())].into());
    let codes = vec!["duplicate_user".to_owned(), "other".to_owned()];
    vec![
        (next(), Change::Decide { result: KycResult::Rejected, codes }),
        (pending, Change::Decide { result: KycResult::Approved, codes: vec![] }),
        (next(), Change::FlagAml),
        (flagged, Change::ClearAml),
        (next(), edit("email", "another@mail.example")),
        (next(), edit("name", "이름 \"O'Brien\" \\ {x}")),
        (minimal, edit("email", "sparse@mail.example")),
        (next(), Change::Memo("called back".to_owned())),
        (next(), Change::Delete),
        (next(), Change::Detail),
    ]
}

#[tokio::test]
async fn what_the_vendor_changes_arrives_with_the_next_backfill() {
    let world = TestWorld::new(400, 200).await;
    world.backfill().await;
    let changes = changes(&world).await;
    for (id, change) in &changes {
        remember(&world, Stream::Submission, id).await;
        world.vendor.change(KEY, id, change.clone()).expect("the change");
    }
    let faces: Vec<_> = world.vendor.faceauth_ids(FACE_KEY).take(2).collect();
    for (id, keep_result) in faces.iter().zip([true, false]) {
        let change = Change::DeleteFaceauth { keep_result };
        remember(&world, Stream::Faceauth, id).await;
        world.vendor.change(FACE_KEY, id, change).expect("the change");
    }
    // 2025-01-01 and 2025-02-15 in milliseconds since 1970.
    for created_at_ms in [1_735_689_600_000, 1_739_577_600_000] {
        let addition = Addition { created_at_ms: Some(created_at_ms), ..Addition::default() };
        world.vendor.add(KEY, &addition).expect("an addition");
        world.vendor.add(FACE_KEY, &addition).expect("an addition");
    }
    world.backfill().await;

    let now = counted(&world).await;
    let (unseen, seen) = changes.split_last().expect("changes");
    let seen = i64::try_from(seen.len()).expect("few");
    assert_eq!((now.inserted, now.details), (4, seen + 2 + 2));
    // Changed records are updated by list and by detail call, new ones by detail call. Deletion
    // marks change no row.
    assert_eq!(now.updated, (seen - 1) * 2 + 2);
    let unlike: BTreeSet<_> =
        differences(&world).await.into_iter().flat_map(|found| found.ids).collect();
    assert_eq!(unlike, BTreeSet::from([unseen.0.clone()]), "lists cannot show it");
    let ran = world.run(&["fetch", "submission", "--id", &unseen.0]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_equal(&world).await;
    let before = fingerprint(&world.pool).await;
    world.backfill().await;
    assert_eq!(fingerprint(&world.pool).await, before);
}

#[tokio::test]
async fn an_unfinished_backfill_is_taken_up_and_restart_begins_anew() {
    let world = TestWorld::new(600, 0).await;
    world.configure_client("page_size = 20", "");
    let set_latency = |latency_ms| {
        world.vendor.set_all_knobs(&Knobs { latency_ms, ..Knobs::default() });
    };
    let lists = || world.vendor.calls_by_kind()[&CallKind::SubmissionList];
    let whole = ["run", "--backfill", ALL_DAYS, "--stream", "submission"];
    let restart = [whole.as_slice(), &["--restart"]].concat();
    let kill_after_some_pages = async || {
        set_latency(20);
        let before = lists();
        let mut killed = world.command(&whole).spawn().expect("the program");
        while world
            .number("select coalesce(max(page), 0)::int8 from argos_sync.pass where state = 'open'")
            .await
            < 4
            || lists() < before + 4
        {
            assert!(
                killed.try_wait().expect("its state").is_none(),
                "it ended before it was killed"
            );
        }
        killed.kill().await.expect("killed");
        set_latency(0);
    };
    kill_after_some_pages().await;
    let stored = world.number("select count(*) from argos.submission").await;
    assert!((80..600).contains(&stored), "{stored}");

    let before = lists();
    let ran = world.run(&whole).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let resumed = lists() - before;
    assert_equal(&world).await;

    kill_after_some_pages().await;
    let before = lists();
    let ran = world.run(&restart).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let anew = lists() - before;
    assert!(resumed < anew, "{resumed} pages after the kill, {anew} in all");
    assert_equal(&world).await;
    let outcomes =
        world.number("select count(*) from argos_sync.backfill where outcome = 'replaced'").await;
    assert_eq!(outcomes, 1);
}

#[tokio::test]
async fn every_sight_brings_a_detail_call_where_detail_is_always() {
    let world = TestWorld::new(80, 40).await;
    world.configure_client("", "[raw]\nstorage = \"none\"\n[sync]\ndetails = \"always\"\n");
    world.backfill().await;
    assert_tables_equal(&world).await;
    let unseen = world.vendor.submission_ids(KEY).next().expect("one");
    world.vendor.change(KEY, &unseen, Change::Detail).expect("the change");
    world.backfill().await;
    assert_tables_equal(&world).await;
    assert_eq!(world.number("select count(*) from argos_raw.submission").await, 0);
    assert_eq!(world.number(DUE).await, 0);
}

/// Calls in flight, claiming and storing each need a connection for a moment; none may wait for one
/// that another holds.
#[tokio::test]
async fn many_detail_calls_get_by_with_one_connection() {
    for workers in [16, 200] {
        detail_calls_get_by_with_one_connection(workers).await;
    }
}

async fn detail_calls_get_by_with_one_connection(workers: u32) {
    let world = TestWorld::new(450, 20).await;
    world.configure_client(&format!("calls_in_flight_max = {workers}"), "");
    let mut backfill = world.command(&["run", "--backfill", ALL_DAYS]);
    let backfill = backfill.env("ARGOS_SYNC__DATABASE__CONNECTIONS_MAX", "1").output();
    let output = tokio::time::timeout(Duration::from_mins(2), backfill).await;
    let ran = Ran::of(output.expect("it ends").expect("the program runs"));
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number(DUE).await, 0);
}

#[tokio::test]
async fn lists_alone_are_enough_where_they_show_everything() {
    let world = TestWorld::new(80, 40).await;
    world.configure_client("", "[sync]\ndetails = \"never\"\n");
    let knobs = Knobs { full_list_items: true, deleted_permille: 0, ..Knobs::default() };
    world.vendor.set_all_knobs(&knobs);
    world.backfill().await;
    assert_tables_equal(&world).await;
    let calls = world.vendor.calls_by_kind();
    assert_eq!((calls[&CallKind::SubmissionSingle], calls[&CallKind::FaceauthSingle]), (0, 0));
}

#[tokio::test]
async fn what_a_detail_call_brought_goes_when_lists_alone_are_read() {
    let world = TestWorld::new(20, 20).await;
    world.backfill().await;
    let id = world.vendor.faceauth_ids(FACE_KEY).next().expect("one");
    let ran = world.run(&["fetch", "faceauth", "--id", &id]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    world.vendor.change(FACE_KEY, &id, Change::HideDate).expect("the change");
    world.backfill().await;
    assert_equal(&world).await;
}

#[tokio::test]
async fn streams_read_one_after_the_other_are_equal_too() {
    let world = TestWorld::new(30, 20).await;
    for stream in Stream::ALL {
        let ran = world.run(&["run", "--backfill", ALL_DAYS, "--stream", stream.as_str()]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    }
    assert_equal(&world).await;
}

/// Demands equality with a vendor with these knobs, read in small pages.
async fn equal_with(page_size: u32, knobs: Knobs) {
    let world = TestWorld::new(130, 90).await;
    world.configure_client(&format!("page_size = {page_size}"), "");
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 40, ..knobs });
    equal_and_idempotent(&world, 130, 90).await;
}

/// One test for each habit of the vendor.
macro_rules! equal_with {
    ($($claim:ident: $page_size:literal, $($knob:ident: $value:expr),*;)*) => {
        $(#[tokio::test]
        async fn $claim() {
            equal_with($page_size, Knobs { $($knob: $value,)* ..Knobs::default() }).await;
        })*
    };
}

equal_with! {
    pages_of_fifty_are_read: 50, default_count: 50;
    pages_of_one_are_read: 1, default_count: 50;
    oldest_first_is_read: 15, order: Order::Ascending;
    ties_in_any_order_are_read: 15, order: Order::ShuffledTies;
    pages_in_any_order_are_read: 15, order: Order::ShuffledPages;
    days_in_korea_lose_nothing: 15, filter_zone: FilterZone::Kst;
    days_in_korea_with_an_open_end_lose_nothing: 15, filter_zone: FilterZone::Kst, end_exclusive: true;
    an_open_end_loses_nothing: 15, end_exclusive: true;
    compact_dates_are_found: 15, date_format: DateFormat::Compact;
    dashed_times_are_read: 15, time_format: TimeFormat::Dashed;
    empty_pages_with_a_cursor_are_followed: 15, empty_page_every: 2;
    rows_that_come_twice_count_once: 15, repeated_rows: 4;
    flat_face_authentications_are_read: 2000, faceauth_shape: FaceauthShape::Flat;
    flat_single_face_authentications_are_read: 15, faceauth_shape: FaceauthShape::FlatSingle;
    a_misspelled_status_is_read: 15, aurh_status_every: 2;
    comments_as_texts_are_read: 15, comments_as_text: true;
    full_list_items_are_read: 15, full_list_items: true;
    hidden_fields_as_null_are_read: 15, hidden_fields: HiddenFields::Null;
    hidden_fields_as_null_in_full_list_items_are_read: 15, hidden_fields: HiddenFields::Null, full_list_items: true;
    deletions_labelled_in_the_name_are_seen: 15, deleted_label: DeletedLabel::Name;
    deletions_labelled_by_a_warning_are_seen: 15, deleted_label: DeletedLabel::Warning;
    deletions_labelled_where_nobody_documents_it_are_seen: 15, deleted_label: DeletedLabel::Label;
    labels_in_the_email_are_read_as_emails: 15, deleted_label: DeletedLabel::Email;
    labels_in_the_memo_are_read_as_memos: 15, deleted_label: DeletedLabel::Memo;
    a_smaller_largest_page_is_taken: 60, max_count: 7;
    unknown_ids_as_refusals_harm_nothing: 15, unknown_id: UnknownId::BadRequest;
}
