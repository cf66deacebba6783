//! Computes how late changes become visible: replays a year of one customer against the planner and
//! against a fixed lookback.
//!
//! `cargo bench --bench staleness` prints the table of docs/staleness.md. Time is simulated, the
//! planner is the program's own, and responses are assumed to come at once. Fails if a promise is
//! broken.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::expect_used,
    reason = "a report for people, in round figures"
)]

mod readers;
mod report;
mod year;

use std::process::ExitCode;

use readers::{Lookback, Planned};

fn main() -> ExitCode {
    let year = year::Year::generate(7, 30_000);
    let (ours, our_calls) = Planned::replay(&year);
    // The same number of list calls over the year; detail calls for changes, as with the planner.
    let (theirs, their_calls) = Lookback::replay(&year, 7, our_calls.lists);
    print!("{}", report::table(&year, &ours, &theirs));
    println!("\ncalls in {} days, lists and detail calls:", year::DAYS + year::QUIET_DAYS);
    for (name, calls) in [("planner", &our_calls), ("7-day lookback", &their_calls)] {
        println!("  {name:15} {:7} lists {:7} detail calls", calls.lists, calls.singles);
    }
    let broken = report::broken_promises(&year, &ours);
    println!("\npromises broken by the planner: {broken} of {}", year.moves.len());
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
