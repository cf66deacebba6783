//! Living through trouble (I11): PostgreSQL restarts, is away, read-only or full; the API is down;
//! the process has few descriptors, little memory, no home. Each test asserts the final state.
//!
//! `ARGOS_SYNC_OUTAGE_SECONDS` lengthens the outages of PostgreSQL and of the API, for runs by
//! hand.

use std::{
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use argos_sync::{
    embedded,
    simulator::{Addition, Faults},
};
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::process::Command;

use crate::{
    database::Database,
    evidence::{ended_within, skipped},
    service::Daemon,
    world::{ALL_DAYS, FACE_KEY, KEY, Ran, TestWorld},
};

const SOON: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(50);
const BACKFILL: [&str; 3] = ["run", "--backfill", ALL_DAYS];
const SMALL_PAGES: [(&str, &str); 2] = [("client.page_size", "20"), ("sync.workers", "4")];
const EACH_SECOND: [(&str, &str); 1] = [("sync.schedules", "* * * * * *")];

/// How long PostgreSQL or the API is away.
fn outage() -> Duration {
    let seconds = std::env::var_os("ARGOS_SYNC_OUTAGE_SECONDS");
    let seconds = seconds.and_then(|seconds| seconds.into_string().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5))
}

/// A PostgreSQL of this test alone, which it can stop and start.
struct OwnServer {
    options: embedded::Options,
    server: Option<embedded::Server>,
    _dir: tempfile::TempDir,
}

impl OwnServer {
    /// Starts a server in a new directory below this one.
    async fn start_in(parent: &Path) -> Self {
        let dir = tempfile::tempdir_in(parent).expect("a directory");
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let options = embedded::Options {
            program: env!("CARGO_BIN_EXE_argos-sync").into(),
            settings: vec![setting("min_wal_size", "32MB"), setting("wal_keep_size", "0")],
            ..embedded::Options::new(dir.path().join("data")).expect("options")
        };
        let mut own = Self { options, server: None, _dir: dir };
        own.start().await;
        own
    }

    async fn new() -> Self {
        Self::start_in(&std::env::temp_dir()).await
    }

    async fn start(&mut self) {
        let started = embedded::start(&self.options).await;
        self.server = Some(started.unwrap_or_else(|error| panic!("{error}: {}", error.advice())));
    }

    async fn stop(&mut self) {
        let server = self.server.take().expect("it runs");
        server.stop().await.expect("the server stops");
    }

    fn url(&self) -> String {
        self.server.as_ref().expect("it runs").url().expose_secret().to_owned()
    }

    /// The same vendor with a warehouse on this server.
    async fn world(&self, vendor: &TestWorld) -> TestWorld {
        let pool = PgPool::connect(&self.url()).await.expect("the server answers");
        let database = Database { url: self.url(), name: "argos_sync".to_owned() };
        let dir = tempfile::tempdir().expect("a directory");
        let (simulation, url) = (vendor.vendor.clone(), vendor.url.clone());
        let world = TestWorld { vendor: simulation, url, database, pool, dir };
        world.configure("");
        world
    }

