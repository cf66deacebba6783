//! No personal value leaks (I8): neither into the program's output nor into operators' tables.

use argos_sync::simulator::Faults;
use serde_json::Value;

use crate::world::{ALL_DAYS, FACE_KEY, KEY, Ran, TestWorld};

const BACKFILL: [&str; 5] = ["--log", "trace", "run", "--backfill", ALL_DAYS];

/// The prefix of all invented values, which must not appear.
const MARK: &str = "MARKED-";

/// An item of the vendor with the same id and some members replaced.
fn altered(world: &TestWorld, id: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let item = world.vendor.submission(KEY, id).or_else(|| world.vendor.faceauth(FACE_KEY, id));
    let mut item = serde_json::from_slice(&item.expect("a record")).expect("JSON");
    change(&mut item);
    serde_json::to_vec(&item).expect("JSON")
}

/// Makes the vendor serve odd items with marked values.
fn odd_items(world: &TestWorld) {
    let ids: Vec<_> = world.vendor.submission_ids(KEY).take(10).collect();
    let oddities: [&dyn Fn(&mut Value); 8] = [
        &|item| item["data"]["full_name"] = "MARKED-NAME-1".into(),
        &|item| item["data"]["date_of_birth"] = "MARKED-BIRTH".into(),
        &|item| item["data"]["phoneNumber"] = serde_json::json!({ "x": "MARKED-PHONE" }),
        &|item| item["data"] = "MARKED-DATA".into(),
        &|item| item["created_at"] = "MARKED-CREATED".into(),
        &|item| item["kyc"] = serde_json::json!(["MARKED-KYC", { "attempts": "MARKED-ATTEMPTS" }]),
        &|item| item["email"] = "MARKED-EMAIL\u{0}@mail.example".into(),
        &|item| item["submission_id"] = format!("MARKED-ID-{}", "x".repeat(300)).into(),
    ];
    for (id, oddity) in ids.iter().zip(oddities) {
        let raw = altered(world, id, oddity);
        world.vendor.override_item(KEY, id, raw).expect("a record");
    }
    let deep = format!("{}\"MARKED-DEEP\"{}", "[".repeat(300), "]".repeat(300));
    let deep = format!("{{\"submission_id\":\"{}\",\"review\":{deep}}}", ids[8]);
    world.vendor.override_item(KEY, &ids[8], deep.into_bytes()).expect("a record");
    let mut nameless = b"{\"data\":{\"name\":\"MARKED-NAMELESS \xff\xfe\"}}".to_vec();
    world.vendor.override_item(KEY, &ids[9], nameless.clone()).expect("a record");

    let ids: Vec<_> = world.vendor.faceauth_ids(FACE_KEY).take(2).collect();
    let raw = altered(world, &ids[0], |item| item["status"] = serde_json::json!(["MARKED-STATUS"]));
    world.vendor.override_item(FACE_KEY, &ids[0], raw).expect("a record");
    nameless.splice(..0, *b" ");
    world.vendor.override_item(FACE_KEY, &ids[1], nameless).expect("a record");
}

/// Values that identify the vendor's people: e-mails, user ids, names, document numbers.
fn identifiers(world: &TestWorld) -> Vec<String> {
    let mut all = Vec::new();
    for id in world.vendor.submission_ids(KEY) {
        let item: Value = world
            .vendor
            .submission(KEY, &id)
            .and_then(|item| serde_json::from_slice(&item).ok())
            .unwrap_or_default();
        let data = &item["data"];
        let texts = [
            &item["email"],
            &item["userid"],
            &data["full_name"],
            &data["documentNumber"],
            &data["identityNumber"],
            &data["ssnNumber"],
            &data["phoneNumber"],
            &data["address_formatted"],
        ];
        all.extend(texts.iter().filter_map(|text| text.as_str()).map(str::to_owned));
    }
    all.retain(|text| text.len() >= 6);
    assert!(all.len() > 100, "{}", all.len());
    all
}

fn nothing_personal_in(text: &str, identifiers: &[String]) {
    for secret in [MARK, "@mail.example"].into_iter().chain(identifiers.iter().map(String::as_str))
    {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "`{secret}` shows: {line:?}");
    }
}

async fn nothing_personal_shows(world: &TestWorld, ran: &Ran, identifiers: &[String]) {
    nothing_personal_in(&ran.stdout, identifiers);
    nothing_personal_in(&ran.stderr, identifiers);
    nothing_personal_in(&world.all_that_operators_see().await, identifiers);
}

