//! The vendor's deletion marks: their proof, the data they leave, and texts that are not marks.

use std::collections::BTreeMap;

use argos_sync::{
    domain::Stream,
    normalize::catalogue::{self, Column, Key, Table, Type},
    simulator::{Change, Knobs},
    warehouse::{DetailAnswer, Keep, Priority},
};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::{
    deletions::{ABSENT, DELETED, SETTINGS, SUSPECTS, happens, ids, once, once_with, synced},
    evidence::Clock,
    order::{Room, window},
    truth::{assert_equal, fingerprint},
    world::{ALL_DAYS, FACE_KEY, KEY, TestWorld},
};

/// All rows of a record in the data tables, by table, without the program's own times.
async fn rows_of(
    world: &TestWorld,
    stream: Stream,
    id: &str,
) -> BTreeMap<&'static str, Vec<Value>> {
    let mut all = BTreeMap::new();
    for table in catalogue::tables(stream).iter().filter(|table| table.key != Key::Set) {
        let sql = format!(
            "select (to_jsonb(held) - '{{changed_at,first_seen_at,detail_read_at,change_number}}'::text[])::text from {} as held
             where {} = $1 order by 1",
            table.qualified(),
            table.id_column(),
        );
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(id)
            .fetch_all(&world.pool)
            .await
            .expect("rows");
        let rows = rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect();
        all.insert(table.name, rows);
    }
    all
}

/// The part of these rows that must remain, by the configuration and the catalogue's flags.
fn left_of(
    stream: Stream,
    keep: Keep,
    before: &BTreeMap<&'static str, Vec<Value>>,
) -> BTreeMap<&'static str, Vec<Value>> {
    let keeps = |table: &Table, column: &Column| match keep {
        Keep::Facts => column.survives,
        Keep::Everything => true,
        Keep::Nothing => {
            table.name == stream.as_str() && column.survives && column.kind == Type::Timestamp
        }
    };
    let mut left = before.clone();
    for table in catalogue::tables(stream) {
        let Some(rows) = left.get_mut(table.name) else { continue };
        if !table.columns.iter().any(|column| keeps(table, column)) {
            rows.clear();
        }
        for row in rows {
            for column in table.columns.iter().filter(|column| !keeps(table, column)) {
                row[column.name] = Value::Null;
            }
        }
    }
    left
}

/// The rows without their times of deletion, and these times.
fn without_times(
    stream: Stream,
    mut rows: BTreeMap<&'static str, Vec<Value>>,
) -> (BTreeMap<&'static str, Vec<Value>>, [Value; 2]) {
    let parent = &mut rows.get_mut(stream.as_str()).expect("the table")[0];
    let mut take = |name: &str| std::mem::replace(&mut parent[name], Value::Null);
    let times = [take("deleted_at"), take("vendor_deleted_at")];
    (rows, times)
}

/// The history of a record, without its times and lanes.
async fn history(world: &TestWorld, stream: Stream, id: &str) -> Vec<String> {
    let sql = format!(
        "select concat_ws(' ', field, case when field = 'deleted_at' then 'time' else coalesce(new_value, '-') end)
         from argos.{stream}_change where {} = $1 order by change_id",
        catalogue::id_column(stream),
    );
    let rows = sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_all(&world.pool).await;
    rows.expect("the history")
}

/// The part of a record's history that must remain after its deletion.
fn told_of(keep: Keep, before: &[String]) -> Vec<String> {
    let left: Vec<String> = match keep {
        Keep::Everything => before.to_vec(),
        // A match identifies a person on an AML list.
        Keep::Facts => {
            let is_match = |line: &String| line.starts_with("aml_match");
            let forget = |line: &String| {
                if is_match(line) { "aml_match -".to_owned() } else { line.clone() }
            };
            before.iter().map(forget).collect()
        }
        Keep::Nothing => Vec::new(),
    };
    left.into_iter().chain(["deleted_at time".to_owned()]).collect()
}

