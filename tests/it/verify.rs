//! Rows that others changed, deleted or added are detected, reported and rewritten.

use std::{collections::BTreeMap, time::Duration};

use argos_sync::{
    simulator::{Change, Knobs, KycResult},
    warehouse::DeletionRules,
};
use sqlx::AssertSqlSafe;

use crate::{
    database,
    evidence::{ended_within, terminate},
    order, truth,
    world::{ALL_DAYS, KEY, Ran, TestWorld},
};

/// A name that occurs nowhere else.
const INVENTED: &str = "Vera Falsifier";

/// All kinds of damage to rows, each to records of its own, with the affected table.
const DAMAGE: [(&str, &str); 12] = [
    (
        "update argos_pii.submission_identity set full_name = 'Vera Falsifier' where submission_id = $1",
        "argos_pii.submission_identity",
    ),
    (
        "update argos_pii.submission_identity set ocr = '{\"a\": 1}' where submission_id = $1",
        "argos_pii.submission_identity",
    ),
    (
        "update argos.submission set kyc_result = 'invented', reviewer = 'Vera Falsifier' where submission_id = $1",
        "argos.submission",
    ),
    ("delete from argos.submission where submission_id = $1", "argos.submission"),
    ("delete from argos.kyc_attempt where submission_id = $1", "argos.kyc_attempt"),
    (
        "update argos.kyc_attempt set retry_code = '{x}' where submission_id = $1",
        "argos.kyc_attempt",
    ),
    (
        "insert into argos.kyc_reject_reason (project, submission_id, ordinal) values ('main', $1, 99)",
        "argos.kyc_reject_reason",
    ),
    (
        "insert into argos.submission_duplicate values ('main', $1, 'invented', 'other')",
        "argos.submission_duplicate",
    ),
    (
        "insert into argos.bank_verification (project, submission_id, result) values ('main', $1, 'x')
         on conflict (project, submission_id) do update set result = 'x'",
        "argos.bank_verification",
    ),
    (
        "insert into argos_pii.additional_answer (project, submission_id, ordinal) values ('main', $1, 99)",
        "argos_pii.additional_answer",
    ),
    (
        "update argos_sync.record set window_day = '2020-01-01' where id = $1",
        "argos_sync.record",
    ),
    (
        "delete from argos_pii.submission_identity where submission_id = $1",
        "argos_pii.submission_identity",
    ),
];

/// A world without deleted records, whose raw items are not kept, after a backfill.
async fn synced(submissions: u32, faceauths: u32) -> TestWorld {
    let world = TestWorld::new(submissions, faceauths).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    world.backfill().await;
    world
}

async fn changed(world: &TestWorld, sql: &str, id: &str) {
    let done = sqlx::query(AssertSqlSafe(sql)).bind(id).execute(&world.pool).await.expect(sql);
    assert!(done.rows_affected() > 0, "{sql} changes nothing");
}

/// Damages one record in each way; returns the number of differing records of each table.
async fn damage(world: &TestWorld) -> BTreeMap<String, i64> {
    let mut tables = BTreeMap::new();
    let ids: Vec<String> = sqlx::query_scalar(
        "select submission_id from argos.submission where exists (
            select from argos.kyc_attempt where kyc_attempt.submission_id = submission.submission_id)
         order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("ids");
    for ((sql, table), id) in DAMAGE.iter().zip(&ids) {
        changed(world, sql, id).await;
        *tables.entry((*table).to_owned()).or_default() += 1;
    }
    tables
}

/// The counts of a project: compared, differing, repaired, raw lost, calls due, deleted, older.
fn counts(ran: &Ran, project: &str) -> Vec<i64> {
    let line = ran.stdout.lines().find(|line| line.starts_with(project));
    let cells = line.expect("the project").split_whitespace().skip(2);
    cells.map(|cell| cell.parse().expect("a number")).collect()
}

/// The number of differing records of each table.
fn tables(ran: &Ran) -> BTreeMap<String, i64> {
    let lines = ran.stdout.split("\n\n").nth(1).unwrap_or_default().lines().skip(1);
    let cells = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    cells.map(|cells| (cells[2].to_owned(), cells[3].parse().expect("a number"))).collect()
}

const CHANGES: &str = "select (select count(*) from argos.submission_change) + (select count(*) from argos.faceauth_change)";

