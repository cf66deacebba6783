//! Unchanged records cost no write (I4): an audit of all records writes nothing but its own state.

use std::{fmt, time::Duration};

use crate::{
    evidence::Clock,
    world::{Ran, TestWorld},
};

/// Lists alone; every day, and the list without a date filter, is due again after a day.
const SETTINGS: [(&str, &str); 4] = [
    ("sync.since", "2025-01-01"),
    ("sync.details", "never"),
    ("audit.cycle_days", "1"),
    ("audit.calls_per_day", "100000"),
];

/// More than a day, in minutes, but not enough for a whole day to remain unread.
const A_CYCLE: i32 = 25 * 60;

/// Maximum bytes of write-ahead log for each unchanged item received: its share of the page's cost.
const WAL_BYTES_MAX: f64 = 50.0;

/// Rows inserted, updated and deleted in the tables of the vendor's data.
const WRITTEN: &str = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8 from pg_stat_user_tables
    where schemaname in ('argos', 'argos_pii', 'argos_raw') or (schemaname = 'argos_sync' and relname = 'record')";

const NOT_READ_NOW: &str =
    "select (select count(*) from argos_sync.coverage where as_of < argos_sync.clock())
    + (select count(*) from argos_sync.project where unfiltered_as_of < argos_sync.clock())";

/// The cost of an audit of unchanged records.
#[derive(Debug)]
struct Audit {
    /// Items received.
    received: i64,
    /// Items that were neither unchanged nor shown twice.
    news: i64,
    /// Rows inserted, updated or deleted.
    written: i64,
    /// Bytes of write-ahead log, of the whole server.
    wal: i64,
    /// From the start of the program to its end.
    time: Duration,
}

impl Audit {
    #[expect(clippy::cast_precision_loss, reason = "far below the precision of a double")]
    fn wal_of_an_item(&self) -> f64 {
        self.wal as f64 / self.received as f64
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, news, written, wal, time } = self;
        write!(
            f,
            "{received} items received in {time:.1?}: {news} news, {written} rows written, {wal} bytes of WAL, {:.1} an item",
            self.wal_of_an_item()
        )
    }
}

async fn once(world: &TestWorld) -> Ran {
    let ran = world.run_with(&SETTINGS, &["run", "--once"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

/// Waits until the program's connections end, since they report statistics then at the latest.
async fn written(world: &TestWorld) -> i64 {
    world
        .until(
            "select count(*) = 0 from pg_stat_activity
             where datname = current_database() and application_name = 'argos-sync'",
        )
        .await;
    world.number(WRITTEN).await
}

/// Loads this number of records, and audits them once they have settled.
async fn audited(submissions: u32, faceauths: u32) -> Audit {
    let world = TestWorld::new(submissions, faceauths).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    once(&world).await;
    // The list without a date filter is due only after the load has read all days.
    once(&world).await;
    // Marked records need a second detail call.
    clock.forward(61).await;
    once(&world).await;
    assert_eq!(world.number("select count(*) from argos_sync.suspect").await, 0);
    assert_eq!(world.number("select count(*) from argos.submission").await, i64::from(submissions));
    // Vacuum now, so that the audit does not pay for the load.
    sqlx::raw_sql("vacuum (analyze)").execute(&world.pool).await.expect("a vacuum");
    // Whole pages are logged after a checkpoint, if the server logs them at all. The private server
    // does not, and its role may not run checkpoints.
    drop(sqlx::raw_sql("checkpoint").execute(&world.pool).await);

    clock.forward(A_CYCLE).await;
    let before = written(&world).await;
    assert!(before > i64::from(submissions), "the statistics count: {before}");
    let wal = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8";
    let wal_before = world.number(wal).await;
    let began = tokio::time::Instant::now();
    once(&world).await;
    let time = began.elapsed();
    let wal = world.number(wal).await - wal_before;
    assert_eq!(
        world.number(NOT_READ_NOW).await,
        0,
        "all days, and everything without a date filter"
    );
    let (received, news) = sqlx::query_as(
        "select sum(received)::int8, sum(inserted + updated + quarantined)::int8
         from argos_sync.run_counter where run_id = (select max(run_id) from argos_sync.run)",
    )
    .fetch_one(&world.pool)
    .await
    .expect("counters");
    Audit { received, news, written: written(&world).await - before, wal, time }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_audit_writes_nothing() {
    let audit = audited(1500, 300).await;
    assert!(audit.received >= 2 * 1800, "{audit}");
    assert_eq!((audit.news, audit.written), (0, 0), "{audit}");
}

/// Run alone, since all tests share one write-ahead log:
/// `cargo test --test it a_hundred_thousand -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a hundred thousand records take minutes, and the write-ahead log must be its own"]
async fn an_unchanged_audit_of_a_hundred_thousand_submissions_writes_nothing() {
    let audit = audited(100_000, 100).await;
    println!("{audit}");
    assert!(audit.received >= 200_000, "{audit}");
    assert_eq!((audit.news, audit.written), (0, 0), "{audit}");
    assert!(audit.wal_of_an_item() < WAL_BYTES_MAX, "{audit}");
}
