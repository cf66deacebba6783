//! Costs that must not grow with the amount of data.

use crate::{
    arguments::Arguments,
    figures::{Figures, Unit, grouped},
    load::MEMORY_MAX,
    measure::{Measured, demand_submissions, measure, mebibytes},
    program::Settings,
    promise::Promise,
    server::Server,
    simulator::{Population, Simulator},
};

/// Insignificant difference in peak memory, in MiB.
const MEMORY_NOISE: f64 = 4.0;

const LARGE: &str = "10 N: peak memory of the program";
const SMALL: &str = "N: peak memory of the program";
const RATIO: &str = "CPU of a new submission, among 20 N / into an empty warehouse";

/// Compares the peak memory of a first load with that of one ten times as large.
pub(crate) async fn memory(server: &mut Server, arguments: &Arguments) -> (String, Vec<Promise>) {
    let submissions = arguments.submissions;
    let mut figures = Figures::default();
    for (count, name) in [(submissions, SMALL), (submissions * 10, LARGE)] {
        eprintln!("  {} submissions", grouped(f64::from(count)));
        let simulator = Simulator::start(Population::of_year(2024, count), 0);
        let database = server.fresh().await;
        let measured = measure(server, &database, &simulator, Settings::LISTS).await;
        measured.demand(count, 0);
        demand_submissions(&database, count).await;
        server.drop(database).await;
        figures.note(name, Unit::Mebibytes, mebibytes(measured.ran.peak_memory_bytes));
        figures.note(
            name.replace("peak memory of the program", "submissions"),
            Unit::PerSecond,
            measured.rate(),
        );
    }
    let title = format!("memory: first loads, N = {}, once", grouped(f64::from(submissions)));
    let (large, small) = (figures.median(LARGE), figures.median(SMALL));
    let promises = vec![
        Promise::at_most(
            "10 N submissions: peak memory of the program at most 64 MiB",
            MEMORY_MAX,
            large,
            figures.written(LARGE),
        ),
        Promise::at_most(
            format!("10 N submissions: as much memory as with N, give or take {MEMORY_NOISE} MiB"),
            MEMORY_NOISE,
            (large - small).abs(),
            format!("{:+.1} MiB", large - small),
        ),
    ];
    (figures.table(&title), promises)
}

/// Measures the cost of new submissions among many old ones.
pub(crate) async fn present(server: &mut Server, arguments: &Arguments) -> (String, Vec<Promise>) {
    let submissions = arguments.submissions;
    let mut total = submissions * 20;
    let crowded = server.fresh().await;
    eprintln!("  first {} submissions", grouped(f64::from(total)));
    let simulator = Simulator::start(Population::of_year(2024, total), 0);
    let first = measure(server, &crowded, &simulator, Settings::LISTS).await;
    first.demand(total, 0);
    drop(simulator);
    server.vacuum(&crowded).await;
    let mut figures = Figures::default();
    for number in 1..=arguments.rounds {
        eprintln!("  round {number} of {}", arguments.rounds);
        // Other people in another year, so that days with records are not read again.
        let year = 2024 - i32::try_from(number).expect("few rounds");
        let population =
            Population { seed: 100 + u64::from(number), ..Population::of_year(year, submissions) };
        let simulator = Simulator::start(population, 0);
        let empty = server.fresh().await;
        let alone = measure(server, &empty, &simulator, Settings::LISTS).await;
        alone.demand(submissions, 0);
        server.drop(empty).await;
        let among = measure(server, &crowded, &simulator, Settings::LISTS).await;
        among.demand(submissions, 0);
        total += submissions;
        demand_submissions(&crowded, total).await;
        let each = |measured: &Measured| measured.cpu_seconds() / f64::from(submissions) * 1e6;
        figures.note("empty: CPU microseconds of a submission", Unit::Count, each(&alone));
        figures.note("among 20 N: CPU microseconds of a submission", Unit::Count, each(&among));
        figures.note("empty: submissions", Unit::PerSecond, alone.rate());
        figures.note("among 20 N: submissions", Unit::PerSecond, among.rate());
        figures.note(RATIO, Unit::Times, each(&among) / each(&alone));
    }
    server.drop(crowded).await;
    let title = format!(
        "present: {} new submissions in each round, N as many; the first 20 N took {:.0} s",
        grouped(f64::from(submissions)),
        first.ran.seconds,
    );
    let promise = Promise::at_most(
        "20 N submissions present: CPU of a new one at most 1.3 x that in an empty warehouse",
        1.3,
        figures.median(RATIO),
        figures.written(RATIO),
    );
    (figures.table(&title), vec![promise])
}
