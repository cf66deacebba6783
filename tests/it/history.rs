//! History: every observed change once, no personal values, and the state known at an earlier
//! moment.

use argos_sync::{
    simulator::{Change, DeletedLabel, Knobs, KycResult},
    warehouse::{Keep, Observation},
};
use sqlx::PgPool;

use crate::{
    consumers::demand_numbers,
    evidence::Clock,
    order::{Room, insist, window},
    sync::listed,
    world::{FACE_KEY, KEY, TestWorld},
};

/// All changes of a record as `field: old -> new (lane)`, sorted; the time of a deletion is shown
/// as `time`.
async fn recorded(pool: &PgPool, id: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select format('%s: %s -> %s (%s)', field, coalesce(old, '-'), coalesce(new, '-'), lane)
         from (
            select project, submission_id as id, field, old_value, new_value, lane from argos.submission_change
            union all
            select project, auth_id, field, old_value, new_value, lane from argos.faceauth_change
         ) as change
         cross join lateral (select
            case when field = 'deleted_at' and old_value is not null then 'time' else old_value end,
            case when field = 'deleted_at' and new_value is not null then 'time' else new_value end
         ) as shown (old, new)
         where id = $1 order by 1",
    )
    .bind(id)
    .fetch_all(pool)
    .await
    .expect("the changes")
}

async fn count(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select (select count(*) from argos.submission_change) + (select count(*) from argos.faceauth_change)",
    )
    .fetch_one(pool)
    .await
    .expect("a count")
}

/// A change of each kind, each to a record of its own, with the expected history; `*` stands for
/// any value.
async fn changes(world: &TestWorld) -> Vec<(String, Change, Vec<&'static str>)> {
    let listed = listed(world).await;
    let mut free = listed.iter().filter(|(_, item)| {
        item["kyc"]["result"] == "approved"
            && item["reviewer"] == "system"
            && item["aml"]["currentstatus"] == "Not Screened"
    });
    let mut next = || free.next().expect("enough people").0.clone();
    let is_flagged = |item: &serde_json::Value| item["aml"]["currentstatus"] == "Red Flag";
    let flagged = listed.iter().find(|(_, item)| is_flagged(item)).expect("one").0.clone();
    let edit = |fields: &[(&str, &str)]| {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Change::Edit(fields.iter().map(owned).collect())
    };
    let rejected =
        Change::Decide { result: KycResult::Rejected, codes: vec!["duplicate_user".to_owned()] };
    vec![
        (
            next(),
            rejected,
            vec![
                "kyc_result: approved -> rejected (backfill)",
                "reviewer: system -> agent (backfill)",
            ],
        ),
        (
            next(),
            Change::FlagAml,
            vec![
                "aml_match: - -> * (backfill)",
                "aml_risk_level: not screened -> * (backfill)",
                "aml_status: not screened -> red flag (backfill)",
            ],
        ),
        (
            flagged,
            Change::ClearAml,
            vec![
                "aml_match: * -> - (backfill)",
                "aml_risk_level: * -> not screened (backfill)",
                "aml_status: red flag -> not screened (backfill)",
            ],
        ),
        (
            next(),
            edit(&[("email", "EDITED@mail.example"), ("date_of_birth", "1901-02-03")]),
            vec!["identity.date_of_birth: - -> - (backfill)", "identity.email: - -> - (backfill)"],
        ),
        (
            next(),
            // Lists show the name but not the town, so a detail call follows.
            edit(&[("name", "EDITED name"), ("address_city", "EDITED town")]),
            vec!["identity.address_city: - -> - (detail)", "identity.name: - -> - (backfill)"],
        ),
        (next(), Change::Memo("EDITED memo".to_owned()), vec![]),
        (
            next(),
            // The vendor keeps only the decision; the list shows the label in place of the name.
            Change::Delete,
            vec!["deleted_at: - -> time (detail)"],
        ),
    ]
}

/// Masks random values, and removes the repeated lines of several matches.
fn with_stars(changes: &[String]) -> Vec<String> {
    let star = |line: &String| {
        let (field, rest) = line.split_once(": ").expect("a field");
        let (values, lane) = rest.split_once(" (").expect("a lane");
        let (old, new) = values.split_once(" -> ").expect("values");
        let shown = |value: &str| {
            let is_drawn = match field {
                "aml_match" => value != "-",
                "aml_risk_level" => value != "not screened" && value != "-",
                _ => false,
            };
            if is_drawn { "*".to_owned() } else { value.to_owned() }
        };
        format!("{field}: {} -> {} ({lane}", shown(old), shown(new))
    };
    let mut lines: Vec<_> = changes.iter().map(star).collect();
    lines.dedup();
    lines
}

