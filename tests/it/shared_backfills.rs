//! Processes that share a backfill: each window and each detail call is done once, by whichever
//! process.

use std::time::Duration;

use argos_sync::simulator::{CallKind, Knobs};

use crate::{
    evidence::{SLOW, ended_within, resume, suspend, terminate},
    truth::assert_equal,
    world::{ALL_DAYS, TestWorld},
};

/// Longer than any step here, even on a busy machine, but shorter than a lease.
const SOON: Duration = Duration::from_secs(150);

const BACKFILL: [&str; 5] = ["run", "--backfill", ALL_DAYS, "--project", "main"];
/// Pages of 20 items, so that a window of thirty days takes several calls.
const SETTINGS: [(&str, &str); 3] =
    [("client.page_size", "20"), ("sync.window_days", "10"), ("sync.workers", "2")];

const PAGES: &str = "select coalesce(sum(pages), 0)::bigint from argos_sync.run_counter";
const DETAILS: &str = "select coalesce(sum(details), 0)::bigint from argos_sync.run_counter";
const OPEN: &str = "select count(*) from argos_sync.backfill where ended_at is null";
const COMPLETE: &str = "select count(*) from argos_sync.backfill where outcome = 'complete'";
const WINDOWS: &str = "select count(*) from argos_sync.backfill_window";

/// A vendor with records on every day, and a warehouse with a schema.
async fn world() -> TestWorld {
    let world = TestWorld::new(600, 0).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    world.run(&["migrate"]).await;
    world
}

