//! Rows of an older release are refilled from raw items: without calls, in parallel with other
//! work, and equal to rows of this release.

use std::collections::BTreeMap;

use argos_sync::simulator::{Change, Knobs, KycResult};

use crate::{
    evidence::{ended_within, terminate},
    truth,
    world::{ALL_DAYS, KEY, Ran, TestWorld},
};

/// Makes rows like those of a release without these columns and tables.
const AS_AN_OLDER_RELEASE: &str = "
    update argos_sync.record set normalizer_version = 0;
    update argos.submission set nationality = null, kyc_result = null, created_at = null where submission_id > 'm';
    update argos_pii.submission_identity set email = null, document_number = null;
    delete from argos.kyc_attempt;
    delete from argos_pii.additional_answer;
    insert into argos.kyc_reject_reason (project, submission_id, ordinal)
        select project, submission_id, 99 from argos.submission;
    update argos.faceauth set status = null, face_similarity = 2;
    update argos_sync.record set window_day = '2020-01-01', undated = true where id > 'm'";

const LEFT: &str = "select count(*) from argos_sync.record where normalizer_version = 0";

/// A world without deleted records, whose raw items are not kept.
async fn with_raw(submissions: u32, faceauths: u32) -> TestWorld {
    let world = TestWorld::new(submissions, faceauths).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    world
}

/// The printed counts of each project: refilled, changed, without raw.
fn counts(ran: &Ran) -> BTreeMap<&str, Vec<i64>> {
    let rows = ran.stdout.lines().skip(1).map(|line| {
        let mut cells = line.split_whitespace();
        let name = cells.next().expect("a project");
        (name, cells.map(|cell| cell.parse().expect("a number")).collect())
    });
    rows.collect()
}

