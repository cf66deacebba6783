//! After a kill, a signal or a loss of the database, the next start continues, and the tables equal
//! those of an undisturbed run.

use std::{net::Ipv4Addr, time::Duration};

use argos_sync::simulator::{CallKind, Knobs};
use sqlx::{Postgres, Transaction};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Child,
};

use crate::{
    evidence::{SLOW, ended_within, terminate},
    random::Random,
    truth::assert_equal,
    world::{ALL_DAYS, KEY, TestWorld},
};

const BACKFILL: [&str; 3] = ["run", "--backfill", ALL_DAYS];
const SMALL_PAGES: [(&str, &str); 1] = [("client.page_size", "100")];
const TINY_PAGES: [(&str, &str); 1] = [("client.page_size", "20")];

/// Time in which a terminated program must end.
const GRACE: Duration = Duration::from_secs(10);

const PAGES: &str = "select coalesce(sum(pages), 0)::bigint from argos_sync.run_counter";
/// Whether the program waits for the table that the test has locked, and not for one of its own
/// connections.
const STUCK: &str = "select exists (select from pg_locks join pg_stat_activity using (pid)
    where datname = current_database() and application_name = 'argos-sync' and not granted
        and relation = 'argos.submission'::regclass)";
const RUNNING: &str = "select count(*) from argos_sync.run where ended_at is null";
const DETAILS: &str = "select coalesce(sum(details), 0)::bigint from argos_sync.run_counter";

/// The warehouse filled by an undisturbed run.
async fn undisturbed(world: &TestWorld, settings: &[(&str, &str)]) -> TestWorld {
    let twin = world.twin().await;
    let ran = twin.run_with(settings, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    twin
}

#[tokio::test]
async fn a_backfill_killed_twenty_times_ends_as_if_it_never_had_been() {
    let mut random = Random::new();
    let seed = random.0;
    println!("ARGOS_SYNC_TEST_SEED={seed}");
    let world = TestWorld::new(1500, 600).await;
    let twin = undisturbed(&world, &SMALL_PAGES).await;
    world.slow_vendor(5);
    for kill in 0..20 {
        // The first ten are killed during lists, the others during detail calls.
        let calls = if kill < 10 { random.up_to(4) } else { random.up_to(120) };
        let before = world.vendor.call_count();
        let mut program = world.start_with(&SMALL_PAGES, &BACKFILL);
        assert!(world.until_calls(&mut program, before, calls).await, "seed {seed}: too early");
        // Somewhere between an answer and the transaction that stores it.
        tokio::time::sleep(Duration::from_micros(random.up_to(15_000))).await;
        program.kill().await.expect("SIGKILL");
    }
    world.slow_vendor(0);
    let ran = world.run_with(&SMALL_PAGES, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "seed {seed}: {ran:?}");
    assert_eq!(world.tables().await, twin.tables().await, "seed {seed}");
    // Nothing was stored twice, and no window started again.
    assert_eq!(world.number(PAGES).await, twin.number(PAGES).await, "seed {seed}");
    assert_eq!(world.number(DETAILS).await, twin.number(DETAILS).await, "seed {seed}");
    assert_eq!(world.number("select count(*) from argos_sync.claim").await, 0, "seed {seed}");
}

#[tokio::test]
async fn sigterm_keeps_what_was_received_and_the_next_start_goes_on() {
    let world = TestWorld::new(400, 100).await;
    let twin = undisturbed(&world, &TINY_PAGES).await;
    world.slow_vendor(SLOW);
    let program = world.start_with(&TINY_PAGES, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 3 from argos_sync.run_counter").await;
    terminate(&program).await;
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 75, "{ran:?}");
    assert!(ran.stderr.contains("stopping after storing the received data"), "{ran:?}");
    assert!(ran.stdout.contains("interrupted"), "{ran:?}");
    let pages = world.number(PAGES).await;
    assert!((3..twin.number(PAGES).await).contains(&pages), "{pages} pages");
    assert!(world.number("select count(*) from argos.submission").await > 0);
    assert_eq!(world.number("select count(*) from argos_sync.claim").await, 0);
    world.slow_vendor(0);
    let ran = world.run_with(&TINY_PAGES, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("resuming from the checkpoint"), "{ran:?}");
    assert_eq!(world.number(PAGES).await, twin.number(PAGES).await);
    assert_eq!(world.tables().await, twin.tables().await);
}

#[tokio::test]
async fn sigterm_among_detail_calls_keeps_those_that_were_answered() {
    let world = TestWorld::new(400, 10).await;
    let twin = undisturbed(&world, &[]).await;
    world.slow_vendor(SLOW);
    let mut program = world.start_with(&[], &BACKFILL);
    world.until("select count(*) = 410 from argos_sync.record").await;
    let before = world.vendor.call_count();
    assert!(world.until_calls(&mut program, before, 40).await);
    terminate(&program).await;
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 75, "{ran:?}");
    assert!(world.number(DETAILS).await > 0, "{ran:?}");
    world.slow_vendor(0);
    let ran = world.run_with(&[], &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number(DETAILS).await, twin.number(DETAILS).await);
    assert_eq!(world.tables().await, twin.tables().await);
}

