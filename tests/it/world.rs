//! The world of one test: the simulated vendor over real HTTP, a database, a configuration, the
//! real program.

use std::{
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{ExitStatus, Output, Stdio},
};

use argos_sync::{
    domain::{Day, Stream},
    simulator::{self, Population, SimulatedProject},
};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::{net::TcpListener, process::Command};

use crate::database::{self, Database};

/// The API key of the project `main`.
pub(crate) const KEY: &str = "idcheck-key-of-the-tests";
/// The API key of the project `face`.
pub(crate) const FACE_KEY: &str = "faceauth-key-of-the-tests";

pub(crate) struct TestWorld {
    /// The vendor, to change it and to read its records.
    pub(crate) vendor: simulator::Simulation,
    /// The vendor's address, such as `http://127.0.0.1:1234/v3`.
    pub(crate) url: String,
    /// The warehouse.
    pub(crate) database: Database,
    /// The test's own pool.
    pub(crate) pool: PgPool,
    /// The directory of configuration and state.
    pub(crate) dir: tempfile::TempDir,
}

/// People spread over 2025-01-01..2025-03-31.
pub(crate) fn population(submissions: u32, faceauths: u32) -> Population {
    let day = |month, day| Day::from_ymd_opt(2025, month, day).expect("a day");
    Population { seed: 7, submissions, faceauths, from: day(1, 1), to: day(4, 1) }
}

/// All days of [`population`], in the form of the command line.
pub(crate) const ALL_DAYS: &str = "2025-01-01..2025-03-31";

impl TestWorld {
    /// A friendly vendor with two projects, `main` and `face`, and a configuration for them.
    pub(crate) async fn new(submissions: u32, faceauths: u32) -> Self {
        let population = population(submissions, faceauths);
        let project = |key: &str, stream| SimulatedProject {
            key: key.to_owned(),
            stream,
            population: population.clone(),
        };
        Self::of(vec![project(KEY, Stream::Submission), project(FACE_KEY, Stream::Faceauth)]).await
    }

    /// A vendor with these projects; the configuration contains `main` and `face`.
    pub(crate) async fn of(projects: Vec<SimulatedProject>) -> Self {
        let vendor = simulator::Simulation::new(projects);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let url = format!("http://{}/v3", listener.local_addr().expect("an address"));
        // Served until the test's runtime ends.
        tokio::spawn(simulator::serve(listener, vendor.clone(), std::future::pending()));
        let database = database::fresh().await;
        let pool = database.pool().await;
        let dir = tempfile::tempdir().expect("a directory");
        let world = Self { vendor, url, database, pool, dir };
        world.configure("");
        world
    }

    /// Writes the configuration: the world's own, followed by this text (more sections or
    /// projects).
    pub(crate) fn configure(&self, more: &str) {
        let text = format!(
            "[database]\nurl = \"{database}\"\n\
             [client]\ncalls_per_second = 5000\nretry_delay_min_milliseconds = 5\nretry_delay_max_seconds = 1\n\
             [project.main]\nkind = \"idcheck\"\nbase_url = \"{url}\"\napi_key = \"{KEY}\"\n\
             [project.face]\nkind = \"faceauth\"\nparent = \"main\"\nbase_url = \"{url}\"\napi_key = \"{FACE_KEY}\"\n\
             {more}",
            database = self.database.url,
            url = self.url,
        );
        self.configure_whole(&text);
    }

    /// Writes the whole configuration.
    pub(crate) fn configure_whole(&self, text: &str) {
        std::fs::write(self.config(), text).expect("the configuration is written");
        let of_owner = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.config(), of_owner).expect("a mode");
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("argos-sync.toml")
    }

    /// The program with these arguments, ready to be spawned; killed with the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_argos-sync"));
        command
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            .env("NO_COLOR", "1")
            // Tests that need the HTTP service choose a port.
            .env("ARGOS_SYNC__HTTP__LISTEN", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().await.expect("the program runs");
        Ran::of(output)
    }

    /// Backfills all days and demands success.
    pub(crate) async fn backfill(&self) -> Ran {
        let ran = self.run(&["run", "--backfill", ALL_DAYS]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        ran
    }

    /// Executes statements in the warehouse.
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.expect(sql);
    }

    /// Returns one number from the warehouse.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect(sql)
    }

    /// Writes the configuration with these lines in `[client]`, followed by more text.
    pub(crate) fn configure_client(&self, client: &str, more: &str) {
        self.configure(more);
        let text = std::fs::read_to_string(self.config()).expect("the configuration is read");
        self.configure_whole(&text.replace("[client]\n", &format!("[client]\n{client}\n")));
    }
}

/// The result of a run of the program.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Reads the output of a program that has ended.
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// The exit code; -1 if a signal ended the program.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}