async fn renormalize(world: &TestWorld) -> Ran {
    let ran = world.run(&["renormalize"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number(LEFT).await, 0, "{ran:?}");
    ran
}

/// Location and writing transaction of each row of the raw tables.
async fn raw(world: &TestWorld) -> Vec<(String, i64, String)> {
    let mut all = truth::fingerprint(&world.pool).await;
    all.retain(|(table, ..)| table.starts_with("argos_raw"));
    all
}

#[tokio::test]
async fn older_rows_become_what_the_vendor_shows_without_a_call() {
    let world = with_raw(700, 60).await;
    world.backfill().await;
    let (before, kept) = (world.tables().await, raw(&world).await);
    let records =
        "select md5(string_agg(t::text, ',' order by project, id)) from argos_sync.record as t";
    let record_rows = async || -> String {
        sqlx::query_scalar(records).fetch_one(&world.pool).await.expect("a fingerprint")
    };
    let known = record_rows().await;
    world.execute(AS_AN_OLDER_RELEASE).await;
    assert!(!truth::differences(&world).await.is_empty(), "the test would prove nothing");
    let calls = world.vendor.call_count();
    let ran = renormalize(&world).await;
    assert_eq!(counts(&ran)["main"], [700, 700, 0], "{ran:?}");
    assert_eq!(counts(&ran)["face"], [60, 60, 0], "{ran:?}");
    assert_eq!(world.vendor.call_count(), calls);
    truth::assert_equal(&world).await;
    assert_eq!(world.tables().await, before);
    assert_eq!(raw(&world).await, kept, "raw is read and not written");
    assert_eq!(record_rows().await, known, "read numbers and digests are as they were");
    assert_eq!(world.number("select count(*) from argos_sync.detail_due").await, 0);

    let settled = truth::fingerprint(&world.pool).await;
    let ran = renormalize(&world).await;
    assert_eq!(counts(&ran)["main"], [0, 0, 0], "{ran:?}");
    assert_eq!(truth::fingerprint(&world.pool).await, settled);
    world.backfill().await;
    assert_eq!(truth::fingerprint(&world.pool).await, settled, "the next read finds nothing to do");
}

#[tokio::test]
async fn only_a_row_that_changes_moves_changed_at_and_what_has_no_raw_keeps_its_rows() {
    let world = with_raw(60, 10).await;
    world.backfill().await;
    world
        .execute(
            "update argos.submission set changed_at = '2020-01-01';
         update argos_sync.record set normalizer_version = 0;
         update argos.submission set nationality = 'of old'
         where submission_id in (select submission_id from argos.submission order by 1 limit 5);
         delete from argos_raw.submission
         where submission_id in (select submission_id from argos.submission order by 1 limit 2);
         update argos_raw.submission set detail_body = '\\x00'
         where submission_id = (select submission_id from argos.submission order by 1 offset 2 limit 1)",
        )
        .await;
    let ran = renormalize(&world).await;
    assert_eq!(counts(&ran)["main"], [57, 2, 3], "{ran:?}");
    assert_eq!(counts(&ran)["face"], [10, 0, 0], "{ran:?}");
    let number = async |sql| world.number(sql).await;
    assert_eq!(
        number("select count(*) from argos.submission where changed_at > '2020-01-01'").await,
        2
    );
    assert_eq!(
        number("select count(*) from argos.submission where nationality = 'of old'").await,
        3
    );
}

#[tokio::test]
async fn a_record_that_is_known_to_be_deleted_stays_so() {
    let world = TestWorld::new(30, 0).await;
    let ran = world.run(&["run", "--backfill", ALL_DAYS, "--project", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    // Deleted by absence, for example: its items show no mark.
    world
        .execute(
            "update argos_sync.record set normalizer_version = 0, deleted_at = '2025-06-01' where id = (select min(id) from argos_sync.record);
         update argos.submission set deleted_at = '2025-06-01', nationality = 'as it was'
         where submission_id = (select min(id) from argos_sync.record)",
        )
        .await;
    let ran = renormalize(&world).await;
    assert_eq!(counts(&ran)["main"], [1, 0, 0], "{ran:?}");
    let both = "select count(*) from argos.submission join argos_sync.record on id = submission_id
        where submission.deleted_at = '2025-06-01' and record.deleted_at = '2025-06-01'
            and nationality = 'as it was'";
    assert_eq!(world.number(both).await, 1, "its rows stay as the deletion left them");
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on() {
    let world = with_raw(1200, 0).await;
    let ran = world.run(&["run", "--backfill", ALL_DAYS, "--project", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    world.execute(AS_AN_OLDER_RELEASE).await;
    // Locks a row of the last chunk: two chunks are committed, the third waits.
    let mut locking = world.pool.begin().await.expect("a transaction");
    sqlx::raw_sql(
        "select from argos_pii.submission_identity
         where submission_id = (select max(id) from argos_sync.record) for update",
    )
    .execute(&mut *locking)
    .await
    .expect("the lock");
    let mut program = world.start_with(&[], &["renormalize"]);
    world
        .until(
            "select exists (select from pg_stat_activity where datname = current_database()
                and application_name = 'argos-sync' and wait_event_type = 'Lock')
             and (select count(*) from argos_sync.record where normalizer_version = 0) = 200",
        )
        .await;
    program.kill().await.expect("SIGKILL");
    locking.rollback().await.expect("the lock goes");
    // Its connection may remain for a moment, with its locks.
    world
        .until(
            "select not exists (select from pg_stat_activity where datname = current_database()
                and application_name = 'argos-sync')",
        )
        .await;
    let ran = renormalize(&world).await;
    assert_eq!(counts(&ran)["main"], [200, 200, 0], "{ran:?}");
    truth::assert_equal(&world).await;
}

#[tokio::test]
async fn beside_a_backfill_nothing_is_lost() {
    let world = with_raw(1200, 100).await;
    world.backfill().await;
    for (index, id) in world.vendor.submission_ids(KEY).enumerate() {
        if index % 2 == 0 {
            let decided =
                Change::Decide { result: KycResult::Rejected, codes: vec!["other".to_owned()] };
            world.vendor.change(KEY, &id, decided).expect("a decision");
        }
    }
    world.execute(AS_AN_OLDER_RELEASE).await;
    let backfill =
        world.start_with(&[("client.page_size", "50")], &["run", "--backfill", ALL_DAYS]);
    let refill = world.start_with(&[], &["renormalize"]);
    let (backfill, refill) = tokio::join!(backfill.wait_with_output(), refill.wait_with_output());
    for output in [backfill, refill] {
        let ran = Ran::of(output.expect("it runs"));
        assert_eq!(ran.code(), 0, "{ran:?}");
    }
    assert_eq!(world.number(LEFT).await, 0);
    truth::assert_equal(&world).await;
}

#[tokio::test]
async fn the_daemon_does_it_by_itself() {
    let world = with_raw(700, 60).await;
    world.backfill().await;
    world.execute(AS_AN_OLDER_RELEASE).await;
    let settings = [("sync.since", "2025-01-01"), ("sync.window_days", "365")];
    let program = world.start_with(&settings, &["run"]);
    world.until("select min(normalizer_version) > 0 from argos_sync.record").await;
    terminate(&program).await;
    let ran = ended_within(std::time::Duration::from_secs(10), program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    truth::assert_equal(&world).await;
}