/// A backfill that waits for a lock, and the transaction that holds it.
async fn stuck(world: &TestWorld) -> (Transaction<'static, Postgres>, Child) {
    let mut locking = world.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("lock table argos.submission in access exclusive mode")
        .execute(&mut *locking)
        .await
        .expect("the lock");
    let program = world.start_with(&[], &BACKFILL);
    world.until(STUCK).await;
    (locking, program)
}

#[tokio::test]
async fn a_second_sigterm_ends_at_once() {
    let world = TestWorld::new(60, 10).await;
    let (locking, mut program) = stuck(&world).await;
    // Received pages are stored first, so the first signal does not end the program while that is
    // blocked.
    while program.try_wait().expect("a status").is_none() {
        terminate(&program).await;
    }
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 75, "{ran:?}");
    assert_eq!(world.number(RUNNING).await, 1, "nobody wrote down that it ended");
    locking.rollback().await.expect("the lock goes");
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
}

#[tokio::test]
async fn a_signal_that_comes_twice_is_one() {
    let world = TestWorld::new(60, 10).await;
    let (locking, program) = stuck(&world).await;
    let process = program.id().expect("the program runs").to_string();
    let twice = format!("kill -s TERM {process} && kill -s TERM {process}");
    let sent = tokio::process::Command::new("sh").args(["-c", &twice]).status().await;
    assert!(sent.expect("the shell runs").success());
    locking.rollback().await.expect("the lock goes");
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 75, "{ran:?}");
    assert_eq!(world.number(RUNNING).await, 0, "it ended in order");
}

#[tokio::test]
async fn the_daemon_ends_with_0_on_sigterm() {
    let world = TestWorld::new(60, 30).await;
    let settings = [("sync.since", "2025-01-01"), ("sync.window_days", "365")];
    let program = world.start_with(&settings, &["run"]);
    // Each project has its own runs.
    world
        .until(
            "select (select count(*) from argos.submission) = 60 and (select count(*) from argos.faceauth) = 30",
        )
        .await;
    terminate(&program).await;
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 30);
}

#[tokio::test]
async fn the_daemon_ends_with_0_in_the_middle_of_a_window() {
    let world = TestWorld::new(300, 0).await;
    world.slow_vendor(SLOW);
    let settings = [("sync.since", "2025-01-01"), ("client.page_size", "10")];
    let program = world.start_with(&settings, &["run"]);
    world.until("select coalesce(sum(received), 0) > 10 from argos_sync.run_counter").await;
    terminate(&program).await;
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(world.number("select count(*) from argos.submission").await < 300, "{ran:?}");
}

#[tokio::test]
async fn a_database_that_goes_away_again_and_again_costs_nothing() {
    let world = TestWorld::new(600, 200).await;
    let twin = undisturbed(&world, &SMALL_PAGES).await;
    world.slow_vendor(5);
    let mut program = world.start_with(&SMALL_PAGES, &BACKFILL);
    let mut outages = 0;
    loop {
        let calls = if outages < 8 { 3 } else { 40 };
        let before = world.vendor.call_count();
        if !world.until_calls(&mut program, before, calls).await {
            break;
        }
        world
            .number(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and application_name = 'argos-sync'",
            )
            .await;
        outages += 1;
    }
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(outages > 10, "{outages}");
    assert_eq!(world.tables().await, twin.tables().await);
    assert_eq!(world.number(PAGES).await, twin.number(PAGES).await);
}

