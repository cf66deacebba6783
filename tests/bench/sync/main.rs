//! How fast the program is, end to end, and how far that is from what the machine allows.
//!
//! ```text
//! cargo bench --features jemalloc --bench sync -- [--submissions N] [--rounds N] \
//!     [--only PART,...] [--scale]
//! ```
//!
//! The real program (`run --backfill`) reads the simulated vendor over HTTP, a process of its own,
//! and writes to a real PostgreSQL, all on this machine. Every run begins with a fresh, migrated
//! database and a checkpoint, ends with exit code 0, and is checked: a wrong count of rows fails
//! the benchmark, a broken promise does not. `load` replays answers of the simulator that were
//! recorded before its rounds.
//!
//! | part | what one round does |
//! |---|---|
//! | `load` | first load of N submissions (100,000); the same again, unchanged; again with 1% changed; and the limits |
//! | `workers` | 50 items a page at 200 ms latency, with one worker and with 8 |
//! | `details` | a detail call for every submission at 20 ms latency, against the same lists without them |
//! | `memory` | first load of 10 N, for the peak memory (needs `--scale`, or `--only`) |
//! | `present` | N new submissions into 20 N, and into an empty warehouse (needs `--scale`, or `--only`) |
//!
//! The limits are measured in the same round, on the same items: *drain*, a plain client that walks
//! the list and throws the pages away; the *client limit*, parse, digest and compression on one
//! thread; the *server limit*, a binary COPY of everything that is stored into empty tables with
//! all their indexes, by one backend in one transaction.
//!
//! Times are wall clock from the program's start to its exit. CPU seconds and memory are the
//! kernel's. Ratios are taken within a round; every figure is the median of all rounds, with the
//! smallest and the largest.
//!
//! An embedded PostgreSQL is started for it in the directory for temporary files (`TMPDIR`; it
//! should not be in memory), as durable as PostgreSQL is by default.
//! `ARGOS_SYNC_BENCH_DATABASE_URL` names another one: on this machine, with a role that may create
//! databases and checkpoints.

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
mod limits;
mod load;
mod measure;
mod process;
mod program;
mod promise;
mod recorder;
mod scale;
mod server;
mod simulator;
mod workers;

use std::process::ExitCode;

use arguments::{Arguments, Part};

// One thread: nothing here may take time from what is measured.
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
    // Before anything here adds to the load.
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
        };
        println!("{table}");
        promises.extend(kept);
    }
    server.stop().await;
    print!("{}", promise::list(&promises));
    ExitCode::SUCCESS
}