#[tokio::test]
async fn damaged_rows_are_named_by_table_and_a_repair_makes_them_what_the_vendor_shows() {
    let world = synced(700, 60).await;
    let ran = world.run(&["verify"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(counts(&ran, "main"), [700, 0, 0, 0, 0, 0, 0], "{ran:?}");
    assert_eq!(counts(&ran, "face"), [60, 0, 0, 0, 0, 0, 0], "{ran:?}");
    world.execute("update argos.submission set changed_at = '2020-01-01'").await;
    let wanted = damage(&world).await;
    world.execute("update argos.faceauth set face_similarity = 2").await;
    let (damaged, calls) = (truth::fingerprint(&world.pool).await, world.vendor.call_count());

    let ran = world.run(&["verify"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(counts(&ran, "main"), [700, 12, 0, 0, 0, 0, 0], "{ran:?}");
    assert_eq!(counts(&ran, "face"), [60, 60, 0, 0, 0, 0, 0], "{ran:?}");
    let mut found = tables(&ran);
    assert_eq!(found.remove("argos.faceauth"), Some(60), "{ran:?}");
    assert_eq!(found, wanted, "{ran:?}");
    assert!(!format!("{ran:?}").contains(INVENTED), "{ran:?}");
    assert!(ran.stderr.contains("verify --repair"), "{ran:?}");
    assert_eq!(truth::fingerprint(&world.pool).await, damaged, "comparing writes nothing");

    let changes = world.number(CHANGES).await;
    let ran = world.run(&["verify", "--repair", "--project", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(counts(&ran, "main"), [700, 12, 12, 0, 0, 0, 0], "{ran:?}");
    let ran = world.run(&["verify", "--repair", "--stream", "faceauth"]).await;
    assert_eq!(counts(&ran, "face"), [60, 60, 60, 0, 0, 0, 0], "{ran:?}");
    truth::assert_equal(&world).await;
    assert_eq!(world.vendor.call_count(), calls, "no call is made");
    assert_eq!(world.number(CHANGES).await, changes, "the vendor changed nothing");
    // All except the record whose damage was only another day.
    let moved = "select count(*) from argos.submission where changed_at > '2020-01-01'";
    assert_eq!(world.number(moved).await, 11);
    let repaired = truth::fingerprint(&world.pool).await;
    let ran = world.run(&["verify", "--repair"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(truth::fingerprint(&world.pool).await, repaired, "what is equal is not written");
}

#[tokio::test]
async fn a_policy_that_was_changed_or_lost_is_named_and_rewritten() {
    let world = synced(60, 20).await;
    let used = "select count(*) from argos.submission where kyc_policy_id = (select min(policy_id) from argos.kyc_policy)";
    let used = world.number(used).await;
    world
        .execute(
            "update argos.kyc_policy set option_aml = not coalesce(option_aml, false), policy_accepted_id = '{x}'
         where policy_id = (select min(policy_id) from argos.kyc_policy);
         delete from argos.faceauth_policy",
        )
        .await;
    let ran = world.run(&["verify"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(tables(&ran)["argos.kyc_policy"], used, "{ran:?}");
    assert_eq!(tables(&ran)["argos.faceauth_policy"], 20, "{ran:?}");
    let ran = world.run(&["verify", "--repair"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    truth::assert_equal(&world).await;
}

#[tokio::test]
async fn raw_items_that_are_lost_are_counted_and_read_again() {
    let world = synced(60, 10).await;
    world
        .execute(
            "delete from argos_raw.submission where submission_id in (select submission_id from argos.submission order by 1 limit 2);
         update argos_raw.submission set detail_body = substring(detail_body for 30)
            where submission_id = (select submission_id from argos.submission order by 1 offset 2 limit 1);
         -- Another record's item.
         update argos_raw.submission set detail_body = (select detail_body from argos_raw.submission order by submission_id desc limit 1)
            where submission_id = (select submission_id from argos.submission order by 1 offset 3 limit 1);
         update argos_raw.submission set list_body = null
            where submission_id = (select submission_id from argos.submission order by 1 offset 4 limit 1);
         update argos_raw.faceauth set list_body = null where auth_id = (select min(auth_id) from argos.faceauth)",
        )
        .await;
    let ran = world.run(&["verify"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    // The detail item of the fifth is newer than its lost list item.
    assert_eq!(counts(&ran, "main"), [56, 0, 0, 5, 0, 0, 0], "{ran:?}");
    assert_eq!(counts(&ran, "face"), [9, 0, 0, 1, 0, 0, 0], "{ran:?}");
    let ran = world.run(&["verify", "--repair"]).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert_eq!(counts(&ran, "main"), [56, 0, 0, 5, 4, 0, 0], "{ran:?}");
    assert_eq!(counts(&ran, "face"), [9, 0, 0, 1, 1, 0, 0], "{ran:?}");
    let changes = world.number(CHANGES).await;
    world.backfill().await;
    let ran = world.run(&["verify"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    truth::assert_equal(&world).await;
    assert_eq!(world.number(CHANGES).await, changes, "the vendor changed nothing");
    let moved = "select count(*) from argos_sync.record where changed_at is not null";
    assert_eq!(world.number(moved).await, 0, "the vendor changed nothing");
}

#[tokio::test]
async fn a_raw_item_that_cannot_be_read_back_stops_no_page() {
    let world = synced(40, 5).await;
    world
        .execute("update argos_raw.submission set detail_body = substring(detail_body for 30)")
        .await;
    for id in world.vendor.submission_ids(KEY).take(5) {
        let decided =
            Change::Decide { result: KycResult::Rejected, codes: vec!["other".to_owned()] };
        world.vendor.change(KEY, &id, decided).expect("a decision");
    }
    world.backfill().await;
    truth::assert_tables_equal(&world).await;
}

#[tokio::test]
async fn rows_without_a_record_are_named_and_their_records_read_again() {
    let world = synced(60, 10).await;
    world
        .execute(
            "delete from argos_sync.record where id in (select submission_id from argos.submission order by 1 limit 3)",
        )
        .await;
    let ran = world.run(&["verify"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(counts(&ran, "main"), [57, 0, 0, 0, 0, 0, 0], "{ran:?}");
    assert_eq!(tables(&ran)["argos.submission"], 3, "{ran:?}");
    assert_eq!(tables(&ran)["argos_raw.submission"], 3, "{ran:?}");
    let ran = world.run(&["verify", "--repair"]).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    let settings = [("sync.since", "2025-01-01"), ("sync.window_days", "365")];
    let ran = world.run_with(&settings, &["run", "--once"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let ran = world.run(&["verify"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    truth::assert_equal(&world).await;
}

#[tokio::test]
async fn a_fetch_calls_no_damaged_record_unchanged() {
    let world = synced(20, 5).await;
    damage(&world).await;
    let changes = world.number(CHANGES).await;
    let ids: Vec<_> = world.vendor.submission_ids(KEY).collect();
    let mut updated = 0;
    for id in &ids {
        let ran = world.run(&["fetch", "submission", "--id", id]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        updated += i32::from(ran.stdout.contains("1 updated, 0 unchanged"));
    }
    assert_eq!(updated, 12);
    truth::assert_tables_equal(&world).await;
    assert_eq!(world.number(CHANGES).await, changes, "the vendor changed nothing");
    let again = world.run(&["fetch", "submission", "--id", &ids[0]]).await;
    assert!(again.stdout.contains("0 updated, 1 unchanged"), "{again:?}");
}

#[tokio::test]
async fn a_fetch_of_a_damaged_record_that_changed_tells_history_what_the_vendor_changed() {
    let world = synced(40, 5).await;
    let id: String = sqlx::query_scalar(
        "select min(submission_id) from argos.submission where kyc_result = 'approved'",
    )
    .fetch_one(&world.pool)
    .await
    .expect("a record");
    changed(
        &world,
        "update argos.submission set kyc_result = 'invented' where submission_id = $1",
        &id,
    )
    .await;
    changed(&world, "delete from argos.kyc_attempt where submission_id = $1", &id).await;
    let decided = Change::Decide { result: KycResult::Rejected, codes: vec!["other".to_owned()] };
    world.vendor.change(KEY, &id, decided).expect("a decision");
    let ran = world.run(&["fetch", "submission", "--id", &id]).await;
    assert!(ran.stdout.contains("1 updated, 0 unchanged"), "{ran:?}");
    truth::assert_tables_equal(&world).await;
    let told: Vec<(String, String)> = sqlx::query_as(
        "select old_value, new_value from argos.submission_change where field = 'kyc_result'",
    )
    .fetch_all(&world.pool)
    .await
    .expect("history");
    assert_eq!(told, [("approved".to_owned(), "rejected".to_owned())]);
}

#[tokio::test]
async fn a_backfill_rewrites_damaged_rows_of_its_days_where_asked_to() {
    let world = synced(300, 40).await;
    world
        .execute(
            "delete from argos.kyc_attempt; update argos.faceauth set status = 'invented';
         delete from argos_raw.submission where submission_id in (select submission_id from argos.submission order by 1 limit 9)",
        )
        .await;
    world.backfill().await;
    assert!(!truth::differences(&world).await.is_empty(), "digests say unchanged");
    let ran = world.run(&["run", "--backfill", ALL_DAYS, "--repair"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    truth::assert_equal(&world).await;
    let ran = world.run(&["verify"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}

#[tokio::test]
async fn beside_a_backfill_nothing_seems_to_differ() {
    let world = synced(600, 60).await;
    for (index, id) in world.vendor.submission_ids(KEY).enumerate() {
        if index % 2 == 0 {
            let decided =
                Change::Decide { result: KycResult::Rejected, codes: vec!["other".to_owned()] };
            world.vendor.change(KEY, &id, decided).expect("a decision");
        }
    }
    let settings = [("client.page_size", "20")];
    let mut backfill = world.start_with(&settings, &["run", "--backfill", ALL_DAYS]);
    let mut rounds = 0;
    while backfill.try_wait().expect("a status").is_none() {
        let arguments: &[&str] =
            if rounds % 2 == 0 { &["verify"] } else { &["verify", "--repair"] };
        let ran = world.run(arguments).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(counts(&ran, "main")[..3], [600, 0, 0], "{ran:?}");
        rounds += 1;
    }
    assert!(rounds > 0);
    truth::assert_equal(&world).await;
}

#[tokio::test]
async fn deleted_records_older_ones_and_projects_without_raw_are_not_compared() {
    let world = TestWorld::new(60, 0).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 200, ..Knobs::default() });
    let days = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    assert_eq!(world.run(&days).await.code(), 0);
    // An hour later, a second detail call confirms each mark.
    world
        .execute(
            "update argos_sync.suspect set mark_found_at = mark_found_at - interval '2 hours';
         update argos_sync.detail_due set due_at = due_at - interval '2 hours'",
        )
        .await;
    assert_eq!(world.run(&days).await.code(), 0);
    let deleted =
        world.number("select count(*) from argos.submission where deleted_at is not null").await;
    assert!(deleted > 0, "the test would prove nothing");
    let ran = world.run(&["verify", "--project", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(counts(&ran, "main"), [60 - deleted, 0, 0, 0, 0, deleted, 0], "{ran:?}");
    world
        .execute(
            "update argos_sync.record set normalizer_version = 0
         where id in (select id from argos_sync.record where deleted_at is null order by 1 limit 3)",
        )
        .await;
    let ran = world.run(&["verify", "--project", "main"]).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert_eq!(counts(&ran, "main"), [57 - deleted, 0, 0, 0, 0, deleted, 3], "{ran:?}");
    assert!(ran.stderr.contains("argos-sync renormalize"), "{ran:?}");
    let none = [("raw.storage", "none"), ("sync.details", "always")];
    let ran = world.run_with(&none, &["verify", "--project", "main"]).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("nothing was compared"), "{ran:?}");
    let ran = world.run(&["verify", "--project", "nonsense"]).await;
    assert_eq!(ran.code(), 2, "{ran:?}");
}

#[tokio::test]
async fn the_daemon_publishes_what_random_records_prove_and_names_what_differs() {
    let world = synced(300, 40).await;
    let settings = [
        ("sync.since", "2025-01-01"),
        ("sync.window_days", "365"),
        ("sync.schedules", "* * * * * *"),
    ];
    let program = world.start_with(&settings, &["run"]);
    world
        .until("select coalesce(sum(compared), 0) >= 200 from argos_sync.verification where project = 'main'")
        .await;
    let ran = world.run(&["status"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.contains("main: records with differing rows below "), "{ran:?}");
    assert!(ran.stdout.contains("% with 95% confidence: 0 of "), "{ran:?}");

    world
        .execute("delete from argos.kyc_attempt; update argos.faceauth set status = 'invented'")
        .await;
    world
        .until(
            "select count(distinct project) = 2 from argos_sync.difference
             where 'argos.kyc_attempt' = any(tables) or 'argos.faceauth' = any(tables)",
        )
        .await;
    let ran = world.run(&["status"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(
        ran.stdout.contains("`argos-sync verify --project main --repair` rewrites them"),
        "{ran:?}"
    );
    let json = world.run(&["status", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    let face = &json["verification"][0];
    assert_eq!((&face["project"], &face["confidence_percent"]), (&"face".into(), &95.into()));
    assert!(face["known_differing_by_table"]["argos.faceauth"].as_i64() > Some(0), "{json}");
    assert!(face["differing_below_percent"].as_f64() > Some(1.0), "{json}");

    let ran = world.run(&["verify", "--repair"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    world.until("select not exists (select from argos_sync.difference)").await;
    terminate(&program).await;
    let ran = ended_within(Duration::from_secs(10), program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("records differ from their raw items"), "{ran:?}");
    truth::assert_equal(&world).await;
}

#[tokio::test]
async fn records_are_rewritten_in_chunks_with_a_transaction_each() {
    let world = TestWorld::new(1100, 0).await;
    // Records that are marked as deleted are not compared.
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let lists_alone = [("sync.details", "never")];
    let backfill = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    let ran = world.run_with(&lists_alone, &backfill).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    world.execute("update argos.submission set kyc_result = 'invented'").await;
    // The last chunk must wait for this lock.
    let mut lock = world.pool.begin().await.expect("a transaction");
    sqlx::query("select from argos_sync.record order by id collate \"C\" desc limit 1 for update")
        .execute(&mut *lock)
        .await
        .expect("the last record");
    let program = world.start_with(&lists_alone, &["verify", "--repair", "--project", "main"]);
    let rewritten = "select count(*) >= 500 from argos.submission
        where kyc_result is distinct from 'invented'";
    world.until(rewritten).await;
    lock.rollback().await.expect("the lock goes");
    let ran = ended_within(Duration::from_mins(1), program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let left = "select count(*) from argos.submission where kyc_result = 'invented'";
    assert_eq!(world.number(left).await, 0);
}

/// Records of `main`, three quarters of them on half of the pages, and records of another project
/// between them.
const UNEVEN: &str = "
    insert into argos_sync.record (project, stream, id, list_digest, list_read, normalizer_version, window_day)
    select case when number % 2 = 0 then 'main' else 'other' end, 'submission', 'r' || number,
        decode(md5(number::text), 'hex'), number, 2, '2025-01-01'
    from generate_series(1, 48000) as given (number);
    delete from argos_sync.record where list_read <= 24000 and list_read % 6 in (2, 4);
    update argos_sync.record set deleted_at = '2025-01-01' where list_read % 1000 = 0";

#[tokio::test]
async fn every_record_is_drawn_with_the_same_chance_however_full_its_page_is() {
    let database = database::fresh().await;
    let pool = database.pool().await;
    let warehouse = order::warehouse(&database.url);
    warehouse.migrate().await.expect("the schema");
    let scope = order::scope(DeletionRules::default());
    sqlx::raw_sql(UNEVEN).execute(&pool).await.expect("records");
    // Of the project's 16,000 records those up to 24000 are a quarter.
    let (mut early, mut drawn) = (0_u32, 0_u32);
    while drawn < 8000 {
        let ids = warehouse.draw_records(&scope, 100).await.expect("records");
        assert!(ids.len() <= 100);
        for id in ids {
            let number: u32 = id.trim_start_matches('r').parse().expect("a number");
            let is_live = number.is_multiple_of(2) && !number.is_multiple_of(1000);
            assert!(is_live, "{id} is another project's, or deleted");
            early += u32::from(number <= 24_000);
            drawn += 1;
        }
    }
    // Six standard deviations.
    let share = f64::from(early) / f64::from(drawn);
    assert!((share - 0.25).abs() < 6.0 * (0.25 * 0.75 / f64::from(drawn)).sqrt(), "{share}");
}
