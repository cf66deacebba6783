//! The first load, further loads of the same data, and the limits of the machine in the same round.

use sqlx::Connection as _;

use crate::{
    arguments::Arguments,
    figures::{Figures, Unit, grouped},
    limits::{ClientLimit, PAGE_SIZE, ServerLimit},
    measure::{Measured, demand_submissions, measure},
    program::{Settings, backfill},
    promise::Promise,
    server::{Database, Server},
    simulator::{Population, Simulator},
};

/// Promised maximum memory of the program, in MiB.
pub(crate) const MEMORY_MAX: f64 = 64.0;

/// The names of the figures with promises.
const LOAD_RATE: &str = "first load: submissions";
const LOAD_MEMORY: &str = "first load: peak memory of the program";
const LOAD_RATIO: &str = "first load: time / largest limit";
const SAME_ROWS: &str = "unchanged: rows written to data tables";
const SAME_WAL: &str = "unchanged: WAL for each submission";
const SAME_RATIO: &str = "unchanged: rate / rate of parse and digest";
const CHANGED_RATIO: &str = "1% changed: CPU / CPU of unchanged";

/// Runs all rounds.
pub(crate) async fn run(server: &mut Server, arguments: &Arguments) -> (String, Vec<Promise>) {
    let mut figures = Figures::default();
    let simulator = Simulator::start_recorded(Population::of_year(2024, arguments.submissions));
    record(server, &simulator).await;
    for number in 1..=arguments.rounds {
        eprintln!("  round {number} of {}", arguments.rounds);
        round(server, &simulator, &mut figures).await;
    }
    let title = format!(
        "load: {} submissions of a year, {PAGE_SIZE} items a page, details = \"never\", raw = \"zstd\"\n\
         vacuumed between first load and reading again; a checkpoint before every run",
        grouped(f64::from(arguments.submissions)),
    );
    (figures.table(&title), promises(&figures))
}

/// Makes every request of a round once, so that all its answers are recorded.
async fn record(server: &mut Server, simulator: &Simulator) {
    eprintln!("  recording");
    ClientLimit::measure(simulator).await;
    let database = server.fresh().await;
    backfill(&database, simulator, Settings::LISTS);
    server.drop(database).await;
}

async fn round(server: &mut Server, simulator: &Simulator, figures: &mut Figures) {
    let submissions = simulator.population.submissions;
    let database = server.fresh().await;
    let empty_bytes = database.bytes().await;
    let client = ClientLimit::measure(simulator).await;
    assert_eq!(client.items, submissions, "items of one walk");

    let first = measure(server, &database, simulator, Settings::LISTS).await;
    first.demand(submissions, 0);
    demand_submissions(&database, submissions).await;
    let stored_bytes = (database.bytes().await - empty_bytes) as f64 / f64::from(submissions);
    server.vacuum(&database).await;

    let same = measure(server, &database, simulator, Settings::LISTS).await;
    same.demand(0, 0);
    assert_eq!(same.rows_written, 0, "an unchanged item costs no write");

    let chosen = every_hundredth(&database).await;
    simulator.decide(&chosen).await;
    let changed = measure(server, &database, simulator, Settings::LISTS).await;
    changed.demand(0, u32::try_from(chosen.len()).expect("a count"));
    demand_submissions(&database, submissions).await;

    // Measured last: its tables displace those of this database in the server's memory, which both
    // further loads must find there.
    let limit = ServerLimit::measure(server, &database).await;
    server.drop(database).await;

    first.note(figures, "first load");
    figures.note("first load: bytes of database for each", Unit::BytesEach, stored_bytes);
    same.note(figures, "unchanged");
    figures.note(SAME_ROWS, Unit::Count, same.rows_written as f64);
    changed.note(figures, "1% changed");
    note_limits(figures, &client, &limit, submissions);
    note_ratios(figures, &first, &same, &changed, &client, &limit);
}

