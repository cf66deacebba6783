//! The warehouse behind PgBouncer: what works in session and in transaction mode, and what the
//! program says where it cannot work.
//!
//! The tests start the installed `pgbouncer` with two server connections. Transaction mode needs
//! 1.21 or newer: `ARGOS_SYNC_TEST_POOLER_URL`, such as `postgres://127.0.0.1:6432`, names a pooler
//! that leads to every database of the server in `ARGOS_SYNC_TEST_DATABASE_URL`.

use std::{net::Ipv4Addr, process::Stdio, str::FromStr as _, time::Duration};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::{
    evidence::{SLOW, ended_within, skipped},
    truth::assert_equal,
    world::{ALL_DAYS, TestWorld},
};

const SOON: Duration = Duration::from_secs(150);
const BACKFILL: [&str; 3] = ["run", "--backfill", ALL_DAYS];

/// The first version with prepared statements in transaction mode.
const SUPPORTED: (u32, u32) = (1, 21);

/// A pooler for all databases of the test server.
struct Pooler {
    /// Host and port.
    address: String,
    _process: Option<(Child, tempfile::TempDir)>,
}

impl Pooler {
    /// Starts the installed PgBouncer in this mode.
    async fn start(world: &TestWorld, mode: &str, more: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let server = PgConnectOptions::from_str(&world.database.url).expect("an address");
        let (host, port, user) = (server.get_host(), server.get_port(), server.get_username());
        let password = password(&world.database.url);
        // The port is free again once the listener is dropped.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let own_port = free.local_addr().expect("an address").port();
        drop(free);
        let dir = tempfile::tempdir().expect("a directory");
        let users = dir.path().join("users.txt");
        let config = dir.path().join("pgbouncer.ini");
        std::fs::write(&users, format!("\"{user}\" \"{password}\"\n")).expect("the users");
        let text = format!(
            "[databases]\n* = host={host} port={port}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own_port}\nunix_socket_dir =\n\
             auth_type = plain\nauth_file = {}\npool_mode = {mode}\n{more}\n",
            users.display()
        );
        std::fs::write(&config, text).expect("the configuration");
        // As root, the pooler becomes another user.
        for (path, mode) in [(dir.path(), 0o755), (&*users, 0o644), (&*config, 0o644)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).expect("a mode");
        }
        let mut command = Command::new("pgbouncer");
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        command.arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().expect("PgBouncer starts");
        let address = format!("127.0.0.1:{own_port}");
        for _ in 0..1000 {
            if TcpStream::connect(&address).await.is_ok() {
                return Self { address, _process: Some((process, dir)) };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("PgBouncer does not answer at {address}");
    }

    /// A pooler in transaction mode that supports prepared statements: the given one, or the
    /// installed one.
    async fn of_transactions(world: &TestWorld) -> Option<Self> {
        if let Some(url) = std::env::var_os("ARGOS_SYNC_TEST_POOLER_URL") {
            let url = url.into_string().expect("the address is UTF-8");
            let (_, rest) = url.split_once("://").expect("a URL");
            let address = rest.rsplit('@').next().unwrap_or(rest);
            let address = address.split('/').next().unwrap_or(address).to_owned();
            return Some(Self { address, _process: None });
        }
        if version().await? < SUPPORTED {
            return None;
        }
        let more = "default_pool_size = 2\nmax_prepared_statements = 500";
        Some(Self::start(world, "transaction", more).await)
    }

    /// The address of a database through the pooler.
    fn through(&self, url: &str) -> String {
        let (before, rest) = url.split_once("://").expect("a URL");
        let (user, rest) = rest.rsplit_once('@').expect("a user");
        let (_, database) = rest.split_once('/').expect("a database");
        format!("{before}://{user}@{}/{database}", self.address)
    }
}

/// The version of the installed PgBouncer; `None` if there is none.
async fn version() -> Option<(u32, u32)> {
    let output = Command::new("pgbouncer").arg("--version").output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.lines().next()?.split_whitespace().nth(1)?.to_owned();
    let mut parts = number.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn password(url: &str) -> String {
    let (_, rest) = url.split_once("://").expect("a URL");
    let (user, _) = rest.rsplit_once('@').expect("a user");
    user.split_once(':').map(|(_, password)| password.to_owned()).unwrap_or_default()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A backfill by two processes, one of which is killed and resumed, and a round of due work.
async fn core_works(world: &TestWorld, url: &str) {
    let settings = [
        ("database.url", url),
        ("client.page_size", "20"),
        ("sync.window_days", "10"),
        ("sync.since", "2025-01-01"),
        ("database.connections_max", "2"),
    ];
    world.slow_vendor(SLOW);
    let mut killed = world.start_with(&settings, &BACKFILL);
    world.until("select coalesce(sum(pages), 0) >= 3 from argos_sync.run_counter").await;
    killed.kill().await.expect("SIGKILL");
    world.slow_vendor(20);
    let programs: Vec<_> = (0..2).map(|_| world.start_with(&settings, &BACKFILL)).collect();
    for program in programs {
        let ran = ended_within(SOON, program).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    }
    assert_equal(world).await;
    let round = ended_within(SOON, world.start_with(&settings, &["run", "--once"])).await;
    assert_eq!(round.code(), 0, "{round:?}");
    for arguments in [&["check"][..], &["status"], &["verify"]] {
        let ran = ended_within(SOON, world.start_with(&settings, arguments)).await;
        assert_eq!(ran.code(), 0, "{arguments:?} {ran:?}");
    }
    assert_equal(world).await;
}

#[tokio::test]
async fn everything_works_through_a_pooler_in_session_mode() {
    if version().await.is_none() {
        return skipped("pgbouncer is not installed");
    }
    let world = TestWorld::new(200, 20).await;
    let pooler = Pooler::start(&world, "session", "default_pool_size = 10").await;
    let url = pooler.through(&world.database.url);
    let ran = world.run_with(&[("database.url", &url)], &["migrate"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    core_works(&world, &url).await;
}

#[tokio::test]
async fn everything_but_migrate_works_through_two_connections_of_a_pooler_in_transaction_mode() {
    let world = TestWorld::new(200, 20).await;
    let Some(pooler) = Pooler::of_transactions(&world).await else {
        return skipped("no PgBouncer from 1.21 on is installed");
    };
    let url = pooler.through(&world.database.url);
    let ran = world.run_with(&[("database.url", &url)], &["migrate"]).await;
    assert_eq!(ran.code(), 78, "{ran:?}");
    assert!(ran.stderr.contains("connection pooler in transaction mode"), "{ran:?}");
    assert!(ran.stderr.contains("that connects directly to PostgreSQL"), "{ran:?}");
    core_works(&world, &url).await;
}

#[tokio::test]
async fn a_pooler_that_loses_prepared_statements_is_named_with_what_is_needed() {
    match version().await {
        None => return skipped("pgbouncer is not installed"),
        Some(version) if version >= SUPPORTED => {
            return skipped("the installed pgbouncer keeps prepared statements");
        }
        Some(_) => {}
    }
    let world = TestWorld::new(60, 0).await;
    let pooler = Pooler::start(&world, "transaction", "default_pool_size = 2").await;
    let url = pooler.through(&world.database.url);
    let settings = [("database.url", url.as_str())];
    // Statements fail once a server connection knows those of another client.
    let mut ran = world.run_with(&settings, &BACKFILL).await;
    for _ in 0..5 {
        if ran.code() != 0 {
            break;
        }
        ran = world.run_with(&settings, &BACKFILL).await;
    }
    assert_eq!(ran.code(), 78, "{ran:?}");
    assert!(ran.stderr.contains("use PgBouncer 1.21 or newer with"), "{ran:?}");
    assert!(ran.stderr.contains("`max_prepared_statements`, or session mode"), "{ran:?}");
}