/// Two submissions with much data to delete, and two rejected face authentications.
async fn rich_records(world: &TestWorld) -> [Vec<String>; 2] {
    let pick = async |sql: &'static str| -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(&world.pool).await.expect("ids")
    };
    let submissions = "select submission_id from argos.submission where kyc_result = 'approved'
        and aml_status = 'not screened' and nationality is not null and (
            select count(*) from argos.kyc_attempt as attempt
            where attempt.submission_id = submission.submission_id) > 1 limit 2";
    let faces = "select auth_id from argos.faceauth where status = 'rejected' and deleted_at is null limit 2";
    let found = [pick(submissions).await, pick(faces).await];
    assert!(found.iter().all(|ids| ids.len() == 2), "{found:?}");
    found
}

const RAW_OF_DELETED: &str = "select (select count(*) from argos_raw.submission
        join argos_sync.record on id = submission_id where deleted_at is not null)
    + (select count(*) from argos_raw.faceauth
        join argos_sync.record on id = auth_id where deleted_at is not null)";

async fn either_proof_leaves(keep: Keep, word: &str) {
    let settings = [SETTINGS[0], ("deletion.keep", word)];
    let (world, mut clock) = synced(80, 60).await;
    let [submissions, faces] = rich_records(&world).await;
    happens(&world, KEY, &submissions, &Change::FlagAml).await;
    clock.forward(25 * 60).await;
    once_with(&world, &settings).await;
    let records: Vec<_> = std::iter::repeat_n(Stream::Submission, 2)
        .chain(std::iter::repeat_n(Stream::Faceauth, 2))
        .zip(submissions.iter().chain(&faces))
        .collect();
    let mut before = Vec::new();
    for (stream, id) in &records {
        let told = history(&world, *stream, id).await;
        before.push((rows_of(&world, *stream, id).await, told));
    }
    assert!(before[0].1.iter().any(|line| line.starts_with("aml_match ")), "{:?}", before[0].1);
    // The first of each gets a mark, the second vanishes.
    happens(&world, KEY, &submissions[..1], &Change::Delete).await;
    let deletion = Change::DeleteFaceauth { keep_result: false };
    happens(&world, FACE_KEY, &faces[..1], &deletion).await;
    happens(&world, KEY, &submissions[1..], &Change::Vanish).await;
    happens(&world, FACE_KEY, &faces[1..], &Change::Vanish).await;
    clock.forward(25 * 60).await;
    once_with(&world, &settings).await;
    for ((stream, id), (rows, _)) in records.iter().zip(&before) {
        assert_eq!(rows_of(&world, *stream, id).await, *rows, "nothing is proven yet");
    }
    clock.forward(61).await;
    once_with(&world, &settings).await;
    let mut after = Vec::new();
    for (place, ((stream, id), (rows, told))) in records.iter().zip(&before).enumerate() {
        let now = rows_of(&world, *stream, id).await;
        let (left, times) = without_times(*stream, now.clone());
        assert_eq!(left, left_of(*stream, keep, rows), "{word} {stream}");
        assert!(times[0].is_string(), "{times:?}");
        assert_eq!(times[1].is_string(), place == 2, "the vendor tells of one when: {times:?}");
        assert_eq!(history(&world, *stream, id).await, told_of(keep, told), "{word} {stream}");
        after.push(now);
    }
    let is_kept = keep == Keep::Everything;
    assert_eq!(world.number(RAW_OF_DELETED).await > 3, is_kept, "{word}");
    // Later items of the vendor change nothing.
    clock.forward(25 * 60).await;
    once_with(&world, &settings).await;
    let fetched = ["fetch", "submission", "--id", &submissions[0]];
    assert_eq!(world.run_with(&settings, &fetched).await.code(), 0);
    for ((stream, id), rows) in records.iter().zip(&after) {
        assert_eq!(rows_of(&world, *stream, id).await, *rows, "{word} {stream}");
    }
    assert_eq!(world.number(RAW_OF_DELETED).await > 3, is_kept, "{word}");
}

#[tokio::test]
async fn either_proof_of_a_deletion_leaves_the_facts_and_history_tells_the_deletion_alone() {
    either_proof_leaves(Keep::Facts, "facts").await;
}

#[tokio::test]
async fn either_proof_of_a_deletion_leaves_everything_where_everything_is_kept() {
    either_proof_leaves(Keep::Everything, "everything").await;
}

#[tokio::test]
async fn either_proof_of_a_deletion_leaves_the_id_and_the_dates_where_nothing_is_kept() {
    either_proof_leaves(Keep::Nothing, "nothing").await;
}

