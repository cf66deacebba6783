//! Waiting for the budget and for other processes. Work that another process did counts as done.

use std::time::Duration;

use argos_sync::simulator::Knobs;
use sqlx::AssertSqlSafe;

use crate::{
    evidence::{Clock, ended_within},
    world::{ALL_DAYS, KEY, TestWorld},
};

/// Shorter than a lease, but longer than any step here, even on a busy machine.
const SOON: Duration = Duration::from_secs(150);

const LEASED: &str = "select count(*) from argos_sync.detail_due where expires_at > now()";
const DUE: &str = "select count(*) from argos_sync.detail_due";
const MADE: &str = "select count(*) from argos_sync.detail_call";
/// A claim of another process on some days.
const HELD: &str = "insert into argos_sync.claim (project, stream, window_from, window_to, fence, holder, expires_at) values
    ('main', 'submission', '2024-01-01', '2024-01-03', 1, 'another machine/1/1', now() + interval '1 hour')";
const RELEASED: &str = "delete from argos_sync.claim where holder = 'another machine/1/1'";

/// Disables deletion marks, because detail calls that confirm a mark wait for an hour.
fn without_deletions(world: &TestWorld) {
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
}

#[tokio::test]
async fn a_backfill_that_used_up_its_days_calls_ends_as_partial_though_more_come_within_its_patience()
 {
    let world = TestWorld::new(150, 0).await;
    without_deletions(&world);
    // The other lanes lend calls every two hours, next at 14:00.
    world.set_clock("timestamptz '2025-06-01T13:35:00Z'", false).await;
    let settings = [("budget.calls_per_day", "60"), ("client.calls_per_second", "0")];
    let days = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    let ran = ended_within(SOON, world.start_with(&settings, &days)).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("detail calls wait for a retry"), "{ran:?}");
    assert!(ran.stderr.contains("next calls at 14:0"), "{ran:?}");
    assert_eq!(world.number(LEASED).await, 0, "what was not made is given back");
    assert_eq!(world.number(DUE).await + world.number(MADE).await, 150);
}

#[tokio::test]
async fn detail_calls_whose_answers_cannot_be_stored_are_given_back_at_once() {
    let world = TestWorld::new(150, 0).await;
    without_deletions(&world);
    world.run(&["migrate"]).await;
    world
        .execute(
            "alter table argos_sync.detail_call add constraint odd check (id is null) not valid",
        )
        .await;
    let ran = world.run(&["run", "--backfill", ALL_DAYS, "--project", "main"]).await;
    assert_eq!(ran.code(), 70, "{ran:?}");
    assert_eq!(world.number(DUE).await, 150);
    assert_eq!(
        world
            .number(
                "select count(*) from argos_sync.detail_due where expires_at > argos_sync.clock()"
            )
            .await,
        0
    );
}

#[tokio::test]
async fn a_run_without_work_of_its_own_ends_with_the_other_process_that_makes_it() {
    for patience in ["30", "0"] {
        let world = TestWorld::new(60, 0).await;
        without_deletions(&world);
        let settings = [
            ("sync.since", "2025-01-01"),
            ("sync.give_up_after_minutes", patience),
            // The first process takes longer for its calls than the second for its lists.
            ("client.calls_in_flight_max", "4"),
        ];
        world.slow_vendor(1500);
        let first =
            world.start_with(&settings, &["run", "--backfill", ALL_DAYS, "--project", "main"]);
        world
            .until("select count(*) = 60 from argos_sync.detail_due where expires_at > now()")
            .await;
        let second = world.start_with(&settings, &["run", "--once", "--project", "main"]);
        let second = ended_within(SOON, second).await;
        assert_eq!(second.code(), 0, "{second:?}");
        assert!(second.stderr.contains("waiting: another process is making"), "{second:?}");
        let first = ended_within(SOON, first).await;
        assert_eq!(first.code(), 0, "{first:?}");
        assert_eq!(
            (world.number(DUE).await, world.number(MADE).await),
            (0, 60),
            "each is made once"
        );
    }
}

#[tokio::test]
async fn a_run_that_waits_for_a_process_that_is_killed_makes_its_detail_calls() {
    let world = TestWorld::new(60, 0).await;
    without_deletions(&world);
    world.slow_vendor(1500);
    let days = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    let mut first = world.start_with(&[], &days);
    world.until("select count(*) = 60 from argos_sync.detail_due where expires_at > now()").await;
    let second = world.start_with(&[("sync.give_up_after_minutes", "0")], &days);
    world.until("select count(*) = 2 from argos_sync.run").await;
    first.kill().await.expect("SIGKILL");
    world.slow_vendor(0);
    let second = ended_within(SOON, second).await;
    assert_eq!(second.code(), 0, "{second:?}");
    assert_eq!(world.number(DUE).await, 0);
}

