//! The ends of runs: their outcome in `status`, whatever ended them, and the deletion of old ones.

use argos_sync::simulator::{CursorLoop, Knobs};
use serde_json::Value;

use crate::{
    evidence::{SLOW, ended_within, terminate},
    world::{ALL_DAYS, KEY, TestWorld},
};

const BACKFILL: [&str; 3] = ["run", "--backfill", ALL_DAYS];
const TINY_PAGES: [(&str, &str); 1] = [("client.page_size", "20")];

/// Run numbers and outcomes, oldest first.
async fn outcomes(world: &TestWorld) -> Vec<(i64, Option<String>)> {
    sqlx::query_as("select run_id, outcome from argos_sync.run order by run_id")
        .fetch_all(&world.pool)
        .await
        .expect("the runs")
}

/// The outcome that `status` shows for a run, and the exit code of `status`.
async fn shown(world: &TestWorld, run: i64) -> (String, i32) {
    let status = world.run(&["status"]).await;
    let json = world.run(&["status", "--json"]).await;
    assert_eq!(json.code(), status.code(), "{status:?} {json:?}");
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let runs = json["runs"].as_array().expect("runs");
    let one = runs.iter().find(|one| one["run"] == run).expect("the run");
    let word = one["outcome"].as_str().unwrap_or("running").to_owned();
    assert!(status.stdout.lines().any(|line| line.contains(&word)), "{word}: {status:?}");
    (word, status.code())
}