#[tokio::test]
async fn a_mark_deletes_once_two_detail_calls_an_hour_apart_show_it_and_a_record_that_returns_is_restored()
 {
    let (world, mut clock) = synced(40, 8).await;
    let deleted = &ids(&world, Stream::Submission)[7..8];
    let item = world.vendor.submission(KEY, &deleted[0]).expect("an item");
    happens(&world, KEY, deleted, &Change::Delete).await;
    clock.forward(25 * 60).await;
    let data = async || {
        let prints = fingerprint(&world.pool).await;
        prints
            .into_iter()
            .filter(|(table, ..)| !table.starts_with("argos_sync.") && table != "argos.submission")
            .collect::<Vec<_>>()
    };
    // A detail call stores its own time.
    let submissions = async || -> String {
        sqlx::query_scalar(
            "select string_agg((to_jsonb(held) - '{detail_read_at,change_number}'::text[])::text, ' ' order by submission_id)
             from argos.submission as held",
        )
        .fetch_one(&world.pool)
        .await
        .expect("the submissions")
    };
    let (before, facts) = (data().await, submissions().await);
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (1, 0));
    clock.forward(50).await;
    // A pass shows the mark, which neither ends the suspicion nor proves anything.
    for _ in 0..2 {
        assert_eq!(world.run(&["run", "--backfill", ALL_DAYS, "--restart"]).await.code(), 0);
    }
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (1, 0));
    let explained = world.run(&["explain", "submission", &deleted[0]]).await;
    assert!(explained.stdout.contains("one detail call has shown the mark"), "{explained:?}");
    assert_eq!(data().await, before, "until then all stays");
    assert_eq!(submissions().await, facts, "but for the time of the detail call");
    clock.forward(11).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 1));
    assert_eq!(world.number(ABSENT).await, 0);
    assert_equal(&world).await;
    let settled = fingerprint(&world.pool).await;
    assert_eq!(world.run(&["run", "--backfill", ALL_DAYS]).await.code(), 0);
    assert_eq!(fingerprint(&world.pool).await, settled, "the mark is free from now on");

    world.vendor.override_item(KEY, &deleted[0], item).expect("a record");
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
    assert_equal(&world).await;
}

#[tokio::test]
async fn no_text_that_an_applicant_or_the_company_writes_deletes_anybody() {
    let (world, mut clock) = synced(40, 8).await;
    let written = [
        r#""userid":"Deleted Submission""#,
        r#""email":"Deleted Submission""#,
        r#""data":{"cf1":"Deleted Submission"}"#,
        r#""data":{"cf3":"Deleted Submission"}"#,
        r#""data":{"address_input":"Deleted Submission"}"#,
        r#""memo":{"text":"Deleted Submission"}"#,
        r#""additional_list":[{"answer":"q","inputValue":"Deleted Submission","blockType":"text"}]"#,
        r#""review":{"full_name":"Deleted Submission"}"#,
        r#""ocr":{"full_name":"Deleted Submission"}"#,
        r#""tokenId":"Deleted Submission""#,
        // A label of the vendor next to personal data.
        r#""warning":["Deleted Submission"],"data":{"full_name":"Ada"}"#,
    ];
    for (id, members) in ids(&world, Stream::Submission).iter().zip(written) {
        let item = format!(
            r#"{{"submission_id":"{id}","created_at":"2025-02-03T04:05:06.000Z","kyc":{{"result":"incomplete"}},{members}}}"#
        );
        world.vendor.override_item(KEY, id, item.into_bytes()).expect("a record");
    }
    for minutes in [25 * 60, 61, 61] {
        clock.forward(minutes).await;
        once(&world).await;
        assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
    }
    assert_equal(&world).await;
}

#[tokio::test]
async fn with_details_off_a_marked_list_item_makes_the_two_detail_calls() {
    let settings = [SETTINGS[0], ("sync.details", "never")];
    let world = TestWorld::new(60, 8).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    once_with(&world, &settings).await;
    let deleted = &ids(&world, Stream::Submission)[3..6];
    happens(&world, KEY, deleted, &Change::Delete).await;
    let calls = "select count(*) from argos_sync.detail_call where stream = 'submission'";
    assert_eq!(world.number(calls).await, 0);
    clock.forward(25 * 60).await;
    once_with(&world, &settings).await;
    assert_eq!((world.number(calls).await, world.number(DELETED).await), (3, 0));
    clock.forward(61).await;
    once_with(&world, &settings).await;
    assert_eq!((world.number(calls).await, world.number(DELETED).await), (6, 3));
    clock.forward(25 * 60).await;
    once_with(&world, &settings).await;
    assert_eq!(world.number(calls).await, 6, "what is deleted is not asked about");
}

