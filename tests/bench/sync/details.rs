//! The number of detail calls per second.

use crate::{
    arguments::Arguments,
    figures::{Figures, Unit, grouped},
    measure::{Measured, demand_submissions, measure},
    program::Settings,
    promise::Promise,
    server::Server,
    simulator::{Population, Simulator},
};

/// Maximum number of submissions; each gets a detail call.
const SUBMISSIONS_MAX: u32 = 5_000;

const LATENCY_MS: u32 = 20;

/// Calls in flight. With the default, 8, at most 400 calls a second are possible at this latency.
const WORKERS: u32 = 16;

const RATE: &str = "detail calls";

/// Runs all rounds.
pub(crate) async fn run(server: &mut Server, arguments: &Arguments) -> (String, Vec<Promise>) {
    let submissions = arguments.submissions.min(SUBMISSIONS_MAX);
    let mut figures = Figures::default();
    let simulator = Simulator::start(Population::of_year(2024, submissions), LATENCY_MS);
    for number in 1..=arguments.rounds {
        eprintln!("  round {number} of {}", arguments.rounds);
        let lists = once(server, &simulator, Settings::LISTS).await;
        assert_eq!(lists.tally.details, 0, "detail calls of a run that makes none");
        let settings = Settings {
            details: "on_change",
            calls_in_flight_max: Some(WORKERS),
            ..Settings::LISTS
        };
        let all = once(server, &simulator, settings).await;
        let calls = all.tally.details as f64;
        assert!(calls >= f64::from(submissions), "each submission gets a detail call: {calls}");
        figures.note(RATE, Unit::PerSecond, calls / (all.ran.seconds - lists.ran.seconds));
        figures.note("lists and detail calls: time", Unit::Seconds, all.ran.seconds);
        figures.note("lists alone: time", Unit::Seconds, lists.ran.seconds);
        figures.note("both: CPU of the program", Unit::Seconds, all.ran.cpu_seconds);
        figures.note("both: CPU of PostgreSQL", Unit::Seconds, all.postgres_cpu_seconds);
    }
    let title = format!(
        "details: {} submissions, {LATENCY_MS} ms latency, details = \"on_change\", {WORKERS} \
         single calls in flight",
        grouped(f64::from(submissions)),
    );
    let promise = Promise::at_least(
        "20 ms latency: at least 500 detail calls a second",
        500.0,
        figures.median(RATE),
        figures.written(RATE),
    );
    (figures.table(&title), vec![promise])
}

async fn once(server: &mut Server, simulator: &Simulator, settings: Settings) -> Measured {
    let database = server.fresh().await;
    let measured = measure(server, &database, simulator, settings).await;
    assert!(measured.tally.received >= i64::from(simulator.population.submissions));
    demand_submissions(&database, simulator.population.submissions).await;
    server.drop(database).await;
    measured
}