/// Saves the current state, to compare it later with the answer for this moment.
async fn remember(world: &TestWorld) {
    sqlx::raw_sql(
        "create table public.moment as select argos_sync.clock() as at;
         create table public.submissions as select * from argos.submission_as_of(argos_sync.clock());
         create table public.faceauths as select * from argos.faceauth_as_of(argos_sync.clock());",
    )
    .execute(&world.pool)
    .await
    .expect("the moment is kept");
}

#[tokio::test]
async fn every_kind_of_move_is_recorded_once_and_names_no_person() {
    let world = TestWorld::new(300, 60).await;
    demand_numbers(&world.pool).await;
    world.vendor.set_all_knobs(&Knobs {
        deleted_label: DeletedLabel::Name,
        // Records that were deleted earlier would get detail calls, too, which prove nothing about
        // the others.
        deleted_permille: 0,
        ..Knobs::default()
    });
    let mut clock = Clock::replace(&world.pool, "2025-05-01 12:00:00Z").await;
    world.backfill().await;
    clock.forward(61).await;
    world.backfill().await;
    let deleted_before = "select count(*) from argos.faceauth_change";
    let deleted_before = world.number(deleted_before).await;
    sqlx::raw_sql("truncate argos.faceauth_change").execute(&world.pool).await.expect("none");
    assert!(deleted_before < 5, "{deleted_before}");
    assert_eq!(count(&world.pool).await, 0, "first sights and first detail calls move nothing");
    remember(&world).await;
    let changes = changes(&world).await;
    for (id, change, _) in &changes {
        world.vendor.change(KEY, id, change.clone()).expect("the change");
    }
    let approved = "select auth_id from argos.faceauth where status = 'approved' and deleted_at is null limit 2";
    let faces: Vec<String> =
        sqlx::query_scalar(approved).fetch_all(&world.pool).await.expect("two");
    let deletion = Change::DeleteFaceauth { keep_result: false };
    world.vendor.change(FACE_KEY, &faces[0], deletion).expect("the change");
    let item = world.vendor.faceauth(FACE_KEY, &faces[1]).expect("a record");
    let mut item: serde_json::Value = serde_json::from_slice(&item).expect("JSON");
    item["auth_status"] = "rejected".into();
    let item = serde_json::to_vec(&item).expect("JSON");
    world.vendor.override_item(FACE_KEY, &faces[1], item).expect("a record");
    clock.forward(10).await;
    world.backfill().await;
    assert_eq!(world.number("select count(*) from argos_sync.suspect").await, 2);
    clock.forward(61).await;
    world.backfill().await;

    let mut all = 0;
    for (id, change, wanted) in &changes {
        let found = recorded(&world.pool, id).await;
        all += found.len();
        assert_eq!(with_stars(&found), *wanted, "{change:?}: {found:?}");
    }
    let deleted = ["deleted_at: - -> time (detail)"];
    assert_eq!(recorded(&world.pool, &faces[0]).await, deleted);
    let rejected = ["status: approved -> rejected (backfill)"];
    assert_eq!(recorded(&world.pool, &faces[1]).await, rejected);
    let all = i64::try_from(all + deleted.len() + rejected.len()).expect("few");
    assert_eq!(count(&world.pool).await, all, "nothing else moved");
    world.backfill().await;
    assert_eq!(count(&world.pool).await, all, "the same again changes nothing");
    no_person_is_named(&world).await;
    the_moment_is_told_as_it_was(&world).await;
}

async fn no_person_is_named(world: &TestWorld) {
    // Without the edits, the test would prove nothing.
    let edited = "select count(*) from argos_pii.submission_identity
        where 'EDITED@mail.example' = email or 'EDITED name' = name and 'EDITED town' = address_city";
    assert_eq!(world.number(edited).await, 2);
    let text: String = sqlx::query_scalar(
        "select string_agg(change::text, e'\\n') from argos.submission_change as change",
    )
    .fetch_one(&world.pool)
    .await
    .expect("the history");
    for value in ["EDITED", "1901-02-03", "@", "Deleted Submission"] {
        assert!(!text.contains(value), "{value}");
    }
}

