//! A deletion is proven (I7): by the vendor's mark, or by absence, twice confirmed; too many at once need a person.

use std::collections::BTreeMap;

use argos_sync::{
    domain::Stream,
    normalize::catalogue::{self, Column, Key, Table, Type},
    simulator::{Addition, Change, Knobs, UnknownId},
    warehouse::{DetailAnswer, Keep, Rank},
};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::{
    consumers::demand_numbers,
    evidence::Clock,
    order::{Room, window},
    truth::{assert_equal, fingerprint, remember},
    world::{ALL_DAYS, FACE_KEY, KEY, Ran, World},
};

const SETTINGS: [(&str, &str); 1] = [("sync.since", "2025-01-01")];
const DELETED: &str = "select count(*) from argos_sync.record where deleted_at is not null";
const ABSENT: &str = "select count(*) from argos_sync.record where absent";
const SUSPECTS: &str = "select count(*) from argos_sync.suspect";

/// A warehouse that holds everything, at noon after the last day of the population.
async fn synced(submissions: u32, faceauths: u32) -> (World, Clock) {
    let world = World::new(submissions, faceauths).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    demand_numbers(&world.pool).await;
    once(&world).await;
    (world, clock)
}

async fn once(world: &World) -> Ran {
    once_with(world, &SETTINGS).await
}

async fn once_with(world: &World, settings: &[(&str, &str)]) -> Ran {
    let ran = world.run_with(settings, &["run", "--once"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

fn ids(world: &World, stream: Stream) -> Vec<String> {
    match stream {
        Stream::Submission => world.vendor.submission_ids(KEY).collect(),
        Stream::Faceauth => world.vendor.faceauth_ids(FACE_KEY).collect(),
    }
}

async fn happens(world: &World, key: &str, ids: &[String], change: &Change) {
    let stream = if key == KEY { Stream::Submission } else { Stream::Faceauth };
    for id in ids {
        remember(world, stream, id).await;
        world.vendor.change(key, id, change.clone()).expect("the change");
    }
}

#[tokio::test]
async fn a_vanished_record_is_deleted_once_two_calls_an_hour_apart_agree_and_restored_when_it_returns()
 {
    for unknown_id in [UnknownId::Empty, UnknownId::BadRequest] {
        let (world, mut clock) = synced(60, 30).await;
        world.vendor.set_all_knobs(&Knobs { unknown_id, deleted_permille: 0, ..Knobs::default() });
        let submission = &ids(&world, Stream::Submission)[5..6];
        let face = &ids(&world, Stream::Faceauth)[5..6];
        happens(&world, KEY, submission, &Change::Vanish).await;
        happens(&world, FACE_KEY, face, &Change::Vanish).await;
        clock.forward(25 * 60).await;
        once(&world).await;
        assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (2, 0));
        clock.forward(50).await;
        once(&world).await;
        assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (2, 0));
        clock.forward(11).await;
        once(&world).await;
        assert_eq!((world.number(SUSPECTS).await, world.number(ABSENT).await), (0, 2));
        for (sql, rest) in [
            ("select count(*) from argos.submission where deleted_at is not null", 1),
            ("select count(*) from argos.faceauth where deleted_at is not null", 1),
            ("select count(*) from argos.submission", 60),
            ("select count(*) from argos_pii.submission_identity", 59),
            ("select count(*) from argos_raw.submission", 59),
            ("select count(*) from argos_raw.faceauth", 29),
        ] {
            assert_eq!(world.number(sql).await, rest, "{sql}");
        }
        happens(&world, KEY, submission, &Change::Return).await;
        happens(&world, FACE_KEY, face, &Change::Return).await;
        clock.forward(25 * 60).await;
        once(&world).await;
        assert_eq!(world.number(DELETED).await, 0);
        assert_equal(&world).await;
    }
}

#[tokio::test]
async fn an_api_that_finds_nothing_at_all_deletes_nothing() {
    let (world, mut clock) = synced(8, 5).await;
    happens(&world, KEY, &ids(&world, Stream::Submission), &Change::Vanish).await;
    for _ in 0..4 {
        clock.forward(25 * 60).await;
        // Nothing comes of lists or single calls, though something should: that proves nothing.
        let ran = world.run_with(&SETTINGS, &["run", "--once"]).await;
        assert_eq!(ran.code(), 65, "{ran:?}");
    }
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
}

#[tokio::test]
async fn a_pass_that_misses_all_of_five_records_is_not_believed() {
    let settings = [SETTINGS[0], ("sync.window_days", "120")];
    let one_pass =
        ["run", "--backfill", "2025-01-01..2025-03-31", "--workers", "1", "--project", "main"];
    for (count, suspects, alarm) in [(5, 0, 1), (4, 4, 0)] {
        let (world, mut clock) = synced(count, 5).await;
        let known = ids(&world, Stream::Submission);
        // The list is not empty: that alone would not be believed.
        let created_at_ms = Some(1_739_620_800_000);
        world.vendor.add(KEY, &Addition { created_at_ms, result: None }).expect("a submission");
        happens(&world, KEY, &known, &Change::Vanish).await;
        clock.forward(60).await;
        let ran = world.run_with(&settings, &one_pass).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(ran.stderr.contains("too many records are missing"), alarm == 1, "{ran:?}");
        assert_eq!(world.number(SUSPECTS).await, suspects, "{count}");
        assert_eq!(world.run(&["deletions", "list"]).await.code(), alarm, "{count}");
    }
}

/// Vanish, are missed by a backfill, and are not found by two detail calls an hour apart.
async fn are_confirmed_absent(world: &World, clock: &mut Clock, gone: &[String]) {
    happens(world, KEY, gone, &Change::Vanish).await;
    world.backfill().await;
    clock.forward(61).await;
    once(world).await;
}

#[tokio::test]
async fn absences_confirmed_within_a_day_stop_at_the_limit_until_a_person_decides() {
    let (world, mut clock) = synced(60, 30).await;
    let ids = ids(&world, Stream::Submission);
    clock.forward(60).await;
    are_confirmed_absent(&world, &mut clock, &ids[..6]).await;
    assert_eq!(world.number(DELETED).await, 6);
    clock.forward(10 * 60).await;
    are_confirmed_absent(&world, &mut clock, &ids[6..11]).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 6));
    let listed = world.run(&["deletions", "list"]).await;
    assert_eq!(listed.code(), 1, "{listed:?}");
    assert!(listed.stdout.contains("confirmed, too many in 24 hours"), "{listed:?}");
    let status = world.run(&["status"]).await;
    assert!(status.stdout.contains("argos-sync deletions"), "{status:?}");
    // Time alone decides nothing, and nothing else is deleted meanwhile.
    clock.forward(30 * 60).await;
    are_confirmed_absent(&world, &mut clock, &ids[11..12]).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 6));

    let answer = ["deletions", "approve", "2025-01-01..2025-03-31", "--project", "main"];
    assert_eq!(world.run(&answer).await.code(), 0);
    once(&world).await;
    clock.forward(61).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 12));
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
}

