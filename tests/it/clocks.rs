//! A wrong clock hides no records and delays no work, and differences are reported.

use argos_sync::simulator::{Addition, CallKind, Change, Knobs};
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::{
    evidence::Clock,
    truth::assert_equal,
    world::{KEY, Ran, TestWorld},
};

const SINCE: [(&str, &str); 1] = [("sync.since", "2025-01-01")];
const READ_AT: &str = "select count(*) from argos_sync.coverage where as_of > argos_sync.clock()";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// Adds a submission at the vendor.
fn appears(world: &TestWorld, created_at: &str) -> String {
    let created_at_ms = Some(at(created_at).timestamp_millis());
    world.vendor.add(KEY, &Addition { created_at_ms, result: None }).expect("a submission")
}

async fn once(world: &TestWorld) -> Ran {
    let ran = world.run_with(&SINCE, &["run", "--once"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

async fn is_stored(world: &TestWorld, id: &str) -> bool {
    sqlx::query_scalar("select exists (select from argos.submission where submission_id = $1)")
        .bind(id)
        .fetch_one(&world.pool)
        .await
        .expect("an answer")
}

/// Sets the other clocks ahead of PostgreSQL's by this interval.
async fn others_are_ahead(world: &TestWorld, interval: &str) {
    let sql = format!(
        "create or replace function argos_sync.clock_ahead(other timestamptz) returns interval
            language sql volatile as $$ select other - clock_timestamp() + interval '{interval}' $$"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.expect("another clock");
}

#[tokio::test]
async fn days_that_were_read_by_a_clock_that_was_ahead_are_read_again_once_it_is_right() {
    let world = TestWorld::new(60, 5).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-05 12:00:00Z").await;
    once(&world).await;
    // The real date is the second of April.
    clock.set(at("2025-04-02T12:00:00Z")).await;
    let id = appears(&world, "2025-04-02T11:00:00Z");
    let old = world.vendor.submission_ids(KEY).next().expect("a submission");
    let lists = || world.vendor.calls_by_kind()[&CallKind::SubmissionList];
    let before = lists();
    let ran = once(&world).await;
    assert!(ran.stderr.contains("clock was ahead and was set back"), "{ran:?}");
    assert!(lists() > before && is_stored(&world, &id).await);
    assert_eq!(world.number(READ_AT).await, 0);
    // All days are read, not only the newest: a change of an older record arrives, too.
    world.vendor.change(KEY, &old, Change::FlagAml).expect("a change");
    clock.forward(24 * 60).await;
    once(&world).await;
    assert_equal(&world).await;
    let ran = once(&world).await;
    assert!(!ran.stderr.contains("set back"), "only once: {ran:?}");
}

#[tokio::test]
async fn detail_calls_and_claims_do_not_wait_until_the_wrong_time_has_come() {
    let world = TestWorld::new(40, 5).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-12 12:00:00Z").await;
    once(&world).await;
    sqlx::raw_sql(
        "insert into argos_sync.detail_due (project, stream, id, due_at, priority, holder, expires_at)
            select project, stream, id, argos_sync.clock() + interval '1 hour', 0, 'elsewhere/1',
                argos_sync.clock() + interval '5 minutes'
            from argos_sync.record where stream = 'submission';
         insert into argos_sync.claim (project, stream, window_from, window_to, fence, holder, expires_at)
            values ('main', 'submission', '2025-03-25', '2025-04-20', nextval('argos_sync.fence'),
                'elsewhere/1', argos_sync.clock() + interval '5 minutes')",
    )
    .execute(&world.pool)
    .await
    .expect("left behind by a process that is gone");
    clock.set(at("2025-04-02T12:00:00Z")).await;
    // Any run detects it; this one waits for no claim.
    let ran = world.run(&["fetch", "submission", "--id", "nobody"]).await;
    assert!(ran.stderr.contains("set back"), "{ran:?}");
    // The calls are due within minutes now, not within days.
    clock.forward(66).await;
    once(&world).await;
    assert_eq!(
        world
            .number("select count(*) from argos_sync.detail_due where due_at <= argos_sync.clock()")
            .await,
        0
    );
    assert_equal(&world).await;
}

#[tokio::test]
async fn a_clock_that_is_days_behind_hides_no_submission_of_today() {
    let world = TestWorld::new(60, 5).await;
    let _clock = Clock::replace(&world.pool, "2025-03-30 12:00:00Z").await;
    // The real date is the second of April, and this machine's clock shows it.
    others_are_ahead(&world, "3 days").await;
    let id = appears(&world, "2025-04-02T11:00:00Z");
    let ran = once(&world).await;
    assert!(is_stored(&world, &id).await, "{ran:?}");
    let skew = "this machine's clock is 3 d 0 h 0 min ahead of PostgreSQL's clock";
    assert!(ran.stderr.contains(skew), "{ran:?}");
    for command in ["check", "status"] {
        let ran = world.run(&[command]).await;
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert!(ran.stdout.contains(skew), "{ran:?}");
    }
}

#[tokio::test]
async fn the_vendors_own_date_is_enough_and_its_difference_is_reported() {
    let world = TestWorld::new(60, 5).await;
    let _clock = Clock::replace(&world.pool, "2025-03-30 12:00:00Z").await;
    let date_ahead_seconds = 3 * 86_400;
    world.vendor.set_all_knobs(&Knobs { date_ahead_seconds, ..Knobs::default() });
    let id = appears(&world, "2025-04-02T11:00:00Z");
    let ran = once(&world).await;
    assert!(is_stored(&world, &id).await, "already in the run that heard it first: {ran:?}");
    let skew = "main: the vendor's clock is ";
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(status.stdout.contains(skew), "{status:?}");
    let json = world.run(&["status", "--json"]).await.stdout;
    assert!(json.contains(r#""clock": "vendor""#), "{json}");
    // The difference is reported until the vendor's clock is right again.
    world.vendor.set_all_knobs(&Knobs::default());
    once(&world).await;
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
}

#[tokio::test]
async fn calls_that_were_spread_by_a_clock_that_was_ahead_delay_nothing() {
    let world = TestWorld::new(10, 5).await;
    world.backfill().await;
    world
        .execute("update argos_sync.key_rate set free_at = argos_sync.clock() + interval '1 day'")
        .await;
    // If this time were used, the check would reach its time limit.
    let check = world.run(&["check"]).await;
    assert_eq!(check.code(), 0, "{check:?}");
    assert!(check.stdout.contains("main: date style: "), "{check:?}");
    // A check does not wait for calls of other processes, unlike other commands.
    let ahead =
        "update argos_sync.key_rate set free_at = argos_sync.clock() + interval '50 seconds'";
    world.execute(ahead).await;
    let check = world.run(&["check"]).await;
    assert_eq!(check.code(), 0, "{check:?}");
    let slow = "warn   main: the probe took longer than 10 s";
    assert!(check.stdout.contains(slow), "{check:?}");
}

#[tokio::test]
async fn clocks_that_agree_are_not_mentioned() {
    let world = TestWorld::new(10, 5).await;
    let ran = world.backfill().await;
    assert!(!ran.stderr.contains("clock"), "{ran:?}");
    for command in ["check", "status"] {
        let ran = world.run(&[command]).await;
        assert!(!ran.stdout.contains("clock"), "{ran:?}");
    }
}

#[tokio::test]
async fn the_slow_cycle_of_detail_calls_does_not_wait_for_the_wrong_time_either() {
    let world = TestWorld::new(40, 0).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let once = async || {
        let settings = [SINCE[0], ("audit.detail_cycle_days", "4")];
        let ran = world.run_with(&settings, &["run", "--once", "--project", "main"]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    };
    let mut clock = Clock::replace(&world.pool, "2025-05-12 12:00:00Z").await;
    once().await;
    // The real date is the twelfth of April.
    clock.set(at("2025-04-12T12:00:00Z")).await;
    for _ in 0..6 {
        once().await;
        clock.forward(24 * 60).await;
    }
    let unread = "select count(*) from argos.submission
        where detail_read_at not between '2025-04-12 12:00:00Z' and argos_sync.clock()";
    assert_eq!(world.number(unread).await, 0);
}

#[tokio::test]
async fn what_was_not_found_yet_by_a_clock_that_was_ahead_is_not_found_by_the_right_one() {
    let world = TestWorld::new(20, 0).await;
    let mut clock = Clock::replace(&world.pool, "2025-05-12 12:00:00Z").await;
    let once = ["run", "--once", "--project", "main"];
    assert_eq!(world.run_with(&SINCE, &once).await.code(), 0);
    world
        .execute(
            "insert into argos_sync.suspect (project, stream, id, marked_at, mark_found_at)
             select project, stream, id, argos_sync.clock(), argos_sync.clock()
             from argos_sync.record where deleted_at is null order by id limit 1",
        )
        .await;
    // The real date is the twelfth of April. No call is made.
    clock.set(at("2025-04-12T12:00:00Z")).await;
    let unreachable = [
        SINCE[0],
        ("project.main.base_url", "http://127.0.0.1:1/v3"),
        ("client.retry_budget_seconds", "1"),
        ("sync.give_up_after_minutes", "0"),
    ];
    let ran = world.run_with(&unreachable, &once).await;
    assert!(ran.stderr.contains("was ahead and was set back"), "{ran:?}");
    let found = "select count(*) from argos_sync.suspect
        where absent_at is null and mark_found_at <= argos_sync.clock()";
    assert_eq!(world.number(found).await, 1);
    let paused = "select count(*) from argos_sync.key_rate where paused_until is not null";
    assert_eq!(world.number(paused).await, 0);
}
