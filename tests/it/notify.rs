//! What the daemon tells systemd, received by a socket of the test.

use std::{os::unix::net::UnixDatagram, path::Path, time::Duration};

use tokio::{process::Child, task::spawn_blocking};

use crate::{
    evidence::{ended_within, terminate},
    world::TestWorld,
};

const SOON: Duration = Duration::from_secs(30);
const WATCHDOG: Duration = Duration::from_secs(2);

/// The receiving end of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(SOON)).expect("a timeout");
        Self(socket)
    }

    /// Waits until a message contains this line.
    fn until(&self, line: &str) {
        let mut buffer = [0; 4096];
        let mut seen = Vec::new();
        loop {
            let Ok(length) = self.0.recv(&mut buffer) else { panic!("no {line}: {seen:?}") };
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|own| own == line) {
                return;
            }
            seen.push(message);
        }
    }

    /// Whether the watchdog is fed within this time. Messages sent before do not count.
    fn is_fed_within(&self, time: Duration) -> bool {
        self.0.set_nonblocking(true).expect("a mode");
        let mut buffer = [0; 4096];
        while self.0.recv(&mut buffer).is_ok() {}
        self.0.set_nonblocking(false).expect("a mode");
        let end = std::time::Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            self.0.set_read_timeout(Some(left)).expect("a timeout");
            match self.0.recv(&mut buffer) {
                Ok(length) if buffer[..length].starts_with(b"WATCHDOG=1") => return true,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Starts a daemon that reports to a manager.
fn start(world: &TestWorld, settings: &[(&str, &str)]) -> (Manager, Child) {
    let path = world.dir.path().join("notify");
    let manager = Manager::listen(&path);
    let program = world
        .command_with(settings, &["run"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
        .spawn()
        .expect("the program starts");
    (manager, program)
}

/// Runs a blocking receiver.
async fn receive<T: Send + 'static>(
    manager: Manager,
    receive: impl FnOnce(&Manager) -> T + Send + 'static,
) -> (Manager, T) {
    let receiving = spawn_blocking(move || {
        let received = receive(&manager);
        (manager, received)
    });
    receiving.await.expect("the receiver ends")
}

#[tokio::test]
async fn systemd_learns_that_the_daemon_runs_works_and_stops() {
    let world = TestWorld::new(40, 10).await;
    let (manager, program) = start(&world, &[("sync.since", "2025-01-01")]);
    let (manager, ()) = receive(manager, |manager| {
        manager.until("READY=1");
        manager.until("STATUS=working; see `argos-sync status`");
    })
    .await;
    world.until("select count(*) = 40 from argos.submission").await;
    // It has nothing to do now, and waits for its schedule.
    let (manager, is_fed) = receive(manager, |manager| manager.is_fed_within(SOON)).await;
    assert!(is_fed, "a wait for the schedule counts");
    terminate(&program).await;
    receive(manager, |manager| manager.until("STOPPING=1")).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}

#[tokio::test]
async fn a_daemon_without_postgresql_is_ready_and_feeds_the_watchdog() {
    let world = TestWorld::new(5, 5).await;
    let url = "postgres://someone:secret@127.0.0.1:1/nothing?sslmode=disable";
    let settings = [("sync.since", "2025-01-01"), ("database.url", url)];
    let (manager, program) = start(&world, &settings);
    let (_manager, is_fed) = receive(manager, |manager| {
        manager.until("READY=1");
        manager.is_fed_within(SOON) && manager.is_fed_within(SOON)
    })
    .await;
    assert!(is_fed);
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}

#[tokio::test]
async fn a_stuck_loop_starves_the_watchdog() {
    let world = TestWorld::new(40, 10).await;
    assert_eq!(world.run(&["migrate"]).await.code(), 0);
    // The first statement about a pass waits for this lock. The program does not know whether the
    // wait will end.
    let mut lock = world.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("lock table argos_sync.pass in access exclusive mode")
        .execute(&mut *lock)
        .await
        .expect("the lock");
    let (manager, program) = start(&world, &[("sync.since", "2025-01-01")]);
    world
        .until(
            "select count(*) > 0 from pg_locks
             where not granted and relation = 'argos_sync.pass'::regclass",
        )
        .await;
    let (manager, is_fed) = receive(manager, |manager| {
        manager.until("READY=1");
        // What was fed for steps before the lock.
        let _earlier = manager.is_fed_within(WATCHDOG);
        manager.is_fed_within(2 * WATCHDOG)
    })
    .await;
    assert!(!is_fed, "systemd would restart it");
    lock.rollback().await.expect("the lock is released");
    let (_manager, is_fed) = receive(manager, |manager| manager.is_fed_within(SOON)).await;
    assert!(is_fed, "it continues");
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}