#[tokio::test]
async fn a_rejected_alarm_of_confirmed_absences_keeps_its_records() {
    let (world, mut clock) = synced(60, 30).await;
    let ids = ids(&world, Stream::Submission);
    clock.forward(60).await;
    are_confirmed_absent(&world, &mut clock, &ids[..6]).await;
    are_confirmed_absent(&world, &mut clock, &ids[6..11]).await;
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 1);
    let answer =
        ["deletions", "reject", "2025-01-01..2025-03-31", "--project", "main", "--hours", "100"];
    assert_eq!(world.run(&answer).await.code(), 0);
    world.backfill().await;
    clock.forward(61).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 6));
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
}

#[tokio::test]
async fn a_walk_that_misses_half_of_all_records_deletes_nothing_and_says_so() {
    let (world, mut clock) = synced(200, 100).await;
    let gone: Vec<_> = ids(&world, Stream::Submission).into_iter().step_by(2).collect();
    happens(&world, KEY, &gone, &Change::Vanish).await;
    clock.forward(25 * 60).await;
    let ran = once(&world).await;
    assert!(ran.stderr.contains("too many records are missing"), "{ran:?}");
    clock.forward(2 * 60).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
    let listed = world.run(&["deletions", "list"]).await;
    assert_eq!(listed.code(), 1, "{listed:?}");
    assert!(listed.stdout.contains("main") && !listed.stdout.contains("face"), "{listed:?}");
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(status.stdout.contains("argos-sync deletions"), "{status:?}");

    happens(&world, KEY, &gone, &Change::Return).await;
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
    assert_equal(&world).await;
}

#[tokio::test]
async fn a_retention_policy_is_approved_once_and_done() {
    let (world, mut clock) = synced(240, 20).await;
    let january: Vec<_> = ids(&world, Stream::Submission)
        .into_iter()
        .filter(|id| {
            let item = world.vendor.submission(KEY, id).expect("an item");
            String::from_utf8_lossy(&item).contains(r#""created_at":"2025-01-"#)
        })
        .step_by(3)
        .collect();
    assert!(january.len() > 20, "{}", january.len());
    happens(&world, KEY, &january, &Change::Vanish).await;
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 1);
    let answer = ["deletions", "approve", "2025-01-01..2025-01-31", "--project", "main"];
    let approved = world.run(&answer).await;
    assert_eq!(approved.code(), 0, "{approved:?}");
    once(&world).await;
    assert_eq!(world.number(DELETED).await, 0, "single calls decide, and they are an hour apart");
    clock.forward(61).await;
    once(&world).await;
    assert_eq!(world.number(ABSENT).await, i64::try_from(january.len()).expect("few"));
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!(world.number(SUSPECTS).await, 0);
}

