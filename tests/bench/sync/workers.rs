//! The gain of several windows in flight with a slow vendor.

use crate::{
    arguments::Arguments,
    figures::{Figures, Unit, grouped},
    measure::{demand_submissions, measure},
    program::Settings,
    promise::Promise,
    server::Server,
    simulator::{Population, Simulator},
};

/// Maximum number of submissions: one worker needs a call of 200 ms for every 50 of them.
const SUBMISSIONS_MAX: u32 = 4_000;

const LATENCY_MS: u32 = 200;
const PAGE_SIZE: u32 = 50;

/// 37 windows in a year: enough for all workers, and the uneven end hardly counts.
const WINDOW_DAYS: u32 = 10;

const WORKERS: u32 = 8;

const RATIO: &str = "8 workers / one worker";

/// Runs all rounds.
pub(crate) async fn run(server: &mut Server, arguments: &Arguments) -> (String, Vec<Promise>) {
    let submissions = arguments.submissions.min(SUBMISSIONS_MAX);
    let mut figures = Figures::default();
    let simulator = Simulator::start(Population::of_year(2024, submissions), LATENCY_MS);
    for number in 1..=arguments.rounds {
        eprintln!("  round {number} of {}", arguments.rounds);
        let one = rate(server, &simulator, 1).await;
        let many = rate(server, &simulator, WORKERS).await;
        figures.note("one worker: submissions", Unit::PerSecond, one);
        figures.note("8 workers: submissions", Unit::PerSecond, many);
        figures.note(RATIO, Unit::Times, many / one);
    }
    let title = format!(
        "workers: {} submissions of a year, {PAGE_SIZE} items a page, {LATENCY_MS} ms latency, \
         windows of {WINDOW_DAYS} days",
        grouped(f64::from(submissions)),
    );
    let promise = Promise::at_least(
        "8 workers, 50 items a page, 200 ms latency: at least 6 x one worker",
        6.0,
        figures.median(RATIO),
        figures.written(RATIO),
    );
    (figures.table(&title), vec![promise])
}

async fn rate(server: &mut Server, simulator: &Simulator, workers: u32) -> f64 {
    let settings = Settings {
        workers: Some(workers),
        window_days: Some(WINDOW_DAYS),
        page_size: Some(PAGE_SIZE),
        ..Settings::LISTS
    };
    let submissions = simulator.population.submissions;
    let database = server.fresh().await;
    let measured = measure(server, &database, simulator, settings).await;
    measured.demand(submissions, 0);
    demand_submissions(&database, submissions).await;
    server.drop(database).await;
    measured.rate()
}
