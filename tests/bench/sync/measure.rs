//! One run of the program and its cost.

use sqlx::Connection as _;

use crate::{
    figures::{Figures, Unit},
    program::{self, Ran, Settings},
    server::{Database, Server},
    simulator::Simulator,
};

/// The item counters of the last run.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Tally {
    pub(crate) received: i64,
    pub(crate) details: i64,
    inserted: i64,
    updated: i64,
    quarantined: i64,
}

/// A run of the program and its cost.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) ran: Ran,
    pub(crate) postgres_cpu_seconds: f64,
    pub(crate) simulator_cpu_seconds: f64,
    pub(crate) wal_bytes: f64,
    /// Rows inserted, updated or deleted in the data tables.
    pub(crate) rows_written: i64,
    pub(crate) tally: Tally,
    /// Number of distinct submissions.
    submissions: f64,
}

/// Runs the program once, over all submissions of the simulator.
pub(crate) async fn measure(
    server: &mut Server,
    database: &Database,
    simulator: &Simulator,
    settings: Settings,
) -> Measured {
    let rows_before = database.rows_written().await;
    server.quiet(database).await;
    server.checkpoint().await;
    let wal_before = server.wal_bytes().await;
    let simulator_before = simulator.cpu_seconds();
    let postgres_before = server.cpu_seconds();
    let ran = program::backfill(database, simulator, settings);
    let simulator_cpu_seconds = simulator.cpu_seconds() - simulator_before;
    server.quiet(database).await;
    let postgres_cpu_seconds = server.cpu_seconds() - postgres_before;
    let wal_bytes = (server.wal_bytes().await - wal_before) as f64;
    let rows_written = database.rows_written().await - rows_before;
    let tally = tally(database).await;
    let submissions = f64::from(simulator.population.submissions);
    Measured {
        ran,
        postgres_cpu_seconds,
        simulator_cpu_seconds,
        wal_bytes,
        rows_written,
        tally,
        submissions,
    }
}

async fn tally(database: &Database) -> Tally {
    let mut connection = database.connect().await;
    let tally = sqlx::query_as(
        "select received, details, inserted, updated, quarantined from argos_sync.run_counter
        where run_id = (select max(run_id) from argos_sync.run)",
    )
    .fetch_one(&mut connection)
    .await
    .expect("what the last run did");
    connection.close().await.expect("the connection closes");
    tally
}

impl Measured {
    /// Distinct submissions per second.
    pub(crate) fn rate(&self) -> f64 {
        self.submissions / self.ran.seconds
    }

    /// CPU seconds of program and server.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.ran.cpu_seconds + self.postgres_cpu_seconds
    }

    /// Bytes of write-ahead log per submission.
    pub(crate) fn wal_bytes_each(&self) -> f64 {
        self.wal_bytes / self.submissions
    }

    /// Fails unless the run received everything and stored these numbers of new and changed
    /// submissions.
    pub(crate) fn demand(&self, inserted: u32, updated: u32) {
        let Tally { received, inserted: new, updated: changed, quarantined, .. } = self.tally;
        let is_right = (new, changed, quarantined) == (inserted.into(), updated.into(), 0);
        assert!(
            is_right && received as f64 >= self.submissions,
            "the run should have stored {inserted} new and {updated} changed submissions: {:?}",
            self.tally,
        );
    }

    /// Adds the figures that every run has.
    pub(crate) fn note(&self, figures: &mut Figures, run: &str) {
        let memory = mebibytes(self.ran.peak_memory_bytes);
        figures.note(format!("{run}: submissions"), Unit::PerSecond, self.rate());
        figures.note(format!("{run}: time"), Unit::Seconds, self.ran.seconds);
        figures.note(format!("{run}: CPU of the program"), Unit::Seconds, self.ran.cpu_seconds);
        figures.note(format!("{run}: CPU of PostgreSQL"), Unit::Seconds, self.postgres_cpu_seconds);
        figures.note(
            format!("{run}: CPU of the simulator"),
            Unit::Seconds,
            self.simulator_cpu_seconds,
        );
        figures.note(format!("{run}: peak memory of the program"), Unit::Mebibytes, memory);
        figures.note(
            format!("{run}: WAL for each submission"),
            Unit::BytesEach,
            self.wal_bytes_each(),
        );
    }
}

/// Fails unless the warehouse contains this number of submissions.
pub(crate) async fn demand_submissions(database: &Database, expected: u32) {
    for table in ["argos.submission", "argos_sync.record"] {
        let count = database.number(&format!("select count(*) from {table}")).await;
        assert_eq!(count, i64::from(expected), "rows of {table}");
    }
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