async fn the_moment_is_told_as_it_was(world: &TestWorld) {
    for sql in [
        "with told as (select * from argos.submission_as_of((select at from public.moment)))
         select count(*) from (
            (table told except table public.submissions) union all (table public.submissions except table told)) as differs",
        "with told as (select * from argos.faceauth_as_of((select at from public.moment)))
         select count(*) from (
            (table told except table public.faceauths) union all (table public.faceauths except table told)) as differs",
        "select count(*) from argos.submission as held join argos.submission_as_of(argos_sync.clock()) as told using (project, submission_id)
         where (held.kyc_result, held.reviewer, held.aml_status, held.aml_risk_level, held.deleted_at)
            is distinct from (told.kyc_result, told.reviewer, told.aml_status, told.aml_risk_level, told.deleted_at)",
    ] {
        assert_eq!(world.number(sql).await, 0, "{sql}");
    }
    let submissions = "select count(*) from argos.submission_as_of(argos_sync.clock())";
    assert_eq!(world.number(submissions).await, 300);
    let faces = "select count(*) from argos.faceauth_as_of(argos_sync.clock())";
    assert_eq!(world.number(faces).await, 60);
}

/// An item with the given members.
fn item(id: &str, members: &str) -> String {
    format!(r#"{{"submission_id":"{id}","created_at":"2025-01-05T10:00:00Z",{members}}}"#)
}

#[tokio::test]
async fn the_first_detail_call_completes_a_record_and_moves_only_what_differs() {
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    let list = item("a", r#""kyc":{"result":"pending"},"data":{"name":"n"}"#);
    room.next_page(&mut walk, vec![room.observe(1, list)]).await;
    let detail = item(
        "a",
        r#""kyc":{"result":"approved"},"reviewer":"agent","email":"e","data":{"name":"n","cf1":"c"},
           "aml":{"currentstatus":"Red Flag","matches":[{"resource_id":"x"},{"resource_id":"y"},{"resource_id":"y"}]}"#,
    );
    room.fetched(&[room.observe(2, detail)]).await;
    let first = "kyc_result: pending -> approved (detail)";
    assert_eq!(recorded(&room.pool, "a").await, [first]);

    // From now on, every difference is a change.
    let detail = item(
        "a",
        r#""kyc":{"result":"approved"},"email":"e","userid":"u","data":{"cf1":"c"},
           "aml":{"currentstatus":"Red Flag","risk_level_summary":"Low","matches":[{"resource_id":"z"},{"resource_id":"y"}]}"#,
    );
    room.fetched(&[room.observe(3, detail)]).await;
    let second = [
        "aml_match: - -> z (detail)",
        "aml_match: x -> - (detail)",
        "aml_risk_level: - -> low (detail)",
        "identity.name: - -> - (detail)",
        "identity.userid: - -> - (detail)",
        "reviewer: agent -> - (detail)",
    ];
    let wanted: std::collections::BTreeSet<&str> = second.into_iter().chain([first]).collect();
    let found = recorded(&room.pool, "a").await;
    assert!(found.iter().map(String::as_str).eq(wanted), "{found:?}");
}

#[tokio::test]
async fn a_deletion_and_a_return_are_one_move_each() {
    for keep in [Keep::Facts, Keep::Everything, Keep::Nothing] {
        let room = Room::keeping(keep).await;
        let mut clock = Clock::replace(&room.pool, "2025-02-01T12:00Z").await;
        let whole = || {
            item(
                "a",
                r#""kyc":{"result":"approved"},"reviewer":"agent","email":"e","data":{"name":"n","cf1":"c"},
                   "aml":{"currentstatus":"Red Flag","matches":[{"resource_id":"x"}]}"#,
            )
        };
        let deleted =
            || item("a", r#""kyc":{"result":"approved"},"data":{"name":"Deleted Submission"}"#);
        room.fetched(&[room.observe(1, whole())]).await;
        room.fetched(&[room.observe(2, deleted())]).await;
        assert!(recorded(&room.pool, "a").await.is_empty(), "one detail call proves nothing");
        clock.forward(61).await;
        room.fetched(&[room.observe(3, deleted())]).await;
        assert_eq!(recorded(&room.pool, "a").await, ["deleted_at: - -> time (detail)"], "{keep:?}");
        room.fetched(&[room.observe(4, deleted())]).await;
        room.fetched(&[room.observe(5, whole())]).await;
        assert_eq!(
            recorded(&room.pool, "a").await,
            ["deleted_at: - -> time (detail)", "deleted_at: time -> - (detail)"],
            "{keep:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_see_one_move_at_once_record_it_once() {
    const RECORDS: i64 = 150;
    const ROUNDS: i64 = 8;
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    for round in 0..=ROUNDS {
        let items = |read: i64| -> Vec<Observation> {
            let members = format!(
                r#""kyc":{{"result":"{}"}},"email":"e{round}","aml":{{"matches":[{{"resource_id":"r{round}"}}]}}"#,
                ["approved", "rejected"][usize::from(round % 2 == 0)]
            );
            // In opposite orders, so that they meet in the middle.
            let id = |n: i64| if read % 2 == 0 { n } else { RECORDS - 1 - n };
            let body = |n: i64| item(&format!("s{:03}", id(n)), &members);
            (0..RECORDS).map(|n| room.observe(round * 10 + read, body(n))).collect()
        };
        walk.page += 1;
        let (room, walk) = (&room, &walk);
        let fetch = async |read: i64| {
            let fetched =
                async || room.warehouse.commit_fetched(&room.scope, room.run, &items(read)).await;
            insist(fetched).await
        };
        tokio::join!(
            insist(async || room.page(walk, walk.page, items(1)).await),
            fetch(2),
            fetch(3),
        );
    }
    let counts: Vec<(String, i64, i64)> = sqlx::query_as(
        "select field, count(*), count(distinct (submission_id, old_value, new_value)) from argos.submission_change
         group by field order by field",
    )
    .fetch_all(&room.pool)
    .await
    .expect("counts");
    let moved = RECORDS * ROUNDS;
    let wanted = [
        // In each round one match appears and one vanishes.
        ("aml_match".to_owned(), 2 * moved, 2 * moved),
        ("identity.email".to_owned(), moved, RECORDS),
        ("kyc_result".to_owned(), moved, 2 * RECORDS),
    ];
    assert_eq!(counts, wanted);
}

/// The state that was known at this moment.
async fn known_at(room: &Room, at: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select concat_ws(' ', submission_id, kyc_result, coalesce(reviewer, '-'), coalesce(aml_status, '-'),
            aml_matches, coalesce((deleted_at at time zone 'UTC')::date::text, '-'))
         from argos.submission_as_of($1::timestamptz) order by submission_id",
    )
    .bind(at)
    .fetch_all(&room.pool)
    .await
    .expect("what was known")
}

#[tokio::test]
async fn what_was_known_at_any_moment_can_be_asked() {
    let room = Room::new().await;
    let mut clock = Clock::replace(&room.pool, "2025-02-01T12:00Z").await;
    let days = [
        vec![item("a", r#""kyc":{"result":"pending"}"#)],
        vec![
            item(
                "a",
                r#""kyc":{"result":"approved"},"reviewer":"system",
                   "aml":{"currentstatus":"Red Flag","matches":[{"resource_id":"y"},{"resource_id":"x"}]}"#,
            ),
            item("b", r#""kyc":{"result":"approved"},"aml":{"matches":[{"resource_id":"w"}]}"#),
        ],
        vec![item(
            "a",
            r#""kyc":{"result":"rejected"},"reviewer":"agent",
               "aml":{"currentstatus":"Red Flag","matches":[{"resource_id":"y"},{"resource_id":"z"}]}"#,
        )],
        vec![item(
            "a",
            r#""kyc":{"result":"approved"},"reviewer":"agent","aml":{"matches":[{"resource_id":"x"}]}"#,
        )],
        // The second detail call that shows the mark proves the deletion.
        vec![item("a", r#""kyc":{"result":"approved"},"label":"Deleted Submission""#)],
        vec![item("a", r#""kyc":{"result":"approved"},"label":"Deleted Submission""#)],
    ];
    for (read, items) in (1..).zip(&days) {
        let seen: Vec<_> = items.iter().map(|item| room.observe(read, item.clone())).collect();
        room.fetched(&seen).await;
        clock.forward(24 * 60).await;
    }
    let b = "b approved - - {w} -";
    for (at, wanted) in [
        ("2025-02-01T12:00Z", vec!["a pending - - {} -"]),
        ("2025-02-02T11:59Z", vec!["a pending - - {} -"]),
        ("2025-02-02T12:00Z", vec!["a approved system red flag {x,y} -", b]),
        ("2025-02-03T18:00Z", vec!["a rejected agent red flag {y,z} -", b]),
        ("2025-02-04T18:00Z", vec!["a approved agent - {x} -", b]),
        ("2025-02-05T12:00Z", vec!["a approved agent - {x} -", b]),
        ("2025-02-06T12:00Z", vec!["a approved agent - {x} 2025-02-06", b]),
        ("2030-01-01T00:00Z", vec!["a approved agent - {x} 2025-02-06", b]),
    ] {
        assert_eq!(known_at(&room, at).await, wanted, "at {at}");
    }
}
