//! The PostgreSQL under test, its counters, and a fresh database for every run.

use std::{fs, path::PathBuf, time::Duration};

use argos_sync::embedded;
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{conditions, process};

/// Settings of the private server; all others are the defaults of PostgreSQL or of argos-sync's own
/// server.
const SETTINGS: [(&str, &str); 2] = [("shared_buffers", "1GB"), ("max_wal_size", "4GB")];

/// Data tables: an unchanged item must not write to them.
pub(crate) const IS_DATA: &str = "(nspname in ('argos', 'argos_pii', 'argos_raw') or (nspname, relname) = ('argos_sync', 'record'))";

/// Maximum wait until the program's connections have closed.
const QUIET_SECONDS: u64 = 30;

/// A database of one run.
#[derive(Debug)]
pub(crate) struct Database {
    /// Its address, for the program.
    pub(crate) url: String,
    name: String,
}

/// A PostgreSQL on this machine.
pub(crate) struct Server {
    /// Address of one of its databases, with the program's role.
    url: String,
    /// A connection with more privileges, if there is such a role.
    admin: PgConnection,
    admin_url: String,
    postmaster: u32,
    template: String,
    databases: u32,
    private: Option<(embedded::Server, PathBuf)>,
}

impl Server {
    /// The server that `ARGOS_SYNC_BENCH_DATABASE_URL` names, or a private one; with a migrated
    /// template.
    pub(crate) async fn find() -> Self {
        match std::env::var_os("ARGOS_SYNC_BENCH_DATABASE_URL") {
            Some(url) => {
                let url = url.into_string().expect("the address is UTF-8");
                Self::at(url.clone(), url, None).await
            }
            None => Self::start().await,
        }
    }

    async fn start() -> Self {
        // Only the name is used: the server itself creates and removes the directory.
        let data_dir = tempfile::tempdir().expect("a temporary directory").path().to_owned();
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let options = embedded::Options {
            program: env!("CARGO_BIN_EXE_argos-sync").into(),
            settings: SETTINGS.map(own).into(),
            ephemeral: true,
            ..embedded::Options::new(data_dir.clone()).expect("options")
        };
        let private = embedded::start(&options).await.expect("the embedded PostgreSQL starts");
        let url = private.url().expose_secret().to_owned();
        // Only a superuser may run checkpoints.
        let password = fs::read_to_string(data_dir.join("postgres/password"));
        let password = password.expect("the superuser's password");
        let (_, address) = url.split_once('@').expect("an address with a user");
        let admin_url = format!("postgres://postgres:{password}@{address}");
        Self::at(url, admin_url, Some((private, data_dir))).await
    }

