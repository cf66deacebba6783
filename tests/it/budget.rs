//! The budget: every call is counted, lanes keep their shares, processes share both limits, and
//! each day has its own budget.

use std::time::{Duration, Instant};

use argos_sync::simulator::Faults;
use sqlx::AssertSqlSafe;

use crate::{
    evidence::ended_within,
    world::{ALL_DAYS, Ran, TestWorld},
};

const BACKFILL: [&str; 5] = ["run", "--backfill", ALL_DAYS, "--project", "main"];

/// Pages of ten items in one window, no detail calls, no waiting.
const LISTS_ALONE: [(&str, &str); 4] = [
    ("client.page_size", "10"),
    ("sync.window_days", "365"),
    ("sync.details", "never"),
    ("sync.give_up_after_minutes", "0"),
];

const CALLS: &str = "select coalesce(sum(taken), 0)::bigint from argos_sync.key_budget";

impl TestWorld {
    /// Replaces the warehouse's clock with one that starts at this SQL expression, and that runs or
    /// stands still.
    pub(crate) async fn set_clock(&self, time: &str, stands_still: bool) {
        let time =
            if stands_still { time.to_owned() } else { format!("{time} + (now() - started)") };
        let sql = format!(
            "drop table if exists public.clock cascade;
             create table public.clock as select now() as started;
             create or replace function argos_sync.clock() returns timestamptz language sql stable
                as $$ select {time} from public.clock $$;"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.expect("another clock");
    }

    async fn run_lists(&self, calls_per_day: &str, arguments: &[&str]) -> Ran {
        let mut settings = LISTS_ALONE.to_vec();
        settings.push(("budget.calls_per_day", calls_per_day));
        settings.push(("sync.since", "2025-05-31"));
        self.run_with(&settings, arguments).await
    }

    async fn counted(&self) -> u64 {
        u64::try_from(self.number(CALLS).await).expect("a count")
    }
}

#[tokio::test]
async fn every_attempt_counts_repeated_ones_and_those_of_earlier_runs_too() {
    let world = TestWorld::new(150, 60).await;
    // At noon, so that midnight does not fall between the runs.
    world.set_clock("timestamptz '2025-06-01T12:00:00Z'", false).await;
    world.vendor.set_faults(Faults { retry_after_seconds: None, ..Faults::evenly(5, 0.2) });
    for _ in 0..2 {
        let ran =
            world.run_with(&[("client.page_size", "20")], &["run", "--backfill", ALL_DAYS]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(world.counted().await, world.vendor.call_count());
    }
    world.vendor.set_faults(Faults::default());
    let id = world.vendor.submission_ids(crate::world::KEY).next().expect("a submission");
    let ran = world.run(&["fetch", "submission", "--id", &id]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.counted().await, world.vendor.call_count());
    assert!(
        world
            .number("select sum(taken)::bigint from argos_sync.key_budget where lane = 'detail'")
            .await
            > 150
    );
}

#[tokio::test]
async fn without_limits_calls_are_counted_all_the_same_and_status_shows_them() {
    let world = TestWorld::new(60, 30).await;
    world.set_clock("timestamptz '2025-06-01T12:00:00Z'", true).await;
    let unlimited = [("client.calls_per_second", "0"), ("budget.calls_per_day", "0")];
    let ran = world.run_with(&unlimited, &["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.counted().await, world.vendor.call_count());

    let lists = world
        .number(
            "select taken from argos_sync.key_budget join argos_sync.project_key using (key_id)
             where project = 'main' and lane = 'backfill'",
        )
        .await;
    let line = format!("calls today: backfill {lists}, detail 60\n");
    let (main, total) = ("main: ", 60 + lists);
    let status = world.run_with(&unlimited, &["status"]).await;
    assert!(status.stdout.contains(&format!("{main}{total} {line}")), "{status:?}");
    let status = world.run(&["status"]).await;
    assert!(status.stdout.contains(&format!("{main}{total} of 200000 {line}")), "{status:?}");
    world.set_clock("timestamptz '2025-06-02T00:00:00Z'", true).await;
    let status = world.run(&["status"]).await;
    assert!(status.stdout.contains("main: 0 of 200000 calls today\n"), "{status:?}");
}

#[tokio::test]
async fn a_lane_that_has_used_its_share_ends_as_partial_and_the_fresh_days_are_read_all_the_same() {
    let world = TestWorld::new(60, 0).await;
    world.set_clock("timestamptz '2025-06-01T00:00:01Z'", true).await;
    // The share of backfills is a fifth of the calls.
    let ran = world.run_lists("20", &BACKFILL).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    let reason = "lane `backfill` has spent its share of today's 20 calls; next calls at ";
    assert!(ran.stderr.contains(reason), "{ran:?}");
    assert!(ran.stderr.contains("raise `calls_per_day`"), "{ran:?}");
    assert_eq!(world.vendor.call_count(), 4);

    // The list without a date filter has a lane of its own, whose share is too small for it.
    let ran = world.run_lists("20", &["run", "--once", "--project", "main"]).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("everything: no call is allowed: lane `audit`"), "{ran:?}");
    let read = "select count(*) from argos_sync.pass
        where lane = 'recent' and state in ('complete', 'complete_empty')";
    assert_eq!(world.number(read).await, 1, "{ran:?}");
    let recent = "select taken from argos_sync.key_budget where lane = 'recent'";
    assert_eq!(world.number(recent).await, 1);
}

#[tokio::test]
async fn a_new_utc_day_is_a_new_budget_and_the_walk_goes_on_where_it_stood() {
    let world = TestWorld::new(60, 0).await;
    world.set_clock("timestamptz '2025-06-01T23:59:00Z'", true).await;
    for again in 0..2 {
        let ran = world.run_lists("6", &BACKFILL).await;
        assert_eq!(ran.code(), 65, "{again}: {ran:?}");
        assert!(ran.stderr.contains("next calls at 00:00 UTC"), "{again}: {ran:?}");
        assert_eq!(world.vendor.call_count(), 4, "{again}");
    }
    let pass = "select page::bigint from argos_sync.pass where state = 'open' and restarts = 0";
    assert_eq!(world.number(pass).await, 4);

    world.set_clock("timestamptz '2025-06-02T01:00:00Z'", true).await;
    let ran = world.run_lists("6", &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(world.vendor.call_count() <= 7, "{}", world.vendor.call_count());
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
}

#[tokio::test]
async fn two_processes_together_keep_the_limit_a_second() {
    let world = TestWorld::new(120, 0).await;
    let settings =
        [("client.calls_per_second", "20"), ("client.page_size", "1"), ("sync.details", "never")];
    let started = Instant::now();
    let programs = ["2025-01-01..2025-02-14", "2025-02-15..2025-03-31"]
        .map(|days| world.start_with(&settings, &["run", "--backfill", days, "--project", "main"]));
    for program in programs {
        let ran = ended_within(Duration::from_mins(2), program).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    }
    let (calls, took) = (world.vendor.call_count(), started.elapsed());
    assert!(calls >= 120, "{calls}");
    // A late process may catch up a little; two separate limits would take half the time.
    let at_least = Duration::from_secs(calls) / 20 * 8 / 10;
    assert!(took >= at_least, "{calls} calls in {took:?}");
    assert_eq!(world.counted().await, calls);
}