    /// Executes statements as the superuser, each in a transaction of its own.
    async fn as_superuser(&self, statements: &[&'static str]) {
        let password = self.options.data_dir.join("postgres/password");
        let password = std::fs::read_to_string(password).expect("the superuser's password");
        let options: sqlx::postgres::PgConnectOptions = self.url().parse().expect("an address");
        let options = options.username("postgres").password(&password);
        let mut connection = PgConnection::connect_with(&options).await.expect("the superuser");
        for statement in statements {
            sqlx::raw_sql(*statement).execute(&mut connection).await.expect(statement);
        }
        connection.close().await.expect("the connection closes");
    }
}

/// Waits until this query returns true. The server may be away meanwhile.
async fn until(world: &TestWorld, fact: &'static str) {
    let waiting = async {
        loop {
            match sqlx::query_scalar(fact).fetch_one(&world.pool).await {
                Ok(true) => return,
                Ok(false) | Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    };
    tokio::time::timeout(SOON + outage(), waiting).await.expect(fact);
}

/// Demands the warehouse of an undisturbed backfill.
async fn assert_whole(world: &TestWorld, vendor: &TestWorld) {
    assert_eq!(vendor.backfill().await.code(), 0);
    assert_eq!(world.tables().await, vendor.tables().await);
    let left = "select (select count(*) from argos_sync.claim)
        + (select count(*) from argos_sync.backfill_window)
        + (select count(*) from argos_sync.detail_due where due_at <= argos_sync.clock())";
    assert_eq!(world.number(left).await, 0);
}

#[tokio::test]
async fn a_backfill_lives_through_ten_restarts_of_postgresql() {
    let vendor = TestWorld::new(600, 100).await;
    let mut server = OwnServer::new().await;
    let world = server.world(&vendor).await;
    world.slow_vendor(100);
    let mut program = world.start_with(&SMALL_PAGES, &BACKFILL);
    for restart in 0..10 {
        let before = world.vendor.call_count();
        let runs = world.until_calls(&mut program, before, 4).await;
        assert!(runs, "it ended before restart {restart}");
        server.stop().await;
        server.start().await;
    }
    world.slow_vendor(0);
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_whole(&world, &vendor).await;
    server.stop().await;
}

#[tokio::test]
async fn a_daemon_lives_through_an_outage_of_postgresql() {
    let vendor = TestWorld::new(60, 20).await;
    let mut server = OwnServer::new().await;
    let world = server.world(&vendor).await;
    let daemon = Daemon::start(&world, &EACH_SECOND).await;
    daemon.until("/readyz?complete", StatusCode::OK).await;
    server.stop().await;
    daemon.until("/readyz", StatusCode::SERVICE_UNAVAILABLE).await;
    for _ in 0..5 {
        world.vendor.add(KEY, &Addition::default()).expect("a submission");
    }
    let end = tokio::time::Instant::now() + outage();
    while tokio::time::Instant::now() < end {
        for path in ["/livez", "/status.json", "/metrics"] {
            assert_eq!(daemon.get(path).await.status(), StatusCode::OK, "{path}");
        }
        tokio::time::sleep(LOOK).await;
    }
    server.start().await;
    until(&world, "select count(*) = 65 from argos.submission").await;
    daemon.until("/readyz?complete", StatusCode::OK).await;
    daemon.end().await;
    let open = "select count(*) from argos_sync.claim";
    assert_eq!(world.number(open).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_daemon_waits_for_a_server_that_became_read_only() {
    let vendor = TestWorld::new(60, 20).await;
    let mut server = OwnServer::new().await;
    let world = server.world(&vendor).await;
    let daemon = Daemon::start(&world, &EACH_SECOND).await;
    daemon.until("/readyz?complete", StatusCode::OK).await;
    let read_only = "alter system set default_transaction_read_only = on";
    server.as_superuser(&[read_only, "select pg_reload_conf()"]).await;
    world.vendor.add(KEY, &Addition::default()).expect("a submission");
    // New transactions are refused now. The daemon neither ends nor loses the submission.
    until(&world, "select current_setting('default_transaction_read_only') = 'on'").await;
    tokio::time::sleep(outage()).await;
    assert_eq!(daemon.get("/livez").await.status(), StatusCode::OK);
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
    let reset = "alter system reset default_transaction_read_only";
    let writing = "set default_transaction_read_only = off";
    server.as_superuser(&[writing, reset, "select pg_reload_conf()"]).await;
    until(&world, "select count(*) = 61 from argos.submission").await;
    daemon.end().await;
    server.stop().await;
}

/// A file system of its own, which is unmounted with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    async fn mount(parent: &Path, megabytes: u32) -> Option<Self> {
        let path = parent.join("disk");
        std::fs::create_dir(&path).expect("a directory");
        let options = format!("size={megabytes}m,mode=0777");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .stderr(Stdio::null())
            .status()
            .await;
        mounted.is_ok_and(|status| status.success()).then(|| Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_backfill_waits_while_the_disk_of_postgresql_is_full() {
    let parent = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o755))
        .expect("a mode");
    let Some(disk) = SmallDisk::mount(parent.path(), 400).await else {
        return skipped("this process may not mount");
    };
    let vendor = TestWorld::new(600, 100).await;
    let mut server = OwnServer::start_in(&disk.0).await;
    let world = server.world(&vendor).await;
    assert_eq!(world.run(&["migrate"]).await.code(), 0);
    world.slow_vendor(50);
    let mut program = world.start_with(&SMALL_PAGES, &BACKFILL);
    assert!(world.until_calls(&mut program, 0, 4).await, "it runs");
    // Everything but a few pages is taken.
    let ballast = disk.0.join("ballast");
    let filled = Command::new("sh")
        .args(["-c", "head -c 1G /dev/zero > \"$0\""])
        .arg(&ballast)
        .stderr(Stdio::null())
        .status()
        .await;
    assert!(!filled.expect("sh").success(), "the disk is full");
    tokio::time::sleep(outage()).await;
    assert!(program.try_wait().expect("its state").is_none(), "it waits");
    std::fs::remove_file(&ballast).expect("the ballast");
    world.slow_vendor(0);
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("space"), "the reason is named: {ran:?}");
    assert_whole(&world, &vendor).await;
    world.pool.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_daemon_lives_through_an_outage_of_the_api() {
    let world = TestWorld::new(60, 20).await;
    let daemon = Daemon::start(&world, &EACH_SECOND).await;
    daemon.until("/readyz?complete", StatusCode::OK).await;
    world.vendor.set_faults(Faults { server_error: 0.5, dropped: 0.5, ..Faults::default() });
    for key in [KEY, FACE_KEY] {
        world.vendor.add(key, &Addition::default()).expect("a record");
    }
    tokio::time::sleep(outage()).await;
    assert_eq!(daemon.get("/livez").await.status(), StatusCode::OK);
    assert_eq!(world.number("select count(*) from argos.submission").await, 60);
    world.vendor.set_faults(Faults::default());
    until(&world, "select count(*) = 61 from argos.submission").await;
    until(&world, "select count(*) = 21 from argos.faceauth").await;
    daemon.until("/readyz?complete", StatusCode::OK).await;
    daemon.end().await;
}

/// Runs the program below a shell command, which must end with `exec "$0" "$@"`.
async fn run_below(world: &TestWorld, shell: &str, arguments: &[&str]) -> Ran {
    let plain = world.command(arguments);
    let plain = plain.as_std();
    let mut command = Command::new("sh");
    command.args(["-c", shell]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Ran::of(command.output().await.expect("sh"))
}

#[tokio::test]
async fn a_backfill_needs_fewer_than_64_descriptors() {
    let vendor = TestWorld::new(600, 100).await;
    let world = vendor.twin().await;
    let ran = run_below(&world, "ulimit -n 64; exec \"$0\" \"$@\"", &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_whole(&world, &vendor).await;
}

#[tokio::test]
async fn a_user_without_home_and_name_runs_a_backfill() {
    let vendor = TestWorld::new(40, 10).await;
    let world = vendor.twin().await;
    let uid = 54_321;
    let own = |path: &Path| chown(path, Some(uid), Some(uid));
    if own(world.dir.path()).and_then(|()| own(&world.config())).is_err() {
        return skipped("this process may not change owners");
    }
    let shell = format!(
        "unset HOME XDG_STATE_HOME; cd /; \
         exec setpriv --reuid {uid} --regid {uid} --clear-groups \"$0\" \"$@\""
    );
    let ran = run_below(&world, &shell, &BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_whole(&world, &vendor).await;
}

/// The peak of resident memory in MiB of a process that runs.
fn peak_mebibytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

#[tokio::test]
async fn a_backfill_of_full_pages_stays_below_128_mebibytes() {
    let world = TestWorld::new(8000, 100).await;
    let knobs = world.vendor.knobs(KEY).expect("a project");
    let knobs = argos_sync::simulator::Knobs { full_list_items: true, ..knobs };
    world.vendor.set_knobs(KEY, knobs).expect("a project");
    let program = world.start_with(&[("sync.details", "never")], &BACKFILL);
    let process = program.id().expect("the program runs");
    let watching = tokio::spawn(async move {
        let mut peak = 0;
        while let Some(now) = peak_mebibytes(process) {
            peak = now;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        peak
    });
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let peak = watching.await.expect("the peak");
    assert!((10..128).contains(&peak), "{peak} MiB");
    assert_eq!(world.number("select count(*) from argos.submission").await, 8000);
}