#[tokio::test]
async fn the_run_of_a_killed_process_is_interrupted_once_the_next_one_begins() {
    let world = TestWorld::new(400, 100).await;
    world.slow_vendor(SLOW);
    let mut program = world.start_with(&TINY_PAGES, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 2 from argos_sync.run_counter").await;
    program.kill().await.expect("SIGKILL");
    assert_eq!(shown(&world, 1).await, ("running".to_owned(), 0), "its lease has not ended");
    world.slow_vendor(0);
    world.backfill().await;
    let ended = |outcome: &str| Some(outcome.to_owned());
    assert_eq!(outcomes(&world).await, [(1, ended("interrupted")), (2, ended("complete"))]);
    let in_time = "select count(*) from argos_sync.run where ended_at between started_at and now()";
    assert_eq!(world.number(in_time).await, 2);
}

#[tokio::test]
async fn a_run_that_nobody_renews_is_interrupted_when_its_lease_ends() {
    let world = TestWorld::new(20, 10).await;
    world.backfill().await;
    world
        .execute(
            "insert into argos_sync.run (command, version, started_at, holder, expires_at) values
            ('run', '0', now() - interval '1 hour', 'another machine/1/1', now() - interval '1 minute'),
            ('run', '0', now() - interval '1 hour', 'another machine/2/2', now() + interval '1 hour')",
        )
        .await;
    assert_eq!(shown(&world, 2).await, ("interrupted".to_owned(), 0));
    assert_eq!(shown(&world, 3).await, ("running".to_owned(), 0));
    assert_eq!(outcomes(&world).await[1].1, None, "to look is not to write");
    world.backfill().await;
    let outcomes = outcomes(&world).await;
    assert_eq!(outcomes[1].1.as_deref(), Some("interrupted"));
    assert_eq!(outcomes[2].1, None, "another machine may still work on it");
    let at_its_lease =
        "select count(*) from argos_sync.run where run_id = 2 and ended_at = expires_at";
    assert_eq!(world.number(at_its_lease).await, 1);
}

#[tokio::test]
async fn a_run_holds_its_row_only_as_long_as_a_claim() {
    let world = TestWorld::new(20, 10).await;
    world.backfill().await;
    let lease = "select count(*) from argos_sync.run
        where holder is not null and expires_at - started_at between interval '299 s' and interval '301 s'";
    assert_eq!(world.number(lease).await, 1);
}

#[tokio::test]
async fn a_day_that_cannot_be_read_is_shown_until_it_is() {
    let world = TestWorld::new(300, 10).await;
    let knobs = Knobs { cursor_loop: CursorLoop::Aa, ..Knobs::default() };
    world.vendor.set_knobs(KEY, knobs).expect("a project");
    let settings = [
        ("client.page_size", "2"),
        ("client.retry_budget_seconds", "1"),
        ("sync.give_up_after_minutes", "0"),
    ];
    let day = ["run", "--backfill", "2025-02-10..2025-02-10", "--project", "main"];
    let ran = world.run_with(&settings, &day).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 0, "it is tried again: {status:?}");
    assert!(status.stdout.contains("main last ended partial"), "{status:?}");
    assert!(status.stdout.contains("main has an open pass that last failed with"), "{status:?}");
    for _ in 0..2 {
        let ran = world.run_with(&settings, &day).await;
        assert_eq!(ran.code(), 65, "{ran:?}");
    }
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(status.stdout.contains("main could not read 2025-02-10"), "{status:?}");
    assert!(status.stdout.contains("form a cycle"), "{status:?}");
    let json = world.run(&["status", "--json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let days = json["blocked_days"].as_array().expect("days");
    assert_eq!((days.len(), &days[0]["day"]), (1, &Value::from("2025-02-10")), "{json}");

    world.vendor.set_all_knobs(&Knobs::default());
    world.backfill().await;
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
    assert!(!status.stdout.contains("could not read"), "{status:?}");
    assert!(!status.stdout.contains("last ended"), "{status:?}");
}

#[tokio::test]
async fn a_project_whose_last_run_failed_is_wrong_until_one_ends_well() {
    let world = TestWorld::new(20, 10).await;
    world.backfill().await;
    // PostgreSQL refuses this permanently, so a retry cannot help.
    world
        .execute(
            "alter table argos_sync.run_counter add constraint odd check (received < 1) not valid",
        )
        .await;
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 70, "{ran:?}");
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(status.stdout.contains("main last ended failed"), "{status:?}");
    assert!(status.stdout.contains("SQLSTATE 23514 (constraint `odd`)"), "{status:?}");
    world.execute("alter table argos_sync.run_counter drop constraint odd").await;
    world.backfill().await;
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
}

#[tokio::test]
async fn what_ended_long_ago_is_forgotten_and_what_still_means_something_is_not() {
    let world = TestWorld::new(20, 10).await;
    world.backfill().await;
    // Makes everything old: the passes that covered the days, and the run that made them.
    world
        .execute(
            "update argos_sync.run set started_at = started_at - interval '91 days', ended_at = ended_at - interval '91 days';
         update argos_sync.pass set started_at = started_at - interval '91 days', ended_at = ended_at - interval '91 days';
         update argos_sync.coverage set as_of = as_of - interval '91 days';
         insert into argos_sync.run (command, version, started_at, ended_at, outcome) values
            ('old', '0', now() - interval '91 days', now() - interval '91 days', 'complete'),
            ('young', '0', now() - interval '89 days', now() - interval '89 days', 'complete');
         insert into argos_sync.backfill (backfill_id, project, stream, window_from, window_to, requested_at)
            overriding system value
            values (99, 'other', 'submission', '2010-01-01', '2011-01-01', now());
         insert into argos_sync.pass
            (project, stream, lane, backfill_id, window_from, window_to, state, fence, started_at, advanced_at, ended_at, last_error)
         select 'main', 'submission', 'backfill', backfill_id, day::date, day::date + 1, state, 0, ended_at, ended_at, ended_at, name
         from (values
            ('superseded', null::bigint, '2025-02-01', 'complete', now() - interval '95 days'),
            ('split', null, '2025-02-01', 'split', now() - interval '95 days'),
            ('blocked then read', null, '2025-02-01', 'blocked', now() - interval '95 days'),
            ('still blocked', null, '2024-02-01', 'blocked', now() - interval '95 days'),
            ('never proven', null, '2024-02-01', 'empty_unverified', now() - interval '95 days'),
            ('of an open backfill', 99, '2010-01-01', 'complete', now() - interval '95 days'),
            ('young', null, '2025-02-01', 'complete', now() - interval '89 days'))
            as given (name, backfill_id, day, state, ended_at)",
        )
        .await;
    let covering = world.number("select count(distinct pass_id) from argos_sync.coverage").await;
    // With these settings, history is not read again.
    let settings =
        [("sync.since", "2025-01-01"), ("audit.cycle_days", "999"), ("audit.calls_per_day", "0")];
    let program = world.start_with(&settings, &["run"]);
    world.until("select not exists (select from argos_sync.run where command = 'old')").await;
    world
        .until("select not exists (select from argos_sync.pass where last_error = 'superseded')")
        .await;
    terminate(&program).await;
    let ran = ended_within(std::time::Duration::from_secs(10), program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let left: Vec<String> = sqlx::query_scalar(
        "select last_error from argos_sync.pass where last_error is not null order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the passes");
    assert_eq!(left, ["never proven", "of an open backfill", "still blocked", "young"]);
    let still = "select count(distinct pass_id) from argos_sync.coverage join argos_sync.pass using (pass_id)
        where coverage.as_of < now() - interval '90 days'";
    assert!((1..=covering).contains(&world.number(still).await), "coverage keeps its passes");
    assert_eq!(
        world.number("select count(*) from argos_sync.run where command = 'young'").await,
        1
    );
    assert_eq!(world.number("select count(*) from argos_sync.run where run_id = 1").await, 0);
    assert_eq!(
        world.number("select count(*) from argos_sync.run_counter where run_id = 1").await,
        0
    );
    let pointless = "select count(*) from argos_sync.coverage where not exists (
        select from argos_sync.pass where pass.pass_id = coverage.pass_id)";
    assert_eq!(world.number(pointless).await, 0);
}

#[tokio::test]
async fn status_and_check_say_when_data_are_old_and_when_a_daemon_was_seen() {
    let world = TestWorld::new(20, 10).await;
    world.backfill().await;
    let fresh = world.run(&["status", "--max-age", "1h"]).await;
    assert_eq!(fresh.code(), 0, "{fresh:?}");
    assert!(fresh.stdout.contains("no daemon has run"), "{fresh:?}");
    let mut tables = fresh.stdout.lines().filter(|line| !line.contains(": "));
    assert!(tables.all(|line| line.len() <= 80), "{fresh:?}");
    world.execute("update argos_sync.coverage set as_of = as_of - interval '3 hours'").await;
    let old = world.run(&["status", "--max-age", "2h"]).await;
    assert_eq!(old.code(), 1, "{old:?}");
    assert!(old.stdout.contains("main has data older than --max-age"), "{old:?}");
    let json = world.run(&["status", "--max-age", "2h", "--json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["too_old"], serde_json::json!(["face", "main"]), "{json}");
    for (age, code) in [("4h", 0), ("1d", 0), ("90m", 1), ("2", 2), ("h", 2), ("-1h", 2)] {
        let ran = world.run(&["status", &format!("--max-age={age}")]).await;
        assert_eq!(ran.code(), code, "{age} {ran:?}");
    }

    let program = world.start_with(&[("sync.since", "2025-01-01")], &["run"]);
    world.until("select exists (select from argos_sync.run where command = 'run')").await;
    terminate(&program).await;
    let ran = ended_within(std::time::Duration::from_secs(10), program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let status = world.run(&["status"]).await;
    assert!(status.stdout.contains("the daemon was last active at 2"), "{status:?}");

    assert_eq!(world.run(&["check"]).await.code(), 0);
    world.execute("update argos_sync.project set last_ended_at = now() - interval '3 days'").await;
    let check = world.run(&["check"]).await;
    assert_eq!(check.code(), 1, "{check:?}");
    assert!(check.stdout.contains("wrong  project main: not synced for days"), "{check:?}");
}