#[tokio::test]
async fn what_a_person_rejects_is_kept_and_no_longer_asked_about() {
    let (world, mut clock) = synced(200, 20).await;
    let gone: Vec<_> = ids(&world, Stream::Submission).into_iter().step_by(2).collect();
    happens(&world, KEY, &gone, &Change::Vanish).await;
    clock.forward(25 * 60).await;
    once(&world).await;
    let answer =
        ["deletions", "reject", "2025-01-01..2025-03-31", "--project", "main", "--hours", "100"];
    assert_eq!(world.run(&answer).await.code(), 0);
    clock.forward(26 * 60).await;
    once(&world).await;
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
}

#[tokio::test]
async fn the_vendors_marks_need_no_person_however_many_they_are() {
    let (world, mut clock) = synced(120, 60).await;
    let gone: Vec<_> = ids(&world, Stream::Submission).into_iter().step_by(2).collect();
    happens(&world, KEY, &gone, &Change::Delete).await;
    let faces: Vec<_> = ids(&world, Stream::Faceauth).into_iter().step_by(2).collect();
    happens(&world, FACE_KEY, &faces, &Change::DeleteFaceauth { keep_result: false }).await;
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!(world.number(DELETED).await, 0);
    assert_equal(&world).await;
    clock.forward(61).await;
    once(&world).await;
    assert_eq!(world.number(DELETED).await, 90);
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
    assert_equal(&world).await;
}

