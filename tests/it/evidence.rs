//! Evidence that tests use next to exit codes: whole tables, everything that operators see, and
//! awaited conditions.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;
use tokio::process::{Child, Command};

use crate::{
    database,
    world::{Ran, TestWorld},
};

/// Columns with the program's own times, numbers and claims, or with addresses that have a new
/// signature in every answer.
const OUR_OWN: &str = "'first_seen_at', 'changed_at', 'change_number', 'change_id', 'noted_at', 'as_of', 'pass_id', 'list_read', 'detail_read', 'first_read', 'changed_at', \
    'id_image', 'id_back_image', 'selfie_image', 'address_image', 'detail_read_at', 'detail_next_at', 'doubted_read', 'due_at', 'fence', 'holder', 'expires_at'";

/// Tables of `argos_sync` that describe the data and not the work done.
const KNOWLEDGE: &str =
    "'record', 'coverage', 'detail_due', 'quarantine', 'repair', 'schema_drift'";

/// More tries than any awaited condition needs.
const TRIES: u32 = 12_000;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

impl TestWorld {
    /// The same vendor with another, empty warehouse.
    pub(crate) async fn twin(&self) -> Self {
        let database = database::fresh().await;
        let pool = database.pool().await;
        let dir = tempfile::tempdir().expect("a directory");
        let twin = Self { vendor: self.vendor.clone(), url: self.url.clone(), database, pool, dir };
        twin.configure("");
        twin
    }