#[tokio::test]
async fn a_mark_that_a_detail_call_disproves_is_asked_about_once() {
    let room = Room::keeping(Keep::Facts).await;
    let item = |data: &str| {
        format!(r#"{{"submission_id":"a","created_at":"2025-01-05T10:00:00Z","data":{data}}}"#)
    };
    let live = || item(r#"{"name":"Ada","nationality":"KOR"}"#);
    let marked = || item(r#"{"name":"Deleted Submission"}"#);
    let mut walk = room.walk(window(1, 9), "test").await;
    room.next_page(&mut walk, vec![room.observe(1, live())]).await;
    let answer = async |read: i64, body: String| -> usize {
        let due = room.warehouse.claim_details(&room.scope, "test", Priority::Cycle, 10).await;
        let due = due.expect("what is due").into_iter();
        let answer = DetailAnswer::Found(room.observe(read, body));
        let answers: Vec<_> = due.zip([answer]).collect();
        let stored = room.warehouse.commit_details(&room.scope, room.run, &answers, true).await;
        stored.expect("stored");
        answers.len()
    };
    let suspects = async || -> i64 {
        sqlx::query_scalar(SUSPECTS).fetch_one(&room.pool).await.expect("a count")
    };
    assert_eq!(answer(2, live()).await, 1);
    let tally = room.next_page(&mut walk, vec![room.observe(3, marked())]).await;
    assert_eq!((tally.updated, tally.unchanged), (0, 1));
    assert_eq!(suspects().await, 1);
    assert_eq!((answer(4, live()).await, suspects().await), (1, 0));
    for read in 5..8 {
        room.next_page(&mut walk, vec![room.observe(read, marked())]).await;
        assert_eq!((answer(read, live()).await, suspects().await), (0, 0));
    }
    room.fetched(&[room.observe(2, marked())]).await;
    assert_eq!(suspects().await, 0, "a mark that is not newer than what is known is no evidence");
    let name: String = sqlx::query_scalar("select name from argos_pii.submission_identity")
        .fetch_one(&room.pool)
        .await
        .expect("a name");
    assert_eq!(name, "Ada");
}

#[tokio::test]
async fn a_mark_that_follows_an_absence_tells_when_the_vendor_deleted_it() {
    let (world, mut clock) = synced(10, 20).await;
    let [gone, marked] = [4, 9].map(|place| ids(&world, Stream::Faceauth)[place].clone());
    happens(&world, FACE_KEY, std::slice::from_ref(&gone), &Change::Vanish).await;
    for minutes in [25 * 60, 61] {
        clock.forward(minutes).await;
        once(&world).await;
    }
    let times = async || -> (bool, bool, i64) {
        let sql = "select deleted_at is not null, vendor_deleted_at is not null,
                (select count(*) from argos.faceauth_change as change where change.auth_id = held.auth_id)
            from argos.faceauth as held where auth_id = $1";
        sqlx::query_as(sql).bind(&gone).fetch_one(&world.pool).await.expect("the record")
    };
    let (_, _, told) = times().await;
    assert_eq!(times().await, (true, false, told), "absence tells no time");
    // The vendor shows it again, with its mark.
    let deletion = Change::DeleteFaceauth { keep_result: false };
    world.vendor.change(FACE_KEY, &marked, deletion).expect("the change");
    let item = world.vendor.faceauth(FACE_KEY, &marked).expect("an item");
    let item = String::from_utf8(item).expect("text").replace(&marked, &gone);
    world.vendor.change(FACE_KEY, &gone, Change::Return).expect("the change");
    world.vendor.override_item(FACE_KEY, &gone, item.into_bytes()).expect("an item");
    for minutes in [25 * 60, 61] {
        clock.forward(minutes).await;
        once(&world).await;
    }
    assert_eq!(times().await, (true, true, told), "one deletion, told once");
}
