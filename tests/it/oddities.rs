//! Items that no vendor should send: each is stored or quarantined, noted, and stops nothing.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;

use crate::{
    truth::{fingerprint, inflated},
    world::{FACE_KEY, KEY, TestWorld},
};

/// Part of every value that must not be noted anywhere.
const SECRET: &str = "Zaphod";

/// A submission with these members after the creation date.
fn item(id: &str, members: &[u8]) -> Vec<u8> {
    let mut item = format!(
        r#"{{"submission_id":"{id}","created_at":"2025-02-01T10:00:00.000Z","email":"odd@mail.example","kyc":{{"result":"approved"}}"#
    )
    .into_bytes();
    if !members.is_empty() {
        item.push(b',');
        item.extend_from_slice(members);
    }
    item.push(b'}');
    item
}

/// Text that hardly compresses.
fn noise(length: usize) -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).expect("small"))
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}

/// A world whose first submissions are replaced by the given bytes, and their ids.
async fn odd_world(odd: impl Fn(&str, usize) -> Option<Vec<u8>>) -> (TestWorld, Vec<String>) {
    let world = TestWorld::new(60, 10).await;
    let mut ids = Vec::new();
    for (index, id) in world.vendor.submission_ids(KEY).enumerate() {
        let Some(raw) = odd(&id, index) else { break };
        world.vendor.override_item(KEY, &id, raw).expect("an override");
        ids.push(id);
    }
    (world, ids)
}

/// One column of one record, as text.
async fn value(world: &TestWorld, id: &str, column: &str, table: &str) -> Option<String> {
    let sql = format!("select ({column})::text from {table} where submission_id = $1");
    sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_one(&world.pool).await.expect("a row")
}

/// The notes about a record: path, finding, JSON type.
async fn repairs(world: &TestWorld, id: &str) -> Vec<(String, String, String)> {
    sqlx::query_as("select path, found, json_type from argos_sync.repair where id = $1 order by 1")
        .bind(id)
        .fetch_all(&world.pool)
        .await
        .expect("repairs")
}

/// Demands that operators' tables contain no value of the vendor.
async fn assert_no_value_was_noted(world: &TestWorld) {
    for table in ["repair", "schema_drift", "quarantine", "pass", "run", "project"] {
        let sql = format!(
            "select count(*) from argos_sync.{table} as noted where strpos(noted::text, '{SECRET}') > 0"
        );
        let leaks: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&world.pool).await.expect("a count");
        assert_eq!(leaks, 0, "{table}");
    }
}

/// Reads everything again: the same bytes must write nothing.
async fn assert_again_writes_nothing(world: &TestWorld) {
    // Odd items may show other days than those that list them. The first pass of these days misses
    // them, and a detail call finds them; from then on they are unlisted.
    world.backfill().await;
    let before = fingerprint(&world.pool).await;
    world.backfill().await;
    assert_eq!(fingerprint(&world.pool).await, before);
}

/// The output of `raw`: a line for the list item and one for the detail item.
async fn printed(world: &TestWorld, id: &str) -> Vec<u8> {
    let output = world.command(&["raw", "submission", id]).output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test]