    /// The program with settings from the environment, such as `("client.page_size", "100")`.
    pub(crate) fn command_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        for (key, value) in settings {
            let variable = key.to_uppercase().replace('.', "__");
            command.env(format!("ARGOS_SYNC__{variable}"), value);
        }
        command
    }

    /// Runs the program with settings from the environment to its end.
    pub(crate) async fn run_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let output = self.command_with(settings, arguments).output().await;
        Ran::of(output.expect("the program runs"))
    }

    /// Starts the program with settings from the environment.
    pub(crate) fn start_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Child {
        self.command_with(settings, arguments).spawn().expect("the program starts")
    }

    /// Row count and fingerprint of every table with the vendor's data, by name.
    pub(crate) async fn tables(&self) -> BTreeMap<String, String> {
        let columns = format!(
            "select table_schema || '.' || table_name,
                string_agg(case column_name when 'deleted_at' then 'deleted_at is null as alive'
                    else quote_ident(column_name) end, ', ' order by ordinal_position)
             from information_schema.columns
             where (table_schema in ('argos', 'argos_pii') or table_schema = 'argos_sync' and table_name in ({KNOWLEDGE}))
               and column_name not in ({OUR_OWN})
             group by 1"
        );
        let tables: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(columns))
            .fetch_all(&self.pool)
            .await
            .expect("the tables' columns");
        assert!(tables.len() > 15, "{tables:?}");
        let mut prints = BTreeMap::new();
        for (table, columns) in tables {
            let sql = format!(
                "select count(*) || ' rows ' || coalesce(md5(string_agg(given::text, e'\\n' order by given::text)), '')
                 from (select {columns} from {table}) as given"
            );
            let print = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await;
            prints.insert(table, print.expect("a fingerprint"));
        }
        prints
    }

    /// Everything that operators can read in `argos_sync`, as text.
    pub(crate) async fn all_that_operators_see(&self) -> String {
        let tables: Vec<String> = sqlx::query_scalar(
            "select table_schema || '.' || table_name from information_schema.tables where table_schema = 'argos_sync'",
        )
        .fetch_all(&self.pool)
        .await
        .expect("the tables");
        let mut all = String::new();
        for table in tables {
            let sql = format!("select string_agg(given::text, e'\\n') from {table} as given");
            let text: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&self.pool)
                .await
                .expect("a table as text");
            all.extend([&table, "\n", &*text.unwrap_or_default(), "\n"]);
        }
        all
    }

    /// Waits until this query returns true.
    pub(crate) async fn until(&self, fact: &'static str) {
        for _ in 0..TRIES {
            let is_so: bool = sqlx::query_scalar(fact).fetch_one(&self.pool).await.expect(fact);
            if is_so {
                return;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        panic!("it never came about: {fact}");
    }

    /// Waits until the vendor has received `calls` more calls than `before`. Returns whether the
    /// program ran until then.
    pub(crate) async fn until_calls(&self, program: &mut Child, before: u64, calls: u64) -> bool {
        for _ in 0..TRIES {
            if program.try_wait().expect("a status").is_some() {
                return false;
            }
            if self.vendor.call_count() >= before + calls {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the vendor was never called so often");
    }

    /// Delays every answer of both projects.
    pub(crate) fn slow_vendor(&self, latency_ms: u64) {
        for key in [crate::world::KEY, crate::world::FACE_KEY] {
            let knobs = self.vendor.knobs(key).expect("a project");
            let knobs = argos_sync::simulator::Knobs { latency_ms, ..knobs };
            self.vendor.set_knobs(key, knobs).expect("a project");
        }
    }
}

/// Milliseconds of an answer with which no program ends before a test has acted in the middle of
/// its work, however busy the machine is.
pub(crate) const SLOW: u64 = 300;

/// Sends SIGTERM.
pub(crate) async fn terminate(program: &Child) {
    signal(program.id().expect("the program runs"), "TERM").await;
}

/// Sends SIGHUP.
pub(crate) async fn hang_up(program: &Child) {
    signal(program.id().expect("the program runs"), "HUP").await;
}

/// Stops a program without its knowledge, until [`resume`].
pub(crate) async fn suspend(program: &Child) {
    signal(program.id().expect("the program runs"), "STOP").await;
}

/// Lets a stopped program continue.
pub(crate) async fn resume(program: &Child) {
    signal(program.id().expect("the program runs"), "CONT").await;
}

async fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().await;
    assert!(sent.expect("kill runs").success(), "the signal is sent");
}

/// Waits for the end of a program, which must come within this time.
pub(crate) async fn ended_within(time: Duration, program: Child) -> Ran {
    let process = program.id();
    let mut ending = Box::pin(program.wait_with_output());
    let Ok(output) = tokio::time::timeout(time, &mut ending).await else {
        if let Some(process) = process {
            signal(process, "KILL").await;
        }
        let ran = Ran::of(ending.await.expect("its output"));
        panic!("the program does not end in {time:?}: {ran:?}");
    };
    Ran::of(output.expect("its output"))
}

/// A stopped clock in place of the database's.
pub(crate) struct Clock {
    pool: sqlx::PgPool,
}

impl Clock {
    /// Replaces the warehouse's clock with one that is stopped at this time.
    pub(crate) async fn replace(pool: &sqlx::PgPool, at: &str) -> Self {
        let sql = format!(
            "create schema argos_sync_test;
             create table argos_sync_test.clock as select '{at}'::timestamptz as at;
             create or replace function argos_sync.clock() returns timestamptz
                language sql stable as $$ select at from argos_sync_test.clock $$"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.expect("the clock");
        Self { pool: pool.clone() }
    }

    pub(crate) async fn set(&mut self, at: DateTime<Utc>) {
        sqlx::query("update argos_sync_test.clock set at = $1")
            .bind(at)
            .execute(&self.pool)
            .await
            .expect("the clock");
    }

    pub(crate) async fn forward(&mut self, minutes: i32) {
        sqlx::query("update argos_sync_test.clock set at = at + make_interval(mins => $1)")
            .bind(minutes)
            .execute(&self.pool)
            .await
            .expect("the clock");
    }
}

/// Notes that a test was skipped, because this machine lacks something.
pub(crate) fn skipped(why: &str) {
    println!("notice: skipped: {why}");
}
