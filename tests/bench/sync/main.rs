//! Measures the speed of the program, end to end, and compares it with the limits of the machine.
//!
//! ```text
//! cargo bench --features jemalloc --bench sync -- [--submissions N] [--rounds N] \
//!     [--only PART,...] [--scale]
//! ```
//!
//! The real program (`run --backfill`) reads the simulated vendor over HTTP and writes to a real
//! PostgreSQL, each a process on this machine. Every run starts after a checkpoint and must end
//! with exit code 0. A wrong number of rows fails the benchmark, a broken promise does not. `load`
//! replays answers of the simulator that were recorded before its rounds.
//!
//! | part | what one round does |
//! |---|---|
//! | `load` | first load of N (100,000) submissions; again unchanged; with 1% changed; limits |
//! | `workers` | 50 items a page at 200 ms latency, with one worker and with 8 |
//! | `details` | a detail call for each submission at 20 ms latency, compared with lists alone |
//! | `memory` | first load of 10 N, for the peak memory (`--scale` or `--only`) |
//! | `present` | N new submissions into 20 N and into an empty warehouse (`--scale` or `--only`) |
//! | `vendor` | first load at an adaptive rate from vendors with limits (`--scale` or `--only`) |
//! | `processes` | one backfill by 1, 2 and 4 processes (`--scale` or `--only`) |
//!
//! The limits are measured in the same round, on the same items. *Drain* is a plain client that
//! reads the list and discards the pages. The *client limit* is parsing, digest and compression on
//! one thread. The *server limit* is a binary COPY of all stored rows into empty tables with all
//! their indexes, by one backend in one transaction.
//!
//! Times are wall clock from the program's start to its exit. CPU seconds and memory are the
//! kernel's. Ratios are computed within a round. Every figure is the median of all rounds, with the
//! smallest and the largest value.
//!
//! The benchmark starts an embedded PostgreSQL with default durability in the directory for
//! temporary files (`TMPDIR`, which should not be in memory). `ARGOS_SYNC_BENCH_DATABASE_URL` names
//! another server on this machine, with a role that may create databases and checkpoints.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::expect_used,
    reason = "a report for people, in round figures; what goes wrong ends it"
)]

mod arguments;
mod conditions;
mod details;
mod figures;
mod limited;
mod limits;
mod load;
mod measure;
mod process;
mod processes;
mod program;
mod promise;
mod recorder;
mod scale;
mod server;
mod simulator;
mod vendor;
mod workers;

use std::process::ExitCode;

use arguments::{Arguments, Part};

// One thread, so that the benchmark takes little time from the measured processes.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    if !arguments.is_bench {
        eprintln!("nothing is measured but by {}", arguments::USAGE);
        return ExitCode::SUCCESS;
    }
    // Read before the benchmark adds to the load.
    let machine = conditions::machine();
    let mut server = server::Server::find().await;
    println!("{machine}{}", server.conditions().await);
    println!("{} rounds; gzip off; no limit on calls\n", arguments.rounds);
    let mut promises = Vec::new();
    for part in arguments.parts() {
        eprintln!("{}:", part.as_str());
        let (table, kept) = match part {
            Part::Load => load::run(&mut server, &arguments).await,
            Part::Workers => workers::run(&mut server, &arguments).await,
            Part::Details => details::run(&mut server, &arguments).await,
            Part::Memory => scale::memory(&mut server, &arguments).await,
            Part::Present => scale::present(&mut server, &arguments).await,
            Part::Vendor => vendor::run(&mut server, &arguments).await,
            Part::Processes => processes::run(&mut server, &arguments).await,
        };
        println!("{table}");
        promises.extend(kept);
    }
    server.stop().await;
    print!("{}", promise::list(&promises));
    ExitCode::SUCCESS
}