#[tokio::test]
async fn a_window_that_another_process_reads_meanwhile_is_waited_for_and_not_read_again() {
    let world = TestWorld::new(0, 0).await;
    without_deletions(&world);
    world.run(&["migrate"]).await;
    world.execute(HELD).await;
    let settings = [("sync.give_up_after_minutes", "0")];
    let days = ["run", "--backfill", "2024-01-01..2024-01-02", "--project", "main"];
    let program = world.start_with(&settings, &days);
    world.until("select exists (select from argos_sync.run where ended_at is null)").await;
    world
        .execute(
            "insert into argos_sync.coverage (project, stream, day, as_of, pass_id, fence)
         select 'main', 'submission', day, now(), 1, nextval('argos_sync.fence')
         from (values (date '2024-01-01'), (date '2024-01-02')) as read (day)",
        )
        .await;
    world.execute(RELEASED).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.contains("complete "), "{ran:?}");
    assert_eq!(world.vendor.call_count(), 0, "{ran:?}");
}

#[tokio::test]
async fn a_window_that_came_back_empty_counts_once_another_process_has_proven_the_filter() {
    let world = TestWorld::new(0, 0).await;
    without_deletions(&world);
    world.run(&["migrate"]).await;
    world.execute(HELD).await;
    let settings =
        [("sync.window_days", "2"), ("sync.workers", "2"), ("sync.give_up_after_minutes", "0")];
    let days = ["run", "--backfill", "2024-01-01..2024-01-04", "--project", "main"];
    let program = world.start_with(&settings, &days);
    world
        .until("select exists (select from argos_sync.pass where state = 'empty_unverified')")
        .await;
    world.execute("update argos_sync.project set filter_proven = true").await;
    world.execute(RELEASED).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.contains("complete and empty"), "{ran:?}");
    assert_eq!(world.number("select count(*) from argos_sync.coverage").await, 4);
}

#[tokio::test]
async fn a_process_that_does_not_go_on_is_waited_for_until_its_lease_should_have_ended() {
    let world = TestWorld::new(0, 0).await;
    without_deletions(&world);
    world.run(&["migrate"]).await;
    // The clock is stopped, so no lease expires by it.
    let _clock = Clock::replace(&world.pool, "2025-06-01 12:00:00Z").await;
    world
        .execute(
            "insert into argos_sync.claim (project, stream, window_from, window_to, fence, holder, expires_at) values
            ('main', 'submission', '2024-01-01', '2024-01-03', 1, 'another machine/1/1', '2025-06-01 12:00:01Z')",
        )
        .await;
    let days = ["run", "--backfill", "2024-01-01..2024-01-02", "--project", "main"];
    let ran = ended_within(SOON, world.start_with(&[], &days)).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("waiting: another process is reading"), "{ran:?}");
    assert!(
        ran.stderr.contains("another process claims these days and makes no progress"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn a_backfill_makes_the_detail_calls_of_its_own_days_and_leaves_all_others() {
    let world = TestWorld::new(150, 0).await;
    without_deletions(&world);
    let backfill = async |days: &str| {
        let ran = world.run(&["run", "--backfill", days, "--project", "main"]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    };
    backfill(ALL_DAYS).await;
    // The program counts the calls of the days in one way if few are due, in another if many are.
    for others in [0, 12_000] {
        let sql = format!(
            "delete from argos_sync.detail_due;
             insert into argos_sync.detail_due (project, stream, id, due_at)
             select 'main', 'submission', 'other-' || n, now() from generate_series(1, {others}) as n;
             insert into argos_sync.detail_due (project, stream, id, due_at)
             select project, stream, id, now() from argos_sync.record;
             truncate argos_sync.detail_call"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.expect("what is due");
        let ours = "select count(*) from argos_sync.record where window_day between '2025-02-10' and '2025-02-14'";
        let ours = world.number(ours).await;
        assert!((1..100).contains(&ours), "{ours}");
        let plan = ["plan", "--backfill", "2025-02-10..2025-02-14", "--project", "main"];
        let plan = world.run(&plan).await;
        let line = plan.stdout.lines().find(|line| line.contains("detail calls"));
        let calls = line.and_then(|line| line.split_whitespace().nth(2));
        assert_eq!(calls, Some(ours.to_string().as_str()), "{plan:?}");
        backfill("2025-02-10..2025-02-14").await;
        let of_others = "select count(*) from argos_sync.detail_call join argos_sync.record using (project, stream, id)
            where window_day not between '2025-02-10' and '2025-02-14'";
        assert_eq!(world.number(MADE).await, ours, "{others}");
        assert_eq!(world.number(of_others).await, 0, "{others}");
        assert_eq!(world.number(DUE).await, 150 + others - ours, "{others}");
    }
    assert_eq!(world.vendor.submission_ids(KEY).count(), 150);
}