/// Id and state of every hundredth live submission without evidence of a deletion, spread over the
/// year.
async fn every_hundredth(database: &Database) -> Vec<(String, Option<String>)> {
    let mut connection = database.connect().await;
    let chosen = sqlx::query_as(
        "select submission_id, kyc_result from (
            select submission_id, kyc_result,
                row_number() over (order by created_at, submission_id) as number
            from argos.submission where deleted_at is null
                and not exists (select from argos_sync.suspect where id = submission_id)
        ) as live
        where number % 100 = 0 order by number",
    )
    .fetch_all(&mut connection)
    .await
    .expect("some submissions");
    connection.close().await.expect("the connection closes");
    chosen
}

fn note_limits(
    figures: &mut Figures,
    client: &ClientLimit,
    server: &ServerLimit,
    submissions: u32,
) {
    let items = f64::from(submissions);
    let mut rate = |name: &str, seconds: f64| {
        figures.note(format!("limit: {name}"), Unit::PerSecond, items / seconds);
    };
    rate("drain", client.drain_seconds);
    rate("parse and digest, one thread", client.parse_seconds);
    rate("compression, one thread", client.compress_seconds);
    rate("client (parse, digest, compression)", client.seconds());
    rate("server (COPY, one backend)", server.seconds);
    let wal = server.wal_bytes / items;
    figures.note("limit: WAL of the COPY for each submission", Unit::BytesEach, wal);
    figures.note("bytes of an item on average", Unit::BytesEach, client.bytes as f64 / items);
}

fn note_ratios(
    figures: &mut Figures,
    first: &Measured,
    same: &Measured,
    changed: &Measured,
    client: &ClientLimit,
    server: &ServerLimit,
) {
    // Three processes share two cores.
    let shared = (client.seconds() + server.seconds + first.simulator_cpu_seconds) / 2.0;
    let largest = client.seconds().max(server.seconds).max(shared);
    let mut ratio = |name: &str, value: f64| figures.note(name, Unit::Times, value);
    ratio("first load: time / drain", first.ran.seconds / client.drain_seconds);
    ratio("first load: time / client limit", first.ran.seconds / client.seconds());
    ratio("first load: time / server limit", first.ran.seconds / server.seconds);
    ratio("first load: time / half of the work", first.ran.seconds / shared);
    ratio(LOAD_RATIO, first.ran.seconds / largest);
    ratio("unchanged: time / drain", same.ran.seconds / client.drain_seconds);
    ratio(SAME_RATIO, client.parse_seconds / same.ran.seconds);
    ratio(CHANGED_RATIO, changed.cpu_seconds() / same.cpu_seconds());
}

fn promises(figures: &Figures) -> Vec<Promise> {
    let at_most = |name: &str, limit: f64, text: &str| {
        Promise::at_most(text, limit, figures.median(name), figures.written(name))
    };
    let at_least = |name: &str, limit: f64, text: &str| {
        Promise::at_least(text, limit, figures.median(name), figures.written(name))
    };
    vec![
        at_most(
            LOAD_RATIO,
            1.5,
            "first load: time at most 1.5 x the largest of client limit, server limit, and half of \
             (both and the simulator's CPU)",
        ),
        at_least(
            LOAD_RATE,
            10_000.0,
            "first load: at least 10,000 submissions/s on a quiet machine",
        ),
        at_least(SAME_RATIO, 0.7, "unchanged: at least 0.7 x the rate of parse and digest"),
        Promise::at_most(
            "unchanged: no row written to data tables, in any round",
            0.0,
            figures.largest(SAME_ROWS),
            figures.written(SAME_ROWS),
        ),
        at_most(SAME_WAL, 50.0, "unchanged: less than 50 bytes of WAL for each submission"),
        at_most(CHANGED_RATIO, 1.2, "1% changed: at most 1.2 x the CPU seconds of unchanged"),
        at_most(LOAD_MEMORY, MEMORY_MAX, "peak memory of the program at most 64 MiB"),
    ]
}