/// The same vendor with a warehouse that one undisturbed process has filled.
async fn filled_by_one(world: &TestWorld) -> TestWorld {
    let twin = world.twin().await;
    let ran = twin.run_with(&SETTINGS, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    twin
}

/// The backfill of a job.
fn of_job(job: &'static str) -> Vec<&'static str> {
    [&BACKFILL[..], &["--job", job]].concat()
}

#[tokio::test]
async fn processes_that_ask_for_the_same_days_share_the_windows_and_the_detail_calls() {
    let world = world().await;
    let twin = filled_by_one(&world).await;
    world.slow_vendor(SLOW);
    // They begin together.
    let mut waiting = world.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("lock table argos_sync.backfill in access exclusive mode")
        .execute(&mut *waiting)
        .await
        .expect("the lock");
    let programs: Vec<_> = (0..3).map(|_| world.start_with(&SETTINGS, &BACKFILL)).collect();
    world.until("select count(*) = 3 from argos_sync.run").await;
    waiting.rollback().await.expect("the lock goes");
    for program in programs {
        let ran = ended_within(SOON, program).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.stdout.contains("complete "), "{ran:?}");
    }
    assert_eq!(world.tables().await, twin.tables().await);
    assert_eq!(world.number(PAGES).await, twin.number(PAGES).await, "each page is read once");
    assert_eq!(world.number(DETAILS).await, twin.number(DETAILS).await, "each call is made once");
    let readers = "select count(distinct run_id) from argos_sync.run_counter where pages > 0";
    let callers = "select count(distinct run_id) from argos_sync.run_counter where details > 0";
    assert!(world.number(readers).await > 1, "the windows are shared");
    assert!(world.number(callers).await > 1, "the detail calls are shared");
    assert_eq!((world.number(OPEN).await, world.number(COMPLETE).await), (0, 1));
}

#[tokio::test]
async fn a_process_that_comes_later_takes_over_what_a_killed_one_has_not_read() {
    let world = world().await;
    let twin = filled_by_one(&world).await;
    world.slow_vendor(SLOW);
    let mut killed = world.start_with(&SETTINGS, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 5 from argos_sync.run_counter").await;
    let second = world.start_with(&SETTINGS, &BACKFILL);
    world.until("select count(distinct run_id) = 2 from argos_sync.run_counter").await;
    killed.kill().await.expect("SIGKILL");
    world.slow_vendor(0);
    let ran = ended_within(SOON, second).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.tables().await, twin.tables().await);
    assert_eq!(world.number(PAGES).await, twin.number(PAGES).await, "no window started again");
}

#[tokio::test]
async fn a_process_frozen_past_its_lease_ends_in_order_when_another_has_read_its_windows() {
    let world = world().await;
    let twin = filled_by_one(&world).await;
    world.slow_vendor(SLOW);
    let first = world.start_with(&SETTINGS, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 5 from argos_sync.run_counter").await;
    suspend(&first).await;
    // Its leases end.
    world.execute("update argos_sync.claim set expires_at = now() - interval '1 second'").await;
    world.slow_vendor(0);
    let second = ended_within(SOON, world.start_with(&SETTINGS, &BACKFILL)).await;
    assert_eq!(second.code(), 0, "{second:?}");
    assert_eq!(world.tables().await, twin.tables().await);
    resume(&first).await;
    let first = ended_within(SOON, first).await;
    assert_eq!(first.code(), 0, "{first:?}");
    assert_eq!(world.tables().await, twin.tables().await);
    assert_eq!(world.number(COMPLETE).await, 1);
}

#[tokio::test]
async fn a_finished_job_has_nothing_to_do_where_an_unnamed_backfill_reads_everything_again() {
    let world = world().await;
    let lists = || world.vendor.calls_by_kind()[&CallKind::SubmissionList];
    let calls_of = async |arguments: &[&str]| {
        let before = lists();
        let ran = world.run_with(&SETTINGS, arguments).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.stdout.contains("complete "), "{ran:?}");
        lists() - before
    };
    let all = calls_of(&of_job("one")).await;
    assert_eq!(calls_of(&of_job("one")).await, 0);
    assert_eq!(calls_of(&BACKFILL).await, all);
    assert_eq!(calls_of(&of_job("two")).await, all);
    let other_days = ["run", "--backfill", "2025-02-01..2025-02-02", "--job", "one"];
    let ran = world.run(&other_days).await;
    assert_eq!(ran.code(), 78, "{ran:?}");
    assert!(ran.stderr.contains("--job names a backfill of other days, 2025-01-01"), "{ran:?}");
}

#[tokio::test]
async fn a_job_that_was_killed_is_resumed_under_its_name_even_with_restart() {
    let world = world().await;
    let twin = filled_by_one(&world).await;
    world.slow_vendor(SLOW);
    let job = [&of_job("one")[..], &["--restart"]].concat();
    let mut killed = world.start_with(&SETTINGS, &job);
    world.until("select coalesce(sum(pages), 0) >= 5 from argos_sync.run_counter").await;
    killed.kill().await.expect("SIGKILL");
    world.slow_vendor(0);
    let ran = world.run_with(&SETTINGS, &job).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number(PAGES).await, twin.number(PAGES).await, "no window started again");
    assert_eq!(world.number(COMPLETE).await, 1);
}

#[tokio::test]
async fn a_job_whose_backfill_was_replaced_joins_the_new_one_even_with_restart() {
    let world = world().await;
    world.slow_vendor(SLOW);
    let job = [&of_job("one")[..], &["--restart"]].concat();
    let mut killed = world.start_with(&SETTINGS, &job);
    world.until("select coalesce(sum(pages), 0) >= 3 from argos_sync.run_counter").await;
    killed.kill().await.expect("SIGKILL");
    let restart = [&BACKFILL[..], &["--restart"]].concat();
    let mut killed = world.start_with(&SETTINGS, &restart);
    world.until("select count(*) = 2 from argos_sync.backfill").await;
    killed.kill().await.expect("SIGKILL");
    world.slow_vendor(0);
    let ran = world.run_with(&SETTINGS, &job).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let backfills = "select count(*) from argos_sync.backfill";
    assert_eq!((world.number(backfills).await, world.number(COMPLETE).await), (2, 1));
}

