//! Proves convergence: whatever happens in whatever order, once changes stop, the warehouse becomes
//! equal to the vendor.
//!
//! A seed determines a [`schedule`]: a vendor with random habits; records that appear, change,
//! vanish and return; faults; troubles on this side of the API (a key of another customer, a wrong
//! clock, lost numbers); and processes, two at once, that are killed or frozen at commits. The
//! schedule sets the clock of the database. After the last change the clock advances by one cycle
//! of lists and one of detail calls. Then every table must equal the vendor.
//!
//! `ARGOS_SYNC_SEED=123 cargo test --test it model` plays one seed. `ARGOS_SYNC_SEEDS=1000
//! cargo test --test it model_seeds -- --ignored --nocapture` plays a thousand, and
//! `ARGOS_SYNC_SEEDS=1001..2000` the next ones.

mod drive;
mod fail_points;
mod happenings;
mod knobs;
mod replicas;
mod schedule;
mod troubles;
mod wire;

use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::{FutureExt as _, StreamExt as _, stream};

use schedule::Schedule;

/// The seeds of every `cargo test`. Those that once found a bug stay.
const SEEDS: [u64; 13] = [1, 2, 3, 4, 5, 6, 9, 10, 13, 14, 15, 20, 1015];

/// Number of seeds that are played in parallel.
const AT_A_TIME: usize = 2;

/// The same for many seeds, which mostly wait for the leases of frozen processes.
const MANY_AT_A_TIME: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn model_when_the_world_stops_the_warehouse_becomes_the_truth() {
    let seeds = given("ARGOS_SYNC_SEED").map(|seed| vec![number(&seed)]);
    play_all(seeds.unwrap_or_else(|| SEEDS.to_vec()), AT_A_TIME).await;
}

/// Plays any number of seeds.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "as long as one likes: ARGOS_SYNC_SEEDS says how many"]
async fn model_seeds() {
    let seeds = given("ARGOS_SYNC_SEEDS").unwrap_or_else(|| "100".to_owned());
    let (first, last) = seeds.split_once("..").unwrap_or(("1", &seeds));
    play_all((number(first)..=number(last)).collect(), MANY_AT_A_TIME).await;
}

/// The value of an environment variable.
fn given(variable: &str) -> Option<String> {
    std::env::var_os(variable).map(|text| text.into_string().expect("UTF-8"))
}

fn number(text: &str) -> u64 {
    text.parse().expect("a seed is a number; seeds are 100 or 101..200")
}

async fn play_all(seeds: Vec<u64>, at_a_time: usize) {
    let count = seeds.len();
    let failed: Vec<u64> = stream::iter(seeds)
        .map(|seed| async move {
            let began = tokio::time::Instant::now();
            let played = AssertUnwindSafe(drive::play(Schedule::of(seed))).catch_unwind().await;
            let why = match played {
                Ok(Ok(())) => {
                    println!("seed {seed}: {:?}", began.elapsed());
                    return None;
                }
                Ok(Err(why)) => why,
                Err(panicked) => words(panicked.as_ref()),
            };
            println!(
                "seed {seed} failed: {why}\nARGOS_SYNC_SEED={seed} cargo test --test it model"
            );
            Some(seed)
        })
        .buffer_unordered(at_a_time)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failed.is_empty(), "{} of {count} seeds failed: {failed:?}", failed.len());
}

/// The message of a panic.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn a_seed_makes_one_schedule() {
    let texts = |seed| Schedule::of(seed).to_string();
    assert_eq!(texts(5), texts(5));
    assert_ne!(texts(5), texts(6));
}