#[tokio::test]
async fn odd_items_show_in_no_output_and_no_table_of_operators() {
    let world = TestWorld::new(80, 40).await;
    let identifiers = identifiers(&world);
    odd_items(&world);
    let faults = Faults { retry_after_seconds: None, ..Faults::evenly(5, 0.2) };
    world.vendor.set_faults(faults);
    let ran = world.run_with(&[("client.page_size", "20")], &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos_sync.quarantine").await, 4);
    assert!(world.number("select count(*) from argos_sync.schema_drift").await > 4);
    nothing_personal_shows(&world, &ran, &identifiers).await;
    // Without the marks, the test would prove nothing.
    let marked =
        "select count(*) from argos_pii.submission_identity where full_name like 'MARKED-%'";
    assert_eq!(world.number(marked).await, 1);
    world.vendor.set_faults(Faults::default());
    for arguments in [
        &["--log", "trace", "status"][..],
        &["--log", "trace", "status", "--json"],
        &["--log", "trace", "check"],
    ] {
        let ran = world.run(arguments).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        nothing_personal_shows(&world, &ran, &identifiers).await;
    }
}

#[tokio::test]
async fn whom_a_fetch_asks_about_is_not_repeated() {
    let world = TestWorld::new(40, 10).await;
    let identifiers = identifiers(&world);
    let id = world.vendor.submission_ids(KEY).next().expect("a record");
    let item = world.vendor.submission(KEY, &id).expect("a record");
    let item: Value = serde_json::from_slice(&item).expect("JSON");
    let email = item["email"].as_str().expect("an e-mail");
    let fetch = ["--log", "trace", "fetch", "submission", "--email", email];
    let ran = world.run(&fetch).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    nothing_personal_shows(&world, &ran, &identifiers).await;
    for faults in [
        Faults { server_error: 1.0, ..Faults::default() },
        Faults { html: 1.0, ..Faults::default() },
    ] {
        world.vendor.set_faults(faults);
        let ran = world.run_with(&[("client.retry_budget_seconds", "0")], &fetch).await;
        assert_eq!(ran.code(), 65, "{ran:?}");
        nothing_personal_shows(&world, &ran, &identifiers).await;
    }
}

#[tokio::test]
async fn whom_a_fetch_asks_about_can_be_read_from_standard_input_and_from_a_file() {
    let world = TestWorld::new(40, 10).await;
    let id = world.vendor.submission_ids(KEY).next().expect("a record");
    let item = world.vendor.submission(KEY, &id).expect("a record");
    let item: Value = serde_json::from_slice(&item).expect("JSON");
    let email = item["email"].as_str().expect("an e-mail");
    let file = world.dir.path().join("email");
    std::fs::write(&file, format!("{email}\n")).expect("a file");
    let at_file = format!("@{}", file.display());
    for by in ["-", &at_file] {
        let mut command = world.command(&["fetch", "submission", "--email", by]);
        command.stdin(std::fs::File::open(&file).expect("a file"));
        let ran = Ran::of(command.output().await.expect("the program runs"));
        assert_eq!(ran.code(), 0, "{by}: {ran:?}");
        let known = "select count(*) from argos.submission where detail_read_at is not null";
        assert!(world.number(known).await > 0, "{by}");
        world.execute("truncate argos.submission, argos_sync.record cascade").await;
    }
    for (stream, empty) in [("submission", ""), ("faceauth", " "), ("submission", "-")] {
        let ran = world.run(&["fetch", stream, "--id", empty]).await;
        assert_eq!(ran.code(), 2, "{ran:?}");
        assert!(ran.stderr.contains("the value is empty"), "{ran:?}");
    }
}

#[tokio::test]
async fn keys_of_a_map_show_as_one_path_and_names_of_fields_are_bounded() {
    let world = TestWorld::new(80, 5).await;
    for (number, id) in world.vendor.submission_ids(KEY).collect::<Vec<_>>().iter().enumerate() {
        let item = format!(
            r#"{{"submission_id":"{id}","created_at":"2025-02-01T10:00:00.000Z","kyc":{{"result":"approved",
            "field{a}{b}":1,"{number} MARKED-STREET, {MARK}":1,"m.{number}@mail.example":{{}}}},"MARKED NAME {number}":"x"}}"#,
            a = char::from(b'a' + u8::try_from(number / 10).expect("small")),
            b = char::from(b'a' + u8::try_from(number % 10).expect("small")),
        );
        world.vendor.override_item(KEY, id, item.into_bytes()).expect("a record");
    }
    // Parallel transactions do not see each other's names; in sequence, the limit of 50 is exact.
    let settings = [("sync.details", "never"), ("database.connections_max", "1")];
    let ran = world.run_with(&settings, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    nothing_personal_shows(&world, &ran, &[]).await;
    let paths: Vec<String> = sqlx::query_scalar(
        "select distinct path from argos_sync.schema_drift where found = 'unknown field' and path !~ 'field' order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("paths");
    assert_eq!(paths, ["*", "kyc.*"], "{paths:?}");
    let fields = world.number("select count(*) from argos_sync.schema_drift where path ~ 'field'");
    assert!((40..=50).contains(&fields.await));
}

#[tokio::test]
async fn a_configuration_with_a_secret_that_everybody_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = TestWorld::new(0, 0).await;
    let config = world.dir.path().join("argos-sync.toml");
    for (mode, warns) in [(0o644, true), (0o640, false), (0o604, true)] {
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(mode)).expect("a mode");
        let ran = world.run(&["status"]).await;
        assert_eq!(ran.stderr.contains("every user of this machine may read it"), warns, "{ran:?}");
        let check = world.run(&["check"]).await;
        assert_eq!(check.code(), 0, "{check:?}");
        assert_eq!(check.stdout.contains("chmod o-r"), warns, "{check:?}");
    }
}

