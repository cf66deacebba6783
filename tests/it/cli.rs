//! The command line: help, status, exit codes.
//!
//! `INSTA_UPDATE=always cargo test --test it cli` rewrites the files of `tests/it/snapshots`.

use argos_sync::simulator::{Knobs, UnknownId};
use serde_json::Value;

use crate::world::{ALL_DAYS, FACE_KEY, KEY, TestWorld};

const COMMANDS: &str = "config run status health check fetch raw project pause resume resync \
    quarantine renormalize verify migrate demo simulate completions";

/// The text with every date and time replaced by one of the same width.
fn without_times(text: &str) -> String {
    const PATTERN: &str = "dddd-dd-dd dd:dd:dd";
    let fits = |chars: &[char]| {
        chars.len() == PATTERN.len()
            && chars.iter().zip(PATTERN.chars()).all(|(char, pattern)| match pattern {
                'd' => char.is_ascii_digit(),
                pattern => *char == pattern,
            })
    };
    let chars: Vec<_> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        if chars.get(at..at + PATTERN.len()).is_some_and(fits) {
            out += "<date and the time>";
            at += PATTERN.len();
        } else {
            out.extend(chars.get(at));
            at += 1;
        }
    }
    out
}

/// Replaces the values of all members whose names end in `_at` or `_as_of`.
fn without_json_times(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(without_json_times),
        Value::Object(members) => {
            for (name, value) in members {
                if value.is_string() && (name.ends_with("_at") || name.ends_with("_as_of")) {
                    *value = "<time>".into();
                } else {
                    without_json_times(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_help_says_what_there_is() {
    let world = TestWorld::new(0, 0).await;
    let mut all = String::new();
    for command in [""].into_iter().chain(COMMANDS.split(' ')) {
        let arguments: Vec<_> =
            [command, "--help"].into_iter().filter(|argument| !argument.is_empty()).collect();
        let ran = world.run(&arguments).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(ran.stderr, "", "{ran:?}");
        all.extend(["$ argos-sync ", &arguments.join(" "), "\n", &ran.stdout, "\n"]);
    }
    for arguments in [
        ["fetch", "submission", "--help"],
        ["fetch", "faceauth", "--help"],
        ["project", "rebind", "--help"],
        ["quarantine", "list", "--help"],
        ["quarantine", "retry", "--help"],
        ["quarantine", "drop", "--help"],
        ["project", "forget", "--help"],
        ["project", "rename", "--help"],
    ] {
        let ran = world.run(&arguments).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        all.extend(["$ argos-sync ", &arguments.join(" "), "\n", &ran.stdout, "\n"]);
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn the_documented_exit_codes_are_those_that_the_tests_prove() {
    let world = TestWorld::new(0, 0).await;
    let help = world.run(&["--help"]).await.stdout;
    let (_, codes) = help.split_once("Exit codes:").expect("the exit codes");
    let codes: Vec<u8> = codes
        .split(|char: char| !char.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    assert_eq!(codes, [0, 1, 2, 65, 69, 70, 74, 75, 78]);
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let world = TestWorld::new(0, 0).await;
    let ran = world.run(&["--version"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(ran.stdout, concat!("argos-sync ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn arguments_that_make_no_sense_end_with_2() {
    let world = TestWorld::new(0, 0).await;
    for (arguments, named) in [
        (&[][..], "Usage:"),
        (&["nonsense"], "nonsense"),
        (&["run", "--nonsense"], "--nonsense"),
        (&["run", "--backfill"], "--backfill"),
        (&["run", "--backfill", "nonsense"], "expected two days, such as 2024-01-01..2024-12-31"),
        (&["run", "--backfill", "2024-02-30..2024-03-01"], "`2024-02-30` is not a valid day"),
        (&["run", "--backfill", "2024-03-01..2024-02-01"], "the last day is before the first"),
        (&["run", "--backfill", ALL_DAYS, "--once"], "cannot be used with"),
        (&["run", "--restart"], "--backfill"),
        (&["run", "--stream", "submission"], "--backfill"),
        (&["run", "--backfill", ALL_DAYS, "--stream", "nonsense"], "submission, faceauth"),
        (
            &["run", "--backfill", ALL_DAYS, "--project", "nonsense"],
            "there is no [project.nonsense]",
        ),
        (&["run", "--backfill", ALL_DAYS, "--project", "Nonsense"], "Nonsense"),
        (&["run", "--backfill", ALL_DAYS, "--project", "main", "--stream", "faceauth"], "stream"),
        (&["fetch"], "Usage:"),
        (&["fetch", "submission"], "--id"),
        (&["fetch", "submission", "--id", "a", "--email", "b@mail.example"], "cannot be used with"),
        (&["fetch", "faceauth"], "--id"),
        (&["fetch", "faceauth", "--id", "x", "--project", "main"], "`main`"),
        (&["raw", "submission"], "<ID>"),
        (&["project"], "Usage:"),
        (&["project", "forget", "Main"], "Main"),
        (&["project", "rename", "main"], "<NEW>"),
        (&["completions", "nonsense"], "bash"),
    ] {
        let ran = world.run(arguments).await;
        assert_eq!(ran.code(), 2, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(named), "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn the_daemon_and_once_need_to_know_how_far_back() {
    let world = TestWorld::new(0, 0).await;
    for arguments in [&["run"][..], &["run", "--once"]] {
        let ran = world.run(arguments).await;
        assert_eq!(ran.code(), 78, "{ran:?}");
        assert!(ran.stderr.contains("`sync.since` is missing"), "{ran:?}");
    }
}

#[tokio::test]
async fn schedules_that_are_none_or_never_ring_are_named_with_78() {
    let world = TestWorld::new(0, 0).await;
    for (schedules, named) in [
        ("[\"every now and then\"]", "has six fields"),
        ("[\"0 */5 * * * *\", \"0 0 0 30 2 *\"]", "never occurs"),
        ("[]", "would never start a round"),
    ] {
        world.configure(&format!("[sync]\nsince = \"2025-01-01\"\nschedules = {schedules}\n"));
        for command in ["run", "check"] {
            let ran = world.run(&[command]).await;
            assert_eq!(ran.code(), 78, "{ran:?}");
            assert!(ran.stderr.contains("`sync.schedules`: "), "{ran:?}");
            assert!(ran.stderr.contains(named), "{ran:?}");
        }
    }
}

#[tokio::test]
async fn what_a_backfill_and_the_status_after_it_print() {
    let world = TestWorld::new(60, 30).await;
    // With several workers, either of two windows may be the first to store an item that both show.
    let backfill = ["--log", "warn", "run", "--backfill", ALL_DAYS, "--workers", "1"];
    let ran = world.run(&backfill).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(ran.stderr, "", "{ran:?}");
    insta::assert_snapshot!("a_backfill", without_times(&ran.stdout));
    let ran = world.run(&backfill).await;
    insta::assert_snapshot!("the_same_backfill_again", without_times(&ran.stdout));

    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
    assert_eq!(status.stderr, "", "{status:?}");
    insta::assert_snapshot!("status", without_times(&status.stdout));

    let status = world.run(&["status", "--json"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
    let mut json: Value = serde_json::from_str(&status.stdout).expect("JSON");
    without_json_times(&mut json);
    insta::assert_snapshot!("status_json", serde_json::to_string_pretty(&json).expect("JSON"));
}

/// Drops everything that migrations created.
async fn empty(world: &TestWorld) {
    sqlx::raw_sql(
        "drop schema argos cascade; drop schema argos_pii cascade; drop schema argos_raw cascade;
         drop schema argos_sync cascade; drop table if exists _sqlx_migrations",
    )
    .execute(&world.pool)
    .await
    .expect("the schemas go");
}

#[tokio::test]
async fn migrating_twice_is_migrating_once() {
    let world = TestWorld::new(0, 0).await;
    empty(&world).await;
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(status.stderr.contains("the database has no warehouse yet"), "{status:?}");
    for _ in 0..2 {
        let ran = world.run(&["migrate"]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(ran.stdout, "the schema is up to date\n");
    }
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
    assert_eq!(status.stdout, "no project has been synced yet\n");
    let status = world.run(&["status", "--json"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
    let json: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let nothing = serde_json::json!({
        "projects": [], "blocked_days": [], "backfills": [], "verification": [], "runs": [],
        "wrong_clocks": [], "daemon_seen_at": null, "too_old": [],
    });
    assert_eq!(json, nothing);
}

#[tokio::test]
async fn a_run_makes_its_own_schema() {
    let world = TestWorld::new(20, 10).await;
    empty(&world).await;
    world.backfill().await;
    assert_eq!(world.number("select count(*) from argos.submission").await, 20);
}

#[tokio::test]
async fn commands_that_only_look_make_and_change_no_schema() {
    let world = TestWorld::new(20, 10).await;
    empty(&world).await;
    let schemas = "select count(*) from pg_namespace where nspname like 'argos%'";
    let commands: [&[&str]; 7] = [
        &["plan"],
        &["explain", "submission", "x"],
        &["raw", "submission", "x"],
        &["quarantine", "list"],
        &["deletions", "list"],
        &["verify"],
        &["renormalize"],
    ];
    for command in commands {
        let ran = world.run(command).await;
        assert_eq!(ran.code(), 78, "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("run `argos-sync migrate`"), "{ran:?}");
        assert_eq!(world.number(schemas).await, 0, "{command:?}");
    }
    // This setting keeps even `run` from migrating.
    let check = [("database.migrate", "check")];
    for command in [&["run", "--backfill", ALL_DAYS][..], &["fetch", "submission", "--id", "x"]] {
        let ran = world.run_with(&check, command).await;
        assert_eq!(ran.code(), 78, "{command:?}: {ran:?}");
        assert_eq!(world.number(schemas).await, 0, "{command:?}");
    }
    assert_eq!(world.run_with(&check, &["migrate"]).await.code(), 0);
    let ran = world.run_with(&check, &["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}

#[tokio::test]
async fn a_backfill_of_days_that_nobody_can_read_is_refused() {
    let world = TestWorld::new(0, 0).await;
    for (days, named) in [
        ("1999-12-31..2024-12-31", "no submission from before 2000"),
        ("2024-01-01..2999-12-31", "in the future"),
    ] {
        for command in ["run", "plan"] {
            let ran = world.run(&[command, "--backfill", days]).await;
            assert_eq!(ran.code(), 2, "{ran:?}");
            assert!(ran.stderr.contains(named), "{ran:?}");
        }
    }
}

#[tokio::test]
async fn check_says_what_is_well_and_what_is_not() {
    let world = TestWorld::new(20, 10).await;
    let ran = world.run(&["check"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    insta::assert_snapshot!("check_ok", ran.stdout);
    world.vendor.set_all_knobs(&Knobs { unknown_id: UnknownId::BadRequest, ..Knobs::default() });
    let ran = world.run(&["check"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");

    world.vendor.set_accepted_keys(KEY, vec!["another".to_owned()]).expect("a project");
    world.vendor.set_accepted_keys(FACE_KEY, vec!["a third".to_owned()]).expect("a project");
    let ran = world.run(&["check"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    insta::assert_snapshot!("check_wrong_keys", ran.stdout);

    let settings = [
        ("database.url", "postgres://nobody:sekret@127.0.0.1:9/nothing"),
        ("database.connect_timeout_seconds", "1"),
    ];
    let ran = world.run_with(&settings, &["check"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(!format!("{ran:?}").contains("sekret"), "{ran:?}");
    insta::assert_snapshot!("check_wrong_database", ran.stdout);
}

#[tokio::test]
async fn without_a_database_commands_end_with_75_and_say_so() {
    let world = TestWorld::new(0, 0).await;
    let settings = [
        ("database.url", "postgres://nobody:sekret@127.0.0.1:9/nothing"),
        ("database.connect_timeout_seconds", "1"),
    ];
    let id = ["fetch", "faceauth", "--id", "x"];
    for arguments in [&["status"][..], &["migrate"], &["run", "--backfill", ALL_DAYS], &id] {
        let ran = world.run_with(&settings, arguments).await;
        assert_eq!(ran.code(), 75, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("no connection to PostgreSQL"), "{ran:?}");
        assert!(ran.stderr.contains("connection refused"), "{ran:?}");
        assert!(ran.stderr.contains("correct the host and port in `database.url`"), "{ran:?}");
        assert!(!ran.stderr.contains("sekret"), "{ran:?}");
    }
}

#[tokio::test]
async fn without_projects_there_is_nothing_to_run() {
    let world = TestWorld::new(0, 0).await;
    world.configure_whole(&format!("[database]\nurl = \"{}\"\n", world.database.url));
    for arguments in [&["run", "--backfill", ALL_DAYS][..], &["check"]] {
        let ran = world.run(arguments).await;
        assert_eq!(ran.code(), 78, "{ran:?}");
        assert!(ran.stderr.contains("no project is configured"), "{ran:?}");
    }
}

#[tokio::test]
async fn fetch_reads_single_records_into_the_warehouse() {
    let world = TestWorld::new(40, 20).await;
    let member = |id: &str, name: &str| {
        let item = world.vendor.submission(KEY, id).expect("a record");
        let item: Value = serde_json::from_slice(&item).expect("JSON");
        item[name].as_str().map(str::to_owned)
    };
    let ids: Vec<_> = world.vendor.submission_ids(KEY).collect();
    let userid = ids[1..20].iter().find_map(|id| member(id, "userid")).expect("a user id");
    let email = ids[20..].iter().find_map(|id| member(id, "email")).expect("an e-mail");
    let auth_id = world.vendor.faceauth_ids(FACE_KEY).next().expect("a record");
    let stored = "select count(*) from argos_sync.record where detail_digest is not null";
    for (arguments, known) in [
        (["fetch", "submission", "--id", &ids[0]], 1),
        (["fetch", "submission", "--userid", &userid], 2),
        (["fetch", "submission", "--email", &email], 3),
        (["fetch", "faceauth", "--id", &auth_id], 4),
    ] {
        let ran = world.run(&arguments).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.stdout.starts_with("complete: "), "{ran:?}");
        assert!(world.number(stored).await >= known, "{ran:?}");
    }
    let ran = world.run(&["fetch", "submission", "--id", &ids[0]]).await;
    assert_eq!(
        ran.stdout,
        "complete: 1 received, 0 inserted, 0 updated, 1 unchanged, 0 quarantined\n"
    );
    for unknown_id in [UnknownId::Empty, UnknownId::BadRequest] {
        world.vendor.set_all_knobs(&Knobs { unknown_id, ..Knobs::default() });
        for arguments in [
            ["fetch", "submission", "--id", "nonsense"],
            ["fetch", "faceauth", "--id", "nonsense"],
            ["fetch", "submission", "--userid", "nonsense"],
            ["fetch", "submission", "--email", "nobody@mail.example"],
        ] {
            let ran = world.run(&arguments).await;
            assert_eq!(ran.code(), 1, "{unknown_id:?} {ran:?}");
            assert!(ran.stderr.contains("the vendor has no such record"), "{ran:?}");
        }
    }
}

#[tokio::test]
async fn of_several_projects_one_must_be_named() {
    let world = TestWorld::new(20, 0).await;
    let accepted = vec![KEY.to_owned(), "second".to_owned()];
    world.vendor.set_accepted_keys(KEY, accepted).expect("a project");
    world.configure(&format!(
        "[project.second]\nkind = \"idcheck\"\nbase_url = \"{}\"\napi_key = \"second\"\n",
        world.url
    ));
    let id = world.vendor.submission_ids(KEY).next().expect("a record");
    let ran = world.run(&["fetch", "submission", "--id", &id]).await;
    assert_eq!(ran.code(), 2, "{ran:?}");
    assert!(ran.stderr.contains("choose one with --project"), "{ran:?}");
    let ran = world.run(&["fetch", "submission", "--id", &id, "--project", "second"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(
        world.number("select count(*) from argos.submission where project = 'second'").await,
        1
    );
}

#[tokio::test]
async fn raw_prints_the_items_as_they_came() {
    let world = TestWorld::new(20, 10).await;
    world.backfill().await;
    let id = world.vendor.submission_ids(KEY).next().expect("a record");
    let ran = world.run(&["raw", "submission", &id]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(ran.stderr, "list:\ndetail:\n");
    let items: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(items.len(), 2, "{ran:?}");
    assert!(items.iter().all(|item| item["submission_id"] == *id), "{ran:?}");

    let auth_id = world.vendor.faceauth_ids(FACE_KEY).next().expect("a record");
    let ran = world.run(&["raw", "faceauth", &auth_id]).await;
    assert_eq!((ran.code(), ran.stdout.lines().count()), (0, 1), "{ran:?}");

    let ran = world.run(&["raw", "submission", "nonsense"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(ran.stdout, "");
}

#[tokio::test]
async fn completions_know_every_command() {
    let world = TestWorld::new(0, 0).await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = world.run(&["completions", shell]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        for command in COMMANDS.split(' ') {
            assert!(ran.stdout.contains(command), "{shell} {command}");
        }
    }
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_ends_with_78_and_what_to_do() {
    let world = TestWorld::new(20, 10).await;
    let (server, name) = world.database.url.rsplit_once('/').expect("an address");
    let (_, host) = server.split_once("://").expect("an address");
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let guest = format!("{name}_guest");
    let make_guest = format!("create role {guest} login password 'sekret'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make_guest)).execute(&world.pool).await.expect("a role");
    for (url, advice) in [
        (format!("postgres://nobody:sekret@{host}/{name}"), "check the user and password"),
        (format!("{server}/nowhere"), "create the database named in"),
        (
            format!("postgres://{guest}:sekret@{host}/{name}"),
            "grant the role of `database.url` the privileges",
        ),
    ] {
        for arguments in [&["status"][..], &["run", "--backfill", ALL_DAYS]] {
            let ran = world.run_with(&[("database.url", &url)], arguments).await;
            assert_eq!(ran.code(), 78, "{arguments:?} {ran:?}");
            assert!(ran.stderr.contains(advice), "{ran:?}");
            assert!(!ran.stderr.contains("sekret"), "{ran:?}");
        }
        let ran = world.run_with(&[("database.url", &url)], &["check"]).await;
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert!(ran.stdout.contains(advice), "{ran:?}");
    }
    // The role may read but not write, which fails in the middle of a run.
    let grant = format!(
        "grant usage on schema argos, argos_pii, argos_raw, argos_sync to {guest};
         grant all on all tables in schema argos_sync to {guest};
         grant all on all sequences in schema argos_sync to {guest};
         grant select on all tables in schema argos, argos_pii, argos_raw, public to {guest}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(grant)).execute(&world.pool).await.expect("rights");
    let url = format!("postgres://{guest}:sekret@{host}/{name}");
    let ran = world.run_with(&[("database.url", &url)], &["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 78, "{ran:?}");
    assert!(ran.stderr.contains("grant the role of `database.url` the privileges"), "{ran:?}");
    let drop_guest = format!(
        "revoke all on all tables in schema argos, argos_pii, argos_raw, argos_sync, public from {guest};
         revoke all on all sequences in schema argos_sync from {guest};
         revoke all on schema argos, argos_pii, argos_raw, argos_sync from {guest};
         drop role {guest}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop_guest)).execute(&world.pool).await.expect("no role");
}
