//! `check` reports properties of server, role and database that prevent work; other defaults of a
//! site change nothing.

use std::time::Duration;

use crate::{
    evidence::ended_within,
    truth::assert_equal,
    world::{ALL_DAYS, TestWorld},
};

impl TestWorld {
    async fn names(&self) -> (String, String) {
        sqlx::query_as("select current_database()::text, current_user::text")
            .fetch_one(&self.pool)
            .await
            .expect("names")
    }

    /// The address with another user.
    fn url_of(&self, role: &str) -> String {
        let (scheme, rest) = self.database.url.split_once("://").expect("an address");
        let (_, host) = rest.split_once('@').expect("a user");
        format!("{scheme}://{role}:sekret@{host}")
    }
}

#[tokio::test]
async fn defaults_of_a_site_change_nothing() {
    let world = TestWorld::new(60, 20).await;
    let (database, _) = world.names().await;
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "search_path = nowhere, pg_catalog",
        "\"TimeZone\" = 'Asia/Seoul'",
        "\"DateStyle\" = 'SQL, DMY'",
        "\"IntervalStyle\" = 'sql_standard'",
        "lock_timeout = '20s'",
        "default_transaction_deferrable = on",
        "extra_float_digits = -3",
        "bytea_output = 'escape'",
        "client_encoding = 'LATIN1'",
        "standard_conforming_strings = off",
    ] {
        world.execute(&format!("alter database {database} set {setting}")).await;
    }
    for _ in 0..2 {
        let ran = world.run(&["run", "--backfill", ALL_DAYS, "--restart"]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    }
    assert_equal(&world).await;
    let check = world.run(&["check"]).await;
    assert!(check.stdout.contains("transactions are serializable by default"), "{check:?}");
}

#[tokio::test]
async fn each_obstacle_is_named_by_check_with_what_to_do() {
    for (sql, named, advice) in [
        (
            "alter database DB set default_transaction_read_only = on",
            "transactions are read-only by default",
            "set default_transaction_read_only = off",
        ),
        (
            "alter database DB set statement_timeout = '5s'",
            "statements time out after 5s",
            "set statement_timeout = 0",
        ),
        (
            "revoke all on sequence argos_sync.fence from ROLE",
            "not allowed to use the sequences argos_sync.fence",
            "grant usage, select on all sequences in schema argos_sync to ROLE",
        ),
        (
            "revoke execute on all functions in schema argos_sync from public, ROLE",
            "not allowed to call",
            "grant execute on all functions in schema argos, argos_sync to ROLE",
        ),
        (
            "revoke insert on argos.submission from ROLE",
            "not allowed to write argos.submission",
            "grant select, insert, update and delete",
        ),
        (
            "alter role ROLE connection limit 1",
            "1 are free, and `database.connections_max` asks for 4",
            "lower `database.connections_max`",
        ),
        (
            "drop schema argos cascade; drop schema argos_pii cascade; drop schema argos_raw cascade;
             drop schema argos_sync cascade; revoke create on database DB from ROLE, public",
            "not allowed to create the schema",
            "grant create on database DB to ROLE",
        ),
    ] {
        let world = TestWorld::new(5, 0).await;
        let (database, _) = world.names().await;
        let role = format!("role_of_{database}");
        let fill = |text: &str| text.replace("DB", &database).replace("ROLE", &role);
        world
            .execute(&fill(
                "create role ROLE login password 'sekret';
                 grant usage on schema argos, argos_pii, argos_raw, argos_sync to ROLE;
                 grant select, insert, update, delete on all tables in schema argos, argos_pii, argos_raw, argos_sync to ROLE;
                 grant usage, select on all sequences in schema argos_sync to ROLE",
            ))
            .await;
        world.execute(&fill(sql)).await;
        let settings = [("database.url", world.url_of(&role))];
        let settings = settings.each_ref().map(|(key, url)| (*key, url.as_str()));
        let check = world.run_with(&settings, &["check"]).await;
        assert_eq!(check.code(), 1, "{check:?}");
        assert!(check.stdout.contains(named), "{named}: {check:?}");
        assert!(check.stdout.contains(&fill(advice)), "{advice}: {check:?}");
        world.execute(&fill(
            "begin read write; grant ROLE to current_user; drop owned by ROLE; drop role ROLE; commit",
        )).await;
    }
}

#[tokio::test]
async fn a_constraint_of_somebody_else_is_named_with_what_to_do() {
    let world = TestWorld::new(20, 10).await;
    world.execute("alter table argos.submission add constraint house_rule check (created_at < '1999-01-01')").await;
    let ran = world.run(&["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 70, "{ran:?}");
    assert!(ran.stderr.contains("constraint `house_rule`"), "{ran:?}");
    assert!(ran.stderr.contains("drop the constraint or trigger if it was added"), "{ran:?}");
    world.execute("alter table argos.submission drop constraint house_rule").await;
    world.backfill().await;
    assert_equal(&world).await;
}

#[tokio::test]
async fn check_waits_for_no_vendor_that_does_not_answer() {
    let world = TestWorld::new(20, 10).await;
    world.slow_vendor(600_000);
    // With the time limits of a run, each project would take minutes.
    let ran = ended_within(Duration::from_mins(1), world.start_with(&[], &["check"])).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    for project in ["face", "main"] {
        assert!(ran.stdout.contains(&format!("wrong  project {project}: ")), "{ran:?}");
    }
}

#[tokio::test]
async fn check_prints_the_same_findings_as_json() {
    let world = TestWorld::new(20, 10).await;
    for (settings, code) in [(&[][..], 0), (&[("sync.since", "2999-01-01")], 1)] {
        // The second check compares with the findings of the first.
        world.run_with(settings, &["check"]).await;
        let text = world.run_with(settings, &["check"]).await;
        let json = world.run_with(settings, &["check", "--json"]).await;
        assert_eq!((text.code(), json.code()), (code, code), "{text:?} {json:?}");
        let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
        assert_eq!(json["ok"], code == 0, "{json}");
        let findings = json["findings"].as_array().expect("findings");
        let mut lines = text.stdout.lines();
        for finding in findings {
            let of = |member: &str| finding[member].as_str().unwrap_or_default();
            let separator = if of("message").is_empty() { "" } else { ": " };
            let line = format!("{:<5}  {}{separator}{}", of("level"), of("subject"), of("message"));
            assert_eq!(lines.next(), Some(line.as_str()), "{text:?}");
            if finding["advice"].is_string() {
                assert_eq!(lines.next(), Some(format!("       {}", of("advice")).as_str()));
            }
        }
        assert_eq!(lines.next(), None, "{json}");
    }
}

#[tokio::test]
async fn check_names_a_beginning_that_is_missing_or_still_to_come() {
    let world = TestWorld::new(20, 10).await;
    let missing = world.run(&["check"]).await;
    assert_eq!(missing.code(), 0, "{missing:?}");
    assert!(missing.stdout.contains("warn   sync.since: missing"), "{missing:?}");
    let future = world.run_with(&[("sync.since", "2999-01-01")], &["check"]).await;
    assert_eq!(future.code(), 1, "{future:?}");
    assert!(future.stdout.contains("wrong  sync.since: 2999-01-01 is in the future"), "{future:?}");
}