#[tokio::test]
async fn a_daemon_reads_what_is_left_of_a_backfill_and_ends_it() {
    let world = world().await;
    world.slow_vendor(SLOW);
    let mut killed = world.start_with(&SETTINGS, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 5 from argos_sync.run_counter").await;
    killed.kill().await.expect("SIGKILL");
    assert_eq!(world.number(OPEN).await, 1);
    world.slow_vendor(0);
    // The days of the backfill are before the first day of the warehouse.
    let settings = [&SETTINGS[..], &[("sync.since", "2025-05-01")]].concat();
    let daemon = world.start_with(&settings, &["run", "--project", "main"]);
    world.until("select coalesce(outcome = 'complete', false) from argos_sync.backfill").await;
    terminate(&daemon).await;
    assert_eq!(ended_within(SOON, daemon).await.code(), 0);
    assert_equal(&world).await;
    assert_eq!(world.number(WINDOWS).await, 0);
}

#[tokio::test]
async fn a_restart_leaves_no_work_to_the_process_that_it_replaces() {
    let world = world().await;
    world.slow_vendor(SLOW);
    let first = world.start_with(&SETTINGS, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 3 from argos_sync.run_counter").await;
    let restart = [&BACKFILL[..], &["--restart"]].concat();
    let second = world.start_with(&SETTINGS, &restart);
    world.until("select count(*) = 2 from argos_sync.backfill").await;
    world.slow_vendor(0);
    let first = ended_within(SOON, first).await;
    assert_eq!(first.code(), 65, "{first:?}");
    assert!(first.stderr.contains("the backfill was started again with --restart"), "{first:?}");
    let second = ended_within(SOON, second).await;
    assert_eq!(second.code(), 0, "{second:?}");
    assert_equal(&world).await;
    assert_eq!((world.number(OPEN).await, world.number(COMPLETE).await), (0, 1));
}

#[tokio::test]
async fn status_shows_an_unfinished_backfill_until_it_is_cancelled() {
    let world = world().await;
    world.slow_vendor(SLOW);
    let mut killed = world.start_with(&SETTINGS, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 3 from argos_sync.run_counter").await;
    killed.kill().await.expect("SIGKILL");
    let status = world.run(&["status"]).await;
    let shown = "main has an unfinished backfill of 2025-01-01..2025-03-31";
    assert!(status.stdout.contains(shown), "{status:?}");
    let cancel = [&BACKFILL[..], &["--cancel"]].concat();
    let stored = world.number("select count(*) from argos.submission").await;
    for said in ["main: cancelled", "main: there is no unfinished backfill of these days"] {
        let ran = world.run(&cancel).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.stdout.contains(said), "{ran:?}");
    }
    assert_eq!(world.number("select count(*) from argos.submission").await, stored);
    assert_eq!((world.number(OPEN).await, world.number(WINDOWS).await), (0, 0));
    let status = world.run(&["status"]).await;
    assert!(!status.stdout.contains("unfinished backfill"), "{status:?}");
}

#[tokio::test]
async fn runs_with_work_for_one_end_with_it_and_read_nothing_twice() {
    let world = world().await;
    world.slow_vendor(SLOW);
    // One window, which one process reads.
    let settings = [("sync.since", "2025-01-01"), ("sync.window_days", "365")];
    let once = ["run", "--once", "--project", "main"];
    let twin = world.twin().await;
    let ran = twin.run_with(&settings, &once).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let programs: Vec<_> = (0..3).map(|_| world.start_with(&settings, &once)).collect();
    for program in programs {
        let ran = ended_within(SOON, program).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    }
    assert_equal(&world).await;
    assert_eq!(world.number(DETAILS).await, twin.number(DETAILS).await);
    // A process that waits for a lease ends minutes later.
    let late = "select count(*) from argos_sync.run where ended_at > interval '1 minute' +
        (select max(ended_at) from argos_sync.pass)";
    assert_eq!(world.number(late).await, 0);
}