async fn texts_postgresql_cannot_hold_are_stored_with_a_mark() {
    let long = noise(200_000);
    let texts: [(&[u8], &str); 6] = [
        (br"Zaphod\u0000B", "Zaphod\u{fffd}B"),
        (br"Zaphod\ud800B", "Zaphod\u{fffd}B"),
        (br"Zaphod\udc00\ud800", "Zaphod\u{fffd}\u{fffd}"),
        (b"Zaphod\xff\xfeB", "Zaphod\u{fffd}\u{fffd}B"),
        (b"Zaphod\xed\xa0\x80", "Zaphod\u{fffd}\u{fffd}\u{fffd}"),
        (long.as_bytes(), &long),
    ];
    let whole = |id: &str, index: usize| {
        let (text, _) = texts.get(index)?;
        Some(item(id, &[br#""data":{"full_name":""#.as_slice(), text, br#""}"#].concat()))
    };
    let (world, ids) = odd_world(whole).await;
    let ran = world.backfill().await;
    assert!(!ran.stderr.contains(SECRET) && !ran.stdout.contains(SECRET));
    assert_eq!(world.number("select count(*) from argos.submission").await, 60, "neighbours too");
    assert_eq!(world.number("select count(*) from argos_sync.quarantine").await, 0);
    for (index, (id, (_, stored))) in ids.iter().zip(&texts).enumerate() {
        let name = value(&world, id, "full_name", "argos_pii.submission_identity").await;
        assert_eq!(name.as_deref(), Some(*stored));
        let noted = repairs(&world, id).await;
        let mark = ("data.full_name".to_owned(), "damaged text".to_owned(), "string".to_owned());
        assert_eq!(noted, if index < 5 { vec![mark] } else { vec![] });
        let raw = whole(id, index).expect("an item");
        assert_eq!(printed(&world, id).await, [&raw, b"\n".as_slice(), &raw, b"\n"].concat());
    }
    assert_no_value_was_noted(&world).await;
    assert_again_writes_nothing(&world).await;
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_null_and_noted_and_its_neighbours_are_stored() {
    let wrong: [(&str, &str, &str, &str); 11] = [
        (r#""kyc_result_at":"Zaphod's day""#, "kyc_result_at", "invalid timestamp", "string"),
        (r#""pending_at":17"#, "pending_at", "wrong type", "number"),
        (r#""argos_score":{"Zaphod":1}"#, "argos_score", "wrong type", "object"),
        (r#""recognition_score":1e999"#, "recognition_score", "number out of range", "number"),
        (r#""data":"Zaphod""#, "data", "wrong type", "string"),
        (r#""aml":{"matches":"Zaphod"}"#, "aml.matches", "wrong type", "string"),
        (r#""reviewer":["Zaphod"]"#, "reviewer", "wrong type", "array"),
        (
            r#""pre_verification":{"is_valid":"Zaphod"}"#,
            "pre_verification.is_valid",
            "wrong type",
            "string",
        ),
        (r#""signals":true"#, "signals", "wrong type", "boolean"),
        (
            r#""updated_at":"9999-12-31T23:59:59-05:00""#,
            "updated_at",
            "invalid timestamp",
            "string",
        ),
        (
            r#""memo":{"updated_at":"0001-01-01T00:00:00+09:00"}"#,
            "memo.updated_at",
            "invalid timestamp",
            "string",
        ),
    ];
    let (world, ids) = odd_world(|id, index| Some(item(id, wrong.get(index)?.0.as_bytes()))).await;
    world.backfill().await;
    for (id, (_, path, found, json_type)) in ids.iter().zip(wrong) {
        let noted = repairs(&world, id).await;
        assert_eq!(noted, [(path.to_owned(), found.to_owned(), json_type.to_owned())]);
        let kept = value(&world, id, "kyc_result", "argos.submission").await;
        assert_eq!(kept.as_deref(), Some("approved"));
    }
    for column in ["kyc_result_at", "pending_at", "argos_score", "recognition_score", "reviewer"] {
        let index = wrong.iter().position(|(_, path, ..)| *path == column).expect("one");
        assert_eq!(value(&world, &ids[index], column, "argos.submission").await, None, "{column}");
    }
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
    assert_no_value_was_noted(&world).await;
    assert_again_writes_nothing(&world).await;
}

#[tokio::test]
async fn an_item_without_a_row_goes_to_quarantine_whole_and_its_neighbours_are_stored() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let refused = |index: usize| -> Option<(Vec<u8>, &str)> {
        Some(match index {
            0 => (br#"{"email":"Zaphod@mail.example"}"#.to_vec(), "id missing"),
            1 => (item(&"z".repeat(256), b""), "id too long"),
            2 => (item("z", format!(r#""review":{}"#, deep(200)).as_bytes()), "unreadable"),
            3 => (b"42".to_vec(), "not an object"),
            4 => (br#""Zaphod""#.to_vec(), "not an object"),
            5 => (b"null".to_vec(), "not an object"),
            6 => (item("", b""), "id missing"),
            7 => (item(r"a\u0000b", b""), "damaged id"),
            8 => (br#"{"submission_id":{"Zaphod":1}}"#.to_vec(), "id missing"),
            9 => (br#"[{"submission_id":"Zaphod"}]"#.to_vec(), "not an object"),
            _ => return None,
        })
    };
    let (world, ids) = odd_world(|_, index| Some(refused(index)?.0)).await;
    world.backfill().await;
    let stored = world.number("select count(*) from argos.submission").await;
    assert_eq!(stored, 60 - i64::try_from(ids.len()).expect("few"));
    let kept: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "select reason, body from argos_sync.quarantine join argos_raw.quarantine using (project, stream, digest)",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the quarantine");
    let kept: BTreeMap<Vec<u8>, String> =
        kept.into_iter().map(|(reason, body)| (inflated(&body), reason)).collect();
    let wanted: BTreeMap<Vec<u8>, String> = (0..ids.len())
        .filter_map(refused)
        .map(|(body, reason)| (body, reason.to_owned()))
        .collect();
    assert_eq!(kept, wanted);
    let counted = world
        .number(
            "select sum(quarantined)::int8 from argos_sync.run_counter where stream = 'submission'",
        )
        .await;
    assert!(counted >= i64::try_from(ids.len()).expect("few"), "{counted}");
    assert_no_value_was_noted(&world).await;
    assert_again_writes_nothing(&world).await;
}

#[tokio::test]
async fn the_longest_id_and_the_deepest_item_are_stored() {
    let long = "z".repeat(255);
    let deep = format!(r#""review":{}{}"#, "[".repeat(127), "]".repeat(127));
    let (world, ids) = odd_world(|id, index| match index {
        0 => Some(item(&long, b"")),
        1 => Some(item(id, deep.as_bytes())),
        _ => None,
    })
    .await;
    // The vendor finds it only under its own id; the failed detail call quarantines nothing.
    world.backfill().await;
    assert_eq!(world.number("select count(*) from argos_sync.quarantine").await, 0);
    assert_eq!(
        value(&world, &long, "kyc_result", "argos.submission").await.as_deref(),
        Some("approved")
    );
    let review = value(&world, &ids[1], "review", "argos_pii.submission_identity").await;
    assert_eq!(review.map(|review| review.len()), Some(254));
}

#[tokio::test]
async fn a_record_that_turns_bad_keeps_its_row() {
    let world = TestWorld::new(20, 0).await;
    world.configure_client("", "");
    let id = world.vendor.submission_ids(KEY).next().expect("one");
    let ran =
        world.run(&["run", "--backfill", crate::world::ALL_DAYS, "--stream", "submission"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    world.vendor.override_item(KEY, &id, b"[]".to_vec()).expect("an override");
    let ran =
        world.run(&["run", "--backfill", crate::world::ALL_DAYS, "--stream", "submission"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 20);
    assert_eq!(world.number("select count(*) from argos_sync.quarantine").await, 1);
}

/// Everything that has a limit in PostgreSQL: keys of indexes, numbers of jsonb, paths of notes.
#[tokio::test]
async fn no_size_of_any_value_stops_a_page() {
    let long = noise(200_000);
    let members: [String; 8] = [
        format!(r#""duplicated_users":["{long}"],"duplicated_selfie_users":["{long}","b"]"#),
        format!(r#""data":{{"{long}":"a\u0000b"}}"#),
        format!(r#""{long}":{{"{long}":"\ud800"}}"#),
        r#""ocr":{"a":1e999999,"b":1e-999999}"#.to_owned(),
        format!(r#""OCR_raw":{{"a":{}}}"#, "9".repeat(200_000)),
        format!(r#""review":{{"a\u0000":"{long}"}}"#),
        format!(r#""kyc":{{"attempts":[{{"attemptCnt":{}}}]}}"#, "9".repeat(400)),
        format!(r#""aml":{{"matches":[{}]}}"#, vec!["{\"resource_id\":\"x\"}"; 3000].join(",")),
    ];
    let (world, ids) = odd_world(|id, index| Some(item(id, members.get(index)?.as_bytes()))).await;
    let face = world.vendor.faceauth_ids(FACE_KEY).next().expect("one");
    let record = format!(
        r#"{{"auth_id":"{face}","auth_status":"approved","create_time":"2025-02-01T10:00:00.000Z","kyc_submission_id":"{long}"}}"#
    );
    world.vendor.override_item(FACE_KEY, &face, record.into_bytes()).expect("an override");
    world.backfill().await;
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 10);
    let noted: [&[(&str, &str)]; 8] = [
        &[("duplicated_selfie_users", "id too long"), ("duplicated_users", "id too long")],
        &[("data.*", "damaged text")],
        &[("*", "damaged text")],
        &[("ocr", "number out of range")],
        &[("OCR_raw", "number out of range")],
        &[("review", "damaged text")],
        &[("kyc.attempts.attemptCnt", "number out of range")],
        &[],
    ];
    for (id, wanted) in ids.iter().zip(noted) {
        let noted = repairs(&world, id).await;
        let noted: Vec<_> =
            noted.iter().map(|(path, found, _)| (path.as_str(), found.as_str())).collect();
        assert_eq!(noted, wanted);
    }
    assert_again_writes_nothing(&world).await;
}