#[tokio::test]
async fn a_page_that_postgresql_refused_is_stored_again_without_another_call() {
    let world = TestWorld::new(1500, 100).await;
    let knobs = world.vendor.knobs(KEY).expect("a project");
    let knobs = Knobs { full_list_items: true, ..knobs };
    world.vendor.set_knobs(KEY, knobs).expect("a project");
    let settings = [("sync.details", "never"), ("sync.workers", "1")];
    let twin = undisturbed(&world, &settings).await;
    assert_eq!(world.run(&["migrate"]).await.code(), 0);
    sqlx::raw_sql(
        "create sequence public.writes;
         create function public.refuse_some() returns trigger language plpgsql as $$ begin
            if nextval('public.writes') in (400, 700) then raise sqlstate '40001'; end if;
            return new;
         end $$;
         create trigger refuse_some before insert on argos.submission
            for each row execute function public.refuse_some()",
    )
    .execute(&world.pool)
    .await
    .expect("a database that refuses");

    let lists = || world.vendor.calls_by_kind()[&CallKind::SubmissionList];
    let before = lists();
    let ran = world.run_with(&settings, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let writes = world.number("select last_value from public.writes").await;
    assert!(writes > 1500, "{writes}: no page was refused");
    assert_eq!(world.tables().await, twin.tables().await);
    // `before` counts the lists of the undisturbed run.
    assert_eq!(lists() - before, before, "{ran:?}");
    assert_eq!(world.number(PAGES).await, twin.number(PAGES).await);
}

/// A connection to the database of a world that can be cut permanently.
pub(crate) async fn wire(world: &TestWorld) -> (String, tokio::task::JoinHandle<()>) {
    let (scheme, rest) = world.database.url.split_once("://").expect("an address");
    let (user, rest) = rest.rsplit_once('@').expect("a user");
    let (server, name) = rest.split_once('/').expect("a database");
    let server = server.to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let carrying = tokio::spawn(async move {
        // Aborting this task aborts its connections.
        let mut carried = tokio::task::JoinSet::new();
        loop {
            let (mut from, _) = listener.accept().await.expect("a connection");
            let server = server.clone();
            carried.spawn(async move {
                if let Ok(mut to) = TcpStream::connect(&server).await {
                    let _cut = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
    (format!("{scheme}://{user}@{address}/{name}"), carrying)
}

#[tokio::test]
async fn sigterm_ends_in_time_though_the_database_is_gone() {
    let world = TestWorld::new(400, 100).await;
    let twin = undisturbed(&world, &TINY_PAGES).await;
    world.slow_vendor(SLOW);
    let (url, carrying) = wire(&world).await;
    let settings = [TINY_PAGES[0], ("database.url", &url)];
    let program = world.start_with(&settings, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 3 from argos_sync.run_counter").await;
    carrying.abort();
    terminate(&program).await;
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 75, "{ran:?}");
    world.slow_vendor(0);
    let ran = world.run_with(&TINY_PAGES, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number(PAGES).await, twin.number(PAGES).await);
    assert_eq!(world.tables().await, twin.tables().await);
}

#[tokio::test]
async fn sigterm_ends_in_time_though_the_database_is_stuck() {
    let world = TestWorld::new(60, 10).await;
    let (locking, program) = stuck(&world).await;
    terminate(&program).await;
    let ran = ended_within(GRACE, program).await;
    assert_eq!(ran.code(), 75, "{ran:?}");
    locking.rollback().await.expect("the lock goes");
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
}

#[tokio::test]
async fn after_a_failover_connections_to_the_old_server_are_closed() {
    let world = TestWorld::new(400, 100).await;
    world.slow_vendor(SLOW);
    world
        .execute(
            "create schema test;
             create table test.old_server (pid int);
             create function test.refuse() returns trigger language plpgsql as $$ begin
                 if exists (select from test.old_server where pid = pg_backend_pid()) then
                     raise exception using errcode = '25006', message = 'read-only';
                 end if;
                 return null;
             end $$;
             create trigger refuse before insert or update on argos_sync.pass execute function test.refuse();
             create trigger refuse before insert or update on argos_sync.key_budget
                execute function test.refuse();",
        )
        .await;
    let settings = [TINY_PAGES.as_slice(), &[("sync.give_up_after_minutes", "1")]].concat();
    let program = world.start_with(&settings, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 2 from argos_sync.run_counter").await;
    // From now on, the server of these connections accepts no writes.
    world
        .execute(
            "insert into test.old_server select pid from pg_stat_activity
             where application_name = 'argos-sync' and datname = current_database()",
        )
        .await;
    world.slow_vendor(0);
    let ran = ended_within(Duration::from_mins(2), program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("SQLSTATE 25006"), "{ran:?}");
    assert!(
        ran.stderr.contains("the server is read-only, as a standby or after a failover"),
        "{ran:?}"
    );
    assert_equal(&world).await;
}