/// All rows of a record in the data tables, by table, without our own times.
async fn rows_of(world: &World, stream: Stream, id: &str) -> BTreeMap<&'static str, Vec<Value>> {
    let mut all = BTreeMap::new();
    for table in catalogue::tables(stream).iter().filter(|table| table.key != Key::Set) {
        let sql = format!(
            "select (to_jsonb(held) - '{{changed_at,first_seen_at}}'::text[])::text from {} as held
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

/// What must be left of these rows, by what the configuration says and the catalogue flags.
fn left_of(
    stream: Stream,
    keep: Keep,
    before: &BTreeMap<&'static str, Vec<Value>>,
) -> BTreeMap<&'static str, Vec<Value>> {
    let keeps = |table: &Table, column: &Column| match keep {
        Keep::Facts => column.survives,
        Keep::Everything => true,
        Keep::Nothing => {
            table.name == stream.as_str() && column.survives && column.kind == Type::At
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

/// The rows without their times of deletion, and those times.
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
async fn history(world: &World, stream: Stream, id: &str) -> Vec<String> {
    let sql = format!(
        "select concat_ws(' ', field, case when field = 'deleted_at' then 'time' else coalesce(new_value, '-') end)
         from argos.{stream}_change where {} = $1 order by change_id",
        catalogue::id_column(stream),
    );
    let rows = sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_all(&world.pool).await;
    rows.expect("the history")
}

#[tokio::test]
async fn either_proof_of_a_deletion_leaves_the_same_and_history_tells_the_deletion_alone() {
    for (keep, word) in
        [(Keep::Facts, "facts"), (Keep::Everything, "everything"), (Keep::Nothing, "nothing")]
    {
        let settings = [SETTINGS[0], ("deletion.keep", word)];
        let (world, mut clock) = synced(80, 60).await;
        let rich = "select submission_id from argos.submission where kyc_result = 'approved' and aml_status = 'not screened'
            and nationality is not null and (select count(*) from argos.kyc_attempt as attempt
                where attempt.submission_id = submission.submission_id) > 1 limit 2";
        let rejected = "select auth_id from argos.faceauth where status = 'rejected' and deleted_at is null limit 2";
        let pick = async |sql: &'static str| -> Vec<String> {
            sqlx::query_scalar(sql).fetch_all(&world.pool).await.expect("ids")
        };
        let (submissions, faces) = (pick(rich).await, pick(rejected).await);
        assert_eq!((submissions.len(), faces.len()), (2, 2));
        happens(&world, KEY, &submissions, &Change::FlagAml).await;
        clock.forward(25 * 60).await;
        once_with(&world, &settings).await;
        let records = || {
            let of = |stream| move |id: &String| (stream, id.clone());
            submissions
                .iter()
                .map(of(Stream::Submission))
                .chain(faces.iter().map(of(Stream::Faceauth)))
        };
        let mut before = BTreeMap::new();
        for (stream, id) in records() {
            let told = history(&world, stream, &id).await;
            before.insert(id.clone(), (rows_of(&world, stream, &id).await, told));
        }
        // The first of each with a mark, the second without a word.
        happens(&world, KEY, &submissions[..1], &Change::Delete).await;
        let deletion = Change::DeleteFaceauth { keep_result: false };
        happens(&world, FACE_KEY, &faces[..1], &deletion).await;
        happens(&world, KEY, &submissions[1..], &Change::Vanish).await;
        happens(&world, FACE_KEY, &faces[1..], &Change::Vanish).await;
        clock.forward(25 * 60).await;
        once_with(&world, &settings).await;
        for (stream, id) in records() {
            assert_eq!(rows_of(&world, stream, &id).await, before[&id].0, "nothing is proven yet");
        }
        clock.forward(61).await;
        once_with(&world, &settings).await;
        let mut after = BTreeMap::new();
        for (place, (stream, id)) in records().enumerate() {
            let rows = rows_of(&world, stream, &id).await;
            let (left, times) = without_times(stream, rows.clone());
            assert_eq!(left, left_of(stream, keep, &before[&id].0), "{word} {stream}");
            assert!(times[0].is_string(), "{times:?}");
            let is_told = place == 2;
            assert_eq!(times[1].is_string(), is_told, "the vendor tells of one when: {times:?}");
            let told: Vec<String> = match keep {
                Keep::Everything => before[&id].1.clone(),
                // A match names the person on a list.
                Keep::Facts => {
                    let forget = |line: &String| {
                        if line.starts_with("aml_match") {
                            "aml_match -".into()
                        } else {
                            line.clone()
                        }
                    };
                    before[&id].1.iter().map(forget).collect()
                }
                Keep::Nothing => Vec::new(),
            };
            let told: Vec<String> =
                told.into_iter().chain(["deleted_at time".to_owned()]).collect();
            assert_eq!(history(&world, stream, &id).await, told, "{word} {stream}");
            after.insert(id, rows);
        }
        let flagged = &before[&submissions[0]].1;
        assert!(flagged.iter().any(|line| line.starts_with("aml_match ")), "{flagged:?}");
        let raw = "select (select count(*) from argos_raw.submission join argos_sync.record on id = submission_id
                where deleted_at is not null)
            + (select count(*) from argos_raw.faceauth join argos_sync.record on id = auth_id
                where stream = 'faceauth' and record.deleted_at is not null)";
        let is_kept = keep == Keep::Everything;
        assert_eq!(world.number(raw).await > 3, is_kept, "{word}");
        // What the vendor shows of them later says nothing new.
        clock.forward(25 * 60).await;
        once_with(&world, &settings).await;
        let fetched = ["fetch", "submission", "--id", &submissions[0]];
        assert_eq!(world.run_with(&settings, &fetched).await.code(), 0);
        for (stream, id) in records() {
            assert_eq!(rows_of(&world, stream, &id).await, after[&id], "{word} {stream}");
        }
        assert_eq!(world.number(raw).await > 3, is_kept, "{word}");
    }
}

#[tokio::test]
async fn a_mark_deletes_once_two_single_calls_an_hour_apart_show_it_and_a_record_that_returns_is_restored()
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
            .filter(|(table, ..)| !table.starts_with("argos_sync."))
            .collect::<Vec<_>>()
    };
    let before = data().await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (1, 0));
    clock.forward(50).await;
    // A walk shows it, with the mark: that takes nothing back and proves nothing.
    for _ in 0..2 {
        assert_eq!(world.run(&["run", "--backfill", ALL_DAYS, "--restart"]).await.code(), 0);
    }
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (1, 0));
    let explained = world.run(&["explain", "submission", &deleted[0]]).await;
    assert!(explained.stdout.contains("one single call has shown the mark"), "{explained:?}");
    assert_eq!(data().await, before, "until then all stays");
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
        // A label of the vendor's beside the data of a person.
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
async fn with_details_off_a_marked_list_item_makes_the_two_single_calls() {
    let settings = [SETTINGS[0], ("sync.detail", "never")];
    let world = World::new(60, 8).await;
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
async fn a_mark_that_a_single_call_disproves_is_asked_about_once() {
    let room = Room::keeping(Keep::Facts).await;
    let item = |data: &str| {
        format!(r#"{{"submission_id":"a","created_at":"2025-01-05T10:00:00Z","data":{data}}}"#)
    };
    let live = || item(r#"{"name":"Ada","nationality":"KOR"}"#);
    let marked = || item(r#"{"name":"Deleted Submission"}"#);
    let mut walk = room.walk(window(1, 9), "test").await;
    room.next_page(&mut walk, vec![room.observe(1, live())]).await;
    let answer = async |read: i64, body: String| -> usize {
        let due = room.warehouse.claim_details(&room.scope, "test", Rank::Cycle, 10).await;
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