    async fn at(
        url: String,
        admin_url: String,
        private: Option<(embedded::Server, PathBuf)>,
    ) -> Self {
        let mut admin = connect(&admin_url).await;
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut admin)
            .await
            .expect("its process");
        let postmaster = u32::try_from(backend).ok().and_then(process::parent);
        let postmaster = postmaster
            .filter(|process| process::name(*process).is_some_and(|name| name == "postgres"))
            .expect("the server runs on this machine, where its CPU time can be seen");
        let template = format!("argos_sync_bench_{}_template", std::process::id());
        let mut server =
            Self { url, admin, admin_url, postmaster, template, databases: 0, private };
        let template = server.create(&server.template.clone(), "template0").await;
        let mut connection = template.connect().await;
        argos_sync::warehouse::MIGRATOR.run(&mut connection).await.expect("the migrations apply");
        connection.close().await.expect("the connection closes");
        server
    }

    /// A database with all migrations applied.
    pub(crate) async fn fresh(&mut self) -> Database {
        self.databases += 1;
        let name = format!("argos_sync_bench_{}_{}", std::process::id(), self.databases);
        self.create(&name, &self.template.clone()).await
    }

    async fn create(&mut self, name: &str, template: &str) -> Database {
        let mut program = connect(&self.url).await;
        order(&mut program, &format!("create database {name} template {template}")).await;
        program.close().await.expect("the connection closes");
        Database { url: with_database(&self.url, name), name: name.to_owned() }
    }

    pub(crate) async fn drop(&mut self, database: Database) {
        order(&mut self.admin, &format!("drop database {} with (force)", database.name)).await;
    }

    /// Stops the private server, or drops the template of another one.
    pub(crate) async fn stop(mut self) {
        order(&mut self.admin, &format!("drop database {} with (force)", self.template)).await;
        self.admin.close().await.expect("the connection closes");
        if let Some((private, _)) = self.private {
            private.stop().await.expect("the embedded PostgreSQL stops");
        }
    }

    /// Its version, settings and disk.
    pub(crate) async fn conditions(&mut self) -> String {
        let version: String = sqlx::query_scalar("select version()")
            .fetch_one(&mut self.admin)
            .await
            .expect("its version");
        let version = version.split(" on ").next().unwrap_or_default();
        let settings: Vec<String> = sqlx::query_scalar(
            "select name || ' = ' || current_setting(name) from pg_settings
            where source not in ('default', 'override', 'client', 'session')
                and setting is distinct from boot_val
                and category !~ '^(Client Connection Defaults|Connections|Reporting|File)'
            order by name",
        )
        .fetch_all(&mut self.admin)
        .await
        .expect("its settings");
        let disk = match &self.private {
            Some((_, directory)) => {
                let kind = conditions::file_system(directory);
                let remark = if kind == "tmpfs" { ", IN MEMORY: set TMPDIR" } else { "" };
                format!("private, on {kind}{remark}")
            }
            None => "as ARGOS_SYNC_BENCH_DATABASE_URL says".to_owned(),
        };
        format!("{version}, {disk}; not default: {}\n", settings.join(", "))
    }

    /// CPU seconds of all its processes so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        process::family_cpu_seconds(self.postmaster)
    }

    /// Bytes of write-ahead log so far.
    pub(crate) async fn wal_bytes(&mut self) -> i64 {
        sqlx::query_scalar("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
            .fetch_one(&mut self.admin)
            .await
            .expect("the write-ahead log")
    }

    /// Writes all changes to disk, so that no run pays for an earlier one.
    pub(crate) async fn checkpoint(&mut self) {
        order(&mut self.admin, "checkpoint").await;
    }

    /// Does the work that autovacuum would do some minutes later.
    pub(crate) async fn vacuum(&mut self, database: &Database) {
        let mut connection = connect(&with_database(&self.admin_url, &database.name)).await;
        order(&mut connection, "vacuum (analyze)").await;
        connection.close().await.expect("the connection closes");
    }

    /// Waits until a database has no connections, so that its statistics are complete.
    pub(crate) async fn quiet(&mut self, database: &Database) {
        let waiting = async {
            loop {
                let busy: bool = sqlx::query_scalar(
                    "select exists (select from pg_stat_activity
                    where datname = $1 and backend_type = 'client backend')",
                )
                .bind(&database.name)
                .fetch_one(&mut self.admin)
                .await
                .expect("who is connected");
                if !busy {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // A process ends shortly after it disappears from the list.
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let limit = Duration::from_secs(QUIET_SECONDS);
        tokio::time::timeout(limit, waiting).await.expect("everybody leaves the database");
    }
}

impl Database {
    /// Connects as the program does.
    pub(crate) async fn connect(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// Returns one number from the database.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await;
        let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await;
        connection.close().await.expect("the connection closes");
        number.expect(sql)
    }

    /// Its size in bytes.
    pub(crate) async fn bytes(&self) -> i64 {
        self.number("select pg_database_size(current_database())").await
    }

    /// Rows inserted into, updated in or deleted from its data tables so far.
    pub(crate) async fn rows_written(&self) -> i64 {
        self.number(&format!(
            "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint
            from (select *, schemaname as nspname from pg_stat_user_tables) as counted where {IS_DATA}"
        ))
        .await
    }
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the database answers")
}

async fn order(connection: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.expect(statement);
}

/// The address of another database of the same server.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").expect("an address is a URL");
    let server = rest.split('/').next().unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{scheme}://{server}/{name}{query}")
}
