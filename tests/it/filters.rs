//! The warehouse equals the vendor for any meaning of a date filter and any order of lists
//! (contract U1, U3, U8, U9, U11).

use std::{any::Any, panic::AssertUnwindSafe};

use argos_sync::simulator::{Addition, FilterZone, Knobs, Order};
use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, StreamExt as _, stream};

use crate::{
    truth::{assert_equal, fingerprint},
    world::{ALL_DAYS, FACE_KEY, KEY, TestWorld},
};

/// Number of worlds that are read in parallel.
const AT_A_TIME: usize = 3;

/// Moments that different meanings of the filter assign to different days: around midnight in UTC
/// and in Korea, at the edges of the windows of nine days and inside one.
const EDGES: [&str; 10] = [
    "2025-01-01T00:00:00.000Z",
    "2025-01-09T14:59:59.999Z",
    "2025-01-09T15:00:00.000Z",
    "2025-01-09T23:59:59.999Z",
    "2025-01-10T00:00:00.000Z",
    "2025-01-10T14:59:59.999Z",
    "2025-01-10T15:00:00.000Z",
    "2025-02-17T15:00:00.000Z",
    "2025-03-31T15:00:00.000Z",
    "2025-03-31T23:59:59.999Z",
];

/// Number of checkpoints, whose cursors will be forgotten.
const CHECKPOINTS: &str =
    "select count(*) from argos_sync.pass where state = 'open' and cursor_id is not null";

/// One combination of behaviours that the contract leaves open.
#[derive(Debug, Clone, Copy)]
struct Habits {
    order: Order,
    filter_zone: FilterZone,
    end_exclusive: bool,
    repeated_rows: u32,
    empty_page_every: u32,
}

impl Habits {
    /// Every combination.
    fn all() -> impl Iterator<Item = Self> {
        const ORDERS: [Order; 4] =
            [Order::Ascending, Order::Descending, Order::ShuffledTies, Order::ShuffledPages];
        (0..16).flat_map(|number: u32| {
            let is = |bit: u32| number & bit != 0;
            ORDERS.map(|order| Self {
                order,
                filter_zone: if is(1) { FilterZone::Kst } else { FilterZone::Utc },
                end_exclusive: is(2),
                repeated_rows: if is(4) { 3 } else { 0 },
                empty_page_every: if is(8) { 2 } else { 0 },
            })
        })
    }

    fn knobs(self) -> Knobs {
        let Self { order, filter_zone, end_exclusive, repeated_rows, empty_page_every } = self;
        Knobs {
            order,
            filter_zone,
            end_exclusive,
            repeated_rows,
            empty_page_every,
            ..Knobs::default()
        }
    }
}

/// Circular lists are not included, because they have no end (`faults.rs` tests them).
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_date_filter_means_and_however_lists_are_cut_the_warehouse_equals_the_vendor() {
    let read = |habits: Habits| async move {
        let ending = AssertUnwindSafe(ends_equal(habits)).catch_unwind().await;
        (habits, ending.map_err(|why| reason(&*why)))
    };
    let ends: Vec<_> =
        stream::iter(Habits::all()).map(read).buffer_unordered(AT_A_TIME).collect().await;
    assert_eq!(ends.len(), 64);
    let failed: Vec<_> = ends
        .iter()
        .filter_map(|(habits, ending)| Some(format!("{habits:?}: {}", ending.as_ref().err()?)))
        .collect();
    assert!(failed.is_empty(), "{} of 64:\n{}", failed.len(), failed.join("\n"));
    let died: i64 = ends.iter().filter_map(|(_, ending)| ending.as_ref().ok()).sum();
    assert!(died >= 32, "only {died} cursors died");
}

/// The message of a test that failed.
fn reason(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Reads a world with these habits; returns the number of forgotten cursors.
async fn ends_equal(habits: Habits) -> i64 {
    let world = TestWorld::new(60, 30).await;
    world.configure_client("page_size = 3", "[sync]\nwindow_days = 9\n");
    world.vendor.set_all_knobs(&habits.knobs());
    for edge in EDGES {
        let at: DateTime<Utc> = edge.parse().expect("a time");
        let created_at_ms = Some(at.timestamp_millis());
        for key in [KEY, FACE_KEY] {
            let addition = Addition { created_at_ms, ..Addition::default() };
            world.vendor.add(key, &addition).expect("an addition");
        }
    }
    let died = stop_and_lose_cursors(&world).await;
    world.backfill().await;
    assert_equal(&world).await;
    // Passes that read everything again miss nothing.
    let before = fingerprint(&world.pool).await;
    world.backfill().await;
    assert_eq!(fingerprint(&world.pool).await, before);
    assert_eq!(world.number("select count(*) from argos_sync.suspect").await, 0);
    world.pool.close().await;
    world.database.close().await;
    died
}

/// Reads as far as a small budget allows, and has the vendor forget the cursors of the checkpoints.
/// Returns their number.
async fn stop_and_lose_cursors(world: &TestWorld) -> i64 {
    let settings = [("budget.calls_per_day", "9"), ("sync.give_up_after_minutes", "0")];
    let ran = world.run_with(&settings, &["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    let count = world.number(CHECKPOINTS).await;
    sqlx::query("update argos_sync.pass set cursor_id = 'forgotten' where cursor_id is not null")
        .execute(&world.pool)
        .await
        .expect("other cursors");
    count
}
