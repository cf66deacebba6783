//! A first load at an adaptive rate from vendors with limits: its time, the share of refused calls,
//! and the rate over time.

use std::fmt::Write as _;

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

/// Most submissions for each call that a vendor accepts in a second: at least 200 seconds of work.
const SUBMISSIONS_PER_RATE: u32 = 200;

const CALLS_PER_SECOND_MAX: u32 = 200;

/// Columns of a plot.
const COLUMNS: usize = 60;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A vendor and the bounds that must be kept.
struct Case {
    name: &'static str,
    traffic: TrafficLimits,
    /// Calls a second that it can answer.
    rate: u32,
    /// Longest time, as a multiple of the time that its limit needs for the same calls.
    time_max: f64,
    /// Largest share of refused calls.
    refused_max: f64,
}

fn cases() -> [Case; 4] {
    let limited = |calls_per_second, retry_after_seconds| TrafficLimits {
        calls_per_second,
        retry_after_seconds,
        ..TrafficLimits::default()
    };
    [
        Case {
            name: "50/s, 429",
            traffic: limited(50, None),
            rate: 50,
            time_max: 1.1,
            refused_max: 0.01,
        },
        Case {
            name: "50/s, 429 with Retry-After",
            traffic: limited(50, Some(1)),
            rate: 50,
            time_max: 1.1,
            refused_max: 0.01,
        },
        Case {
            name: "8/s, 429",
            traffic: limited(8, None),
            rate: 8,
            time_max: 1.0 / 0.9,
            refused_max: 0.03,
        },
        Case {
            name: "50/s, slows down",
            traffic: TrafficLimits { capacity_per_second: 50, ..TrafficLimits::default() },
            rate: 50,
            time_max: 1.5,
            refused_max: 0.0,
        },
    ]
}

/// Runs all rounds.
pub(crate) async fn run(server: &mut Server, arguments: &Arguments) -> (String, Vec<Promise>) {
    let mut figures = Figures::default();
    let (mut plots, mut promises) = (String::new(), Vec::new());
    for case in cases() {
        let submissions = arguments.submissions.min(case.rate * SUBMISSIONS_PER_RATE);
        let (time, share) = (format!("{}: time", case.name), format!("{}: refused", case.name));
        let ratio = format!("{}: time / time at the limit", case.name);
        for number in 1..=arguments.rounds {
            eprintln!("  {}, round {number} of {}", case.name, arguments.rounds);
            let vendor = LimitedVendor::start(submissions, &case.traffic);
            let database = server.fresh().await;
            let settings = Settings {
                details: "on_change",
                calls_per_second_max: Some(CALLS_PER_SECOND_MAX),
                ..Settings::LISTS
            };
            let (seconds, accepted) = vendor
                .watched(|| program::start(&database, &vendor.url, &vendor.days, settings).end());
            demand_submissions(&database, submissions).await;
            server.drop(database).await;
            let (calls, refused) = vendor.calls();
            figures.note(&time, Unit::Seconds, seconds);
            let at_limit = (calls - refused) as f64 / f64::from(case.rate);
            figures.note(&ratio, Unit::Times, seconds / at_limit);
            figures.note(&share, Unit::Percent, refused as f64 / calls as f64 * 100.0);
            let _infallible = writeln!(plots, "  {}: {}", case.name, plot(&accepted));
        }
        promises.push(Promise::at_most(
            format!("{}: at most {:.2} times the time at the limit", case.name, case.time_max),
            case.time_max,
            figures.median(&ratio),
            figures.written(&ratio),
        ));
        promises.push(Promise::at_most(
            format!("{}: at most {:.0}% of calls refused", case.name, case.refused_max * 100.0),
            case.refused_max * 100.0,
            figures.median(&share),
            figures.written(&share),
        ));
    }
    let title = format!(
        "vendor: up to {} submissions, each with a detail call; {LATENCY_MS} ms latency, every \
         20th call five times as much; calls_per_second_max = {CALLS_PER_SECOND_MAX}",
        grouped(f64::from(arguments.submissions)),
    );
    (format!("{}accepted calls a second over time:\n{plots}", figures.table(&title)), promises)
}

/// Draws the accepted calls of each second, from zero to the largest mean of a column.
fn plot(seconds: &[u64]) -> String {
    let width = seconds.len().div_ceil(COLUMNS).max(1);
    let mean = |column: &[u64]| column.iter().sum::<u64>() as f64 / column.len() as f64;
    let means: Vec<f64> = seconds.chunks(width).map(mean).collect();
    let top = means.iter().copied().fold(1.0, f64::max);
    let level = |mean: &f64| {
        let steps = LEVELS.iter().enumerate();
        let reached = steps.take_while(|(step, _)| *mean > top * *step as f64 / 8.0);
        reached.last().map_or(' ', |(_, level)| *level)
    };
    let line: String = means.iter().map(level).collect();
    format!("{line} {} s, top {top:.0}/s", seconds.len())
}