#[tokio::test]
async fn a_page_that_is_no_json_is_not_quoted() {
    let world = TestWorld::new(40, 10).await;
    let identifiers = identifiers(&world);
    let id = world.vendor.submission_ids(KEY).next().expect("a record");
    world
        .vendor
        .override_item(KEY, &id, b"{\"name\":\"MARKED-NAME\" MARKED-".to_vec())
        .expect("a record");
    let settings = [("client.retry_budget_seconds", "0"), ("sync.give_up_after_minutes", "0")];
    let ran = world.run_with(&settings, &BACKFILL).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("the response is not valid JSON"), "{ran:?}");
    nothing_personal_shows(&world, &ran, &identifiers).await;
}

#[tokio::test]
async fn what_postgresql_says_of_a_row_is_not_repeated() {
    // Each of these makes PostgreSQL quote the row, or a value of it, in its own message.
    for (damage, sqlstate) in [
        ("alter table argos_pii.submission_identity drop column full_name", "42703"),
        (
            "alter table argos_pii.submission_identity add constraint nobody check (full_name is null)",
            "23514",
        ),
        ("create unique index once on argos_pii.submission_identity ((true))", "23505"),
        (
            "alter table argos_pii.submission_identity alter column email type integer using 1",
            "42804",
        ),
    ] {
        let world = TestWorld::new(40, 10).await;
        let identifiers = identifiers(&world);
        sqlx::raw_sql(damage).execute(&world.pool).await.expect(damage);
        let ran = world.run(&BACKFILL).await;
        assert!(ran.stderr.contains(sqlstate), "{damage}: {ran:?}");
        let (outcome, code) =
            if sqlstate.starts_with("23") { ("failed", 70) } else { ("misconfigured", 78) };
        assert_eq!(ran.code(), code, "{damage}: {ran:?}");
        assert!(ran.stdout.contains(outcome), "{damage}: {ran:?}");
        nothing_personal_shows(&world, &ran, &identifiers).await;
    }
}

#[tokio::test]
async fn no_text_of_a_library_or_of_postgresql_is_logged() {
    let world = TestWorld::new(20, 0).await;
    let ran = world.run(&["migrate"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    // A trigger or function of a site may raise any message.
    sqlx::raw_sql(
        "create or replace function argos_sync.clock() returns timestamptz language plpgsql volatile as $$
         begin
            raise warning 'Ada Lovelace was born in London';
            return clock_timestamp();
         end $$",
    )
    .execute(&world.pool)
    .await
    .expect("a clock that talks");
    for filter in ["info", "trace", "warn,sqlx=trace"] {
        let ran =
            world.run(&["--log", filter, "run", "--backfill", ALL_DAYS, "--project", "main"]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(!ran.stderr.contains("Lovelace"), "{filter}: {ran:?}");
        assert!(!ran.stderr.contains("select "), "{filter}: {ran:?}");
    }
}
