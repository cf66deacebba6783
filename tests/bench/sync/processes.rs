//! One backfill by several processes, which share its windows and its detail calls.

use argos_sync::simulator::TrafficLimits;

use crate::{
    arguments::Arguments,
    figures::{Figures, Unit, grouped},
    limited::{LATENCY_MS, LimitedVendor},
    measure::demand_submissions,
    program::{self, Settings},
    promise::Promise,
    server::Server,
};

/// Maximum number of submissions; each gets a detail call.
const SUBMISSIONS_MAX: u32 = 20_000;

const CALLS_IN_FLIGHT: u32 = 4;

/// The numbers of processes, and how many times one process they must be at least.
const PROCESSES: [(usize, f64); 3] = [(1, 1.0), (2, 1.9), (4, 3.5)];

/// Runs all rounds.
pub(crate) async fn run(server: &mut Server, arguments: &Arguments) -> (String, Vec<Promise>) {
    let submissions = arguments.submissions.min(SUBMISSIONS_MAX);
    let mut figures = Figures::default();
    for number in 1..=arguments.rounds {
        eprintln!("  round {number} of {}", arguments.rounds);
        let mut of_one = None;
        for (count, _) in PROCESSES {
            let (seconds, calls) = once(server, submissions, count).await;
            let (seconds_of_one, calls_of_one) = *of_one.get_or_insert((seconds, calls));
            figures.note(format!("{count} processes: time"), Unit::Seconds, seconds);
            figures.note(faster(count), Unit::Times, seconds_of_one / seconds);
            figures.note(more_calls(count), Unit::Times, calls as f64 / calls_of_one as f64);
        }
    }
    let title = format!(
        "processes: {} submissions, each with a detail call; {LATENCY_MS} ms latency, \
         calls_in_flight_max = {CALLS_IN_FLIGHT}, no limit of the vendor",
        grouped(f64::from(submissions)),
    );
    let promises = PROCESSES[1..].iter().flat_map(|(count, times)| {
        let (faster, more_calls) = (faster(*count), more_calls(*count));
        [
            Promise::at_least(
                format!("{count} processes: at least {times} times as fast as one"),
                *times,
                figures.median(&faster),
                figures.written(&faster),
            ),
            Promise::at_most(
                format!("{count} processes: at most 1.02 times the calls of one"),
                1.02,
                figures.median(&more_calls),
                figures.written(&more_calls),
            ),
        ]
    });
    let promises = promises.collect();
    (figures.table(&title), promises)
}

/// The time until the last process has ended, and the number of calls.
async fn once(server: &mut Server, submissions: u32, count: usize) -> (f64, u64) {
    let vendor = LimitedVendor::start(submissions, &TrafficLimits::default());
    let database = server.fresh().await;
    let settings = Settings {
        details: "on_change",
        calls_in_flight_max: Some(CALLS_IN_FLIGHT),
        ..Settings::LISTS
    };
    let running: Vec<_> = (0..count)
        .map(|_| program::start(&database, &vendor.url, &vendor.days, settings))
        .collect();
    let seconds = running.into_iter().map(program::Running::end).fold(0.0, f64::max);
    demand_submissions(&database, submissions).await;
    server.drop(database).await;
    (seconds, vendor.calls().0)
}

fn faster(count: usize) -> String {
    format!("{count} processes / one: speed")
}

fn more_calls(count: usize) -> String {
    format!("{count} processes / one: calls")
}
