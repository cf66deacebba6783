//! A PostgreSQL database for each test.
//!
//! `ARGOS_SYNC_TEST_DATABASE_URL` names a server whose role may create databases. Without it, each
//! test process starts a private server, which stops with the process, however that ends.

use std::{
    str::FromStr as _,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::{Mutex, OnceCell};

/// Maximum connections of one test's pool, because many tests share a server.
const POOL_SIZE_MAX: u32 = 5;

/// The server of all tests of this process. Not bound to a runtime, because every test has its own.
static SERVER: OnceCell<TestServer> = OnceCell::const_new();

/// PostgreSQL can make only one copy of a template at a time.
static COPYING: Mutex<()> = Mutex::const_new(());

/// A database for one test, with all migrations applied.
#[derive(Debug)]
pub(crate) struct Database {
    /// Its address, for the program under test.
    pub(crate) url: String,
    pub(crate) name: String,
}

/// Creates a database for one test.
pub(crate) async fn fresh() -> Database {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(TestServer::find).await;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("argos_sync_test_{}_{number}", std::process::id());
    let _copying = COPYING.lock().await;
    let template = server.template.as_ref().map(|template| format!(" template {template}"));
    server.admin(&format!("create database {name}{}", template.unwrap_or_default())).await;
    let database = Database { url: with_database(&server.url, &name), name };
    if server.template.is_none() {
        migrate(&database.url).await;
    }
    database
}

/// Creates an empty database in another encoding, without migrations.
pub(crate) async fn encoded(encoding: &str) -> Database {
    let server = SERVER.get_or_init(TestServer::find).await;
    let name = format!("argos_sync_test_{}_{}", std::process::id(), encoding.to_lowercase());
    let _copying = COPYING.lock().await;
    // The locale `C` supports every encoding.
    let create = format!(
        "create database {name} encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0"
    );
    server.admin(&create).await;
    Database { url: with_database(&server.url, &name), name }
}

/// A migrated database on a server of its own, which stops with this value.
#[cfg(feature = "embedded")]
pub(crate) struct Elsewhere {
    pub(crate) database: Database,
    _server: TestServer,
}

/// Starts another server, with one migrated database.
#[cfg(feature = "embedded")]
pub(crate) async fn elsewhere() -> Elsewhere {
    let server = TestServer::start().await;
    let name = "argos_sync_elsewhere".to_owned();
    let template = server.template.as_ref().expect("a template");
    server.admin(&format!("create database {name} template {template}")).await;
    let database = Database { url: with_database(&server.url, &name), name };
    Elsewhere { database, _server: server }
}

impl Database {
    /// Connects to the database.
    pub(crate) async fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(POOL_SIZE_MAX)
            .connect(&self.url)
            .await
            .expect("the test database answers")
    }

    /// Drops the database and closes its connections. Only servers that outlive the tests need it.
    pub(crate) async fn close(self) {
        let server = SERVER.get_or_init(TestServer::find).await;
        let order = format!("drop database if exists {} with (force)", self.name);
        // Autovacuum cannot be disconnected; it ends by itself.
        for _ in 0..100 {
            if server.order(&order).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server.admin(&order).await;
    }
}

struct TestServer {
    /// Address of a database for administrative statements.
    url: String,
    /// A migrated database to copy; none on a server that outlives the tests.
    template: Option<String>,
    /// Never dropped; the server ends with this process.
    #[cfg(feature = "embedded")]
    _private: Option<argos_sync::embedded::Server>,
}

impl TestServer {
    async fn find() -> Self {
        match std::env::var_os("ARGOS_SYNC_TEST_DATABASE_URL") {
            Some(url) => Self {
                url: url.into_string().expect("the address is UTF-8"),
                template: None,
                #[cfg(feature = "embedded")]
                _private: None,
            },
            None => Self::start().await,
        }
    }

    #[cfg(not(feature = "embedded"))]
    async fn start() -> Self {
        panic!("set ARGOS_SYNC_TEST_DATABASE_URL, or test with the feature `embedded`")
    }

    #[cfg(feature = "embedded")]
    async fn start() -> Self {
        use secrecy::ExposeSecret as _;
        // Only the name is used: the server itself creates and removes the directory.
        let data_dir = tempfile::tempdir().expect("a temporary directory").path().to_owned();
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let server = argos_sync::embedded::start(&argos_sync::embedded::Options {
            program: env!("CARGO_BIN_EXE_argos-sync").into(),
            settings: vec![
                setting("fsync", "off"),
                setting("synchronous_commit", "off"),
                setting("full_page_writes", "off"),
                setting("max_connections", "100"),
            ],
            ephemeral: true,
            ..argos_sync::embedded::Options::new(data_dir.clone()).expect("options")
        })
        .await
        .unwrap_or_else(|error| panic!("{error}: {}", error.advice()));
        let url = server.url().expose_secret().to_owned();
        let template = "argos_sync_template".to_owned();
        let test_server = Self { url, template: Some(template.clone()), _private: Some(server) };
        test_server.allow_roles(&data_dir.join("postgres/password")).await;
        test_server.admin(&format!("create database {template}")).await;
        migrate(&with_database(&test_server.url, &template)).await;
        test_server
    }

    /// Allows tests to create roles, with the superuser's password from this file.
    #[cfg(feature = "embedded")]
    async fn allow_roles(&self, password: &std::path::Path) {
        let password = std::fs::read_to_string(password).expect("the superuser's password");
        let options = PgConnectOptions::from_str(&self.url).expect("an address");
        let superuser = options.username("postgres").password(&password);
        let mut connection = PgConnection::connect_with(&superuser).await.expect("the superuser");
        let statement = "alter role argos_sync createrole";
        sqlx::raw_sql(statement).execute(&mut connection).await.expect(statement);
        connection.close().await.expect("the connection closes");
    }

    async fn admin(&self, statement: &str) {
        self.order(statement).await.expect(statement);
    }

    async fn order(&self, statement: &str) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect(&self.url).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    }
}

async fn migrate(url: &str) {
    let options = PgConnectOptions::from_str(url).expect("an address");
    let mut connection = PgConnection::connect_with(&options).await.expect("the database answers");
    argos_sync::warehouse::MIGRATOR.run(&mut connection).await.expect("the migrations apply");
    connection.close().await.expect("the connection closes");
}

/// The address of another database of the same server.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").expect("an address is a URL");
    let server = rest.split('/').next().unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{scheme}://{server}/{name}{query}")
}

#[test]
fn an_address_keeps_its_server_and_its_parameters() {
    for (url, expected) in [
        ("postgres://a:b@h:1/old", "postgres://a:b@h:1/new"),
        ("postgres://a:b@h:1", "postgres://a:b@h:1/new"),
        ("postgres://a:b@h:1/old?sslmode=disable", "postgres://a:b@h:1/new?sslmode=disable"),
        ("postgres:///old?host=/run/p", "postgres:///new?host=/run/p"),
    ] {
        assert_eq!(with_database(url, "new"), expected);
    }
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (one, other) = tokio::join!(fresh(), fresh());
    let (pool, other_pool) = (one.pool().await, other.pool().await);
    sqlx::raw_sql("create table mine ()").execute(&pool).await.expect("a table");
    let seen: bool =
        sqlx::query_scalar("select exists (select from pg_class where relname = 'mine')")
            .fetch_one(&other_pool)
            .await
            .expect("an answer");
    assert!(!seen);
    one.close().await;
    other.close().await;
}
