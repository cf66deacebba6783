//! The embedded PostgreSQL, with real supervisors, real kills and the PostgreSQL of this machine.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

use argos_sync::embedded::{EmbeddedError, Options, Server, start};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgConnection, error::DatabaseError};

/// Names the data directory for [`a_command`].
const DATA_DIR: &str = "ARGOS_SYNC_TEST_DATA_DIR";

/// Maximum wait for events that should be immediate.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_new_server_answers_and_is_durable_and_modest() {
    let world = DataDirectory::new();
    let server = world.start().await;
    let shown: (String, String, String, String, String, bool) = sqlx::query_as(
        "select current_setting('fsync'), current_setting('timezone'), current_setting('listen_addresses'),
                pg_encoding_to_char(encoding), datcollate::text, rolsuper
         from pg_database, pg_roles where datname = current_database() and rolname = current_user",
    )
    .fetch_one(&mut connect(&server).await)
    .await
    .expect("an answer");
    let expected = ("on", "UTC", "127.0.0.1", "UTF8", "C", false);
    assert_eq!((&*shown.0, &*shown.1, &*shown.2, &*shown.3, &*shown.4, shown.5), expected);
    for (file, mode) in [("", 0o700), ("password", 0o600), ("connection", 0o600), ("pgpass", 0o600)]
    {
        let metadata = fs::metadata(world.home().join(file)).expect(file);
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
        assert_ne!(metadata.uid(), 0, "{file}: root is given up");
    }
    server.stop().await.expect("the server stops");
    world.assert_stopped();
}

#[tokio::test]
async fn the_way_in_that_is_shown_works_and_shows_no_password() {
    let world = DataDirectory::new();
    let server = world.start().await;
    let way = server.how_to_connect();
    let password = fs::read_to_string(world.home().join("password")).expect("a password");
    assert!(!way.contains(&password));
    assert!(!format!("{server:?}").contains(&password));
    let output = Command::new("sh")
        .args(["-c", &format!("{way} --no-password -Atc 'select 42'")])
        .output()
        .expect("sh");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "42\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    server.stop().await.expect("the server stops");
}

#[tokio::test]
async fn data_and_port_stay_between_runs() {
    let world = DataDirectory::new();
    let begun = Instant::now();
    let server = world.start().await;
    let first = begun.elapsed();
    let url = server.url().expose_secret().to_owned();
    run("create table kept as select 1 as one", &mut connect(&server).await).await;
    server.stop().await.expect("the server stops");

    let begun = Instant::now();
    let server = world.start().await;
    eprintln!("set-up and start {first:?}, later start {:?}", begun.elapsed());
    assert_eq!(server.url().expose_secret(), url);
    run("select one from kept", &mut connect(&server).await).await;
    let begun = Instant::now();
    server.stop().await.expect("the server stops");
    eprintln!("stop {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_second_command_joins_and_the_last_one_stops_the_server() {
    let world = DataDirectory::new();
    let first = world.start().await;
    let second = world.start().await;
    assert_eq!(first.url().expose_secret(), second.url().expose_secret());
    first.stop().await.expect("the first lets go");
    run("select 1", &mut connect(&second).await).await;
    let third = world.start().await;
    second.stop().await.expect("the second lets go");
    run("select 1", &mut connect(&third).await).await;
    third.stop().await.expect("the third stops the server, whose supervisor is another's");
    world.assert_stopped();
}

#[tokio::test]
async fn commands_that_start_at_once_share_one_server() {
    let world = DataDirectory::new();
    let (one, two, three) = tokio::join!(world.start(), world.start(), world.start());
    assert_eq!(one.url().expose_secret(), two.url().expose_secret());
    assert_eq!(one.url().expose_secret(), three.url().expose_secret());
    // One starts while the others stop: it finds the old server or a new one.
    let (_, _, _, late) = tokio::join!(one.stop(), two.stop(), three.stop(), world.start());
    run("select 1", &mut connect(&late).await).await;
    late.stop().await.expect("the server stops");
    world.assert_stopped();
}

#[tokio::test]
async fn a_killed_command_leaves_no_server_behind() {
    let world = DataDirectory::new();
    let mut command = world.command(None);
    command.wait_for("up ");
    let postmaster = world.postmaster().expect("a server");
    let environment = fs::read(format!("/proc/{postmaster}/environ")).expect("its environment");
    assert!(
        !String::from_utf8_lossy(&environment).contains(DATA_DIR),
        "the command's environment stays its own"
    );
    command.child.kill().expect("SIGKILL");
    command.child.wait().expect("it is dead");
    world.wait_for_the_supervisor();
    world.assert_stopped();
    // The server removes its pid file just before it ends.
    wait_until("the server stopped", || !Path::new(&format!("/proc/{postmaster}")).exists());
}

#[tokio::test]
async fn an_orphan_of_a_killed_supervisor_is_adopted_and_stopped() {
    let world = DataDirectory::new();
    let first = world.start().await;
    let orphan = world.postmaster().expect("a server");
    world.signal_supervisor("KILL");
    world.wait_for_the_supervisor();
    run("select 1", &mut connect(&first).await).await;
    let second = world.start().await;
    assert_eq!(world.postmaster(), Some(orphan), "the same server");
    drop(first);
    second.stop().await.expect("the new supervisor stops it");
    world.assert_stopped();
}

#[tokio::test]
async fn a_stale_pid_file_and_a_half_finished_set_up_are_no_obstacles() {
    let world = DataDirectory::new();
    let server = world.start().await;
    run("create table kept ()", &mut connect(&server).await).await;
    let postmaster = world.postmaster().expect("a server");
    world.signal_supervisor("KILL");
    world.wait_for_the_supervisor();
    signal(postmaster, "KILL");
    wait_until("the server is dead", || !Path::new(&format!("/proc/{postmaster}")).exists());
    drop(server);
    assert!(world.home().join("data/postmaster.pid").exists());
    fs::create_dir(world.home().join("initialising-1")).expect("a directory");

    let server = world.start().await;
    run("select from kept", &mut connect(&server).await).await;
    assert!(!world.home().join("initialising-1").exists());
    server.stop().await.expect("the server stops");
    world.assert_stopped();
}

#[tokio::test]
async fn a_server_that_dies_comes_back_on_its_port() {
    let world = DataDirectory::new();
    let server = world.start().await;
    let dead = world.postmaster().expect("a server");
    signal(dead, "KILL");
    let begun = Instant::now();
    while PgConnection::connect(server.url().expose_secret()).await.is_err()
        || world.postmaster() == Some(dead)
    {
        assert!(begun.elapsed() < PATIENCE, "the server does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.stop().await.expect("the server stops");
    world.assert_stopped();
}

#[tokio::test]
async fn a_signalled_supervisor_waits_for_the_users_and_stops_cleanly() {
    let world = DataDirectory::new();
    let server = world.start().await;
    world.signal_supervisor("TERM");
    run("select 1", &mut connect(&server).await).await;
    // The lifeline is still open; the supervisor ends once no command uses the server.
    server.stop().await.expect("the server stops");
    world.wait_for_the_supervisor();
    world.assert_stopped();
    assert!(!world.home().join("connection").exists());
}

#[tokio::test]
async fn data_of_another_version_are_refused_and_left_alone() {
    let world = DataDirectory::new();
    world.start().await.stop().await.expect("a cluster");
    let file = world.home().join("data/PG_VERSION");
    let version = fs::read_to_string(&file).expect("a version");
    fs::write(&file, "11\n").expect("another version");
    let error = start(&world.options()).await.expect_err("no binaries of that version");
    assert!(
        matches!(&error, EmbeddedError::WrongVersion { needed, .. } if needed == "11"),
        "{error}"
    );
    assert!(error.advice().contains("pg_upgrade"));
    fs::remove_file(&file).expect("removed");
    let error = start(&world.options()).await.expect_err("that is no cluster");
    assert!(matches!(&error, EmbeddedError::Damaged { .. }), "{error}");
    fs::write(&file, version).expect("the version it was");
    world.start().await.stop().await.expect("nothing was changed");
}

#[tokio::test]
async fn a_directory_the_server_cannot_reach_is_named() {
    if !is_root() {
        return;
    }
    let world = DataDirectory::new();
    fs::set_permissions(world.directory.path(), fs::Permissions::from_mode(0o700)).expect("closed");
    let error = start(&world.options()).await.expect_err("the server's user may not pass");
    assert!(matches!(&error, EmbeddedError::Unreachable { .. }), "{error}");
    assert!(error.advice().contains("chmod o+x"));
}

#[tokio::test]
async fn only_a_directory_of_its_own_is_removed_at_the_end() {
    let world = DataDirectory::new();
    // Like the directory for temporary files: the server's user must be able to remove an entry.
    fs::set_permissions(world.directory.path(), fs::Permissions::from_mode(0o1777)).expect("open");
    let options = Options { ephemeral: true, ..world.options() };
    let server = start(&options).await.expect("a server");
    server.stop().await.expect("the server stops");
    assert!(!options.data_dir.exists());

    fs::create_dir(&options.data_dir).expect("somebody else's directory");
    let error = start(&options).await.expect_err("it is not ours");
    assert_eq!(error, EmbeddedError::NotOurs { path: options.data_dir.clone() });
    assert!(options.data_dir.exists());
}

#[tokio::test]
async fn an_ordinary_user_needs_no_root_and_root_can_join() {
    if !is_root() || Command::new("setpriv").arg("--version").output().is_err() {
        return;
    }
    let world = DataDirectory::new();
    fs::create_dir(world.data_dir()).expect("a directory");
    chown(world.data_dir(), Some(65534), Some(65534)).expect("given away");
    // Root starts first, and must leave nothing that the ordinary user cannot use.
    let mut first = world.command(None);
    first.wait_for("up ");
    first.end();
    assert_eq!(fs::metadata(world.home()).expect("its home").uid(), 65534);
    let mut ordinary = world.command(Some("65534"));
    ordinary.wait_for("up ");
    let mut joined = world.command(None);
    joined.wait_for("up ");
    ordinary.end();
    joined.end();
    world.assert_stopped();
}

#[test]
fn root_touches_nothing_that_links_in_the_directory_of_an_ordinary_user_name() {
    if !is_root() {
        return;
    }
    for planted in ["postgres-start.lock", "postgres-users.lock", "postgres-supervisor.lock"] {
        let world = DataDirectory::new();
        let target = world.plant(planted);
        fs::write(&target, "root's").expect("a file");
        world.command(None).wait_for("failed ");
        let metadata = fs::metadata(&target).expect("the file");
        assert_eq!((metadata.uid(), metadata.len()), (0, 6), "{planted}");
    }
    // The log file replaces the link.
    for (planted, word) in [("postgres", "failed "), ("postgres-supervisor.log", "up ")] {
        let world = DataDirectory::new();
        let target = world.plant(planted);
        fs::create_dir(&target).expect("a directory");
        let mut command = world.command(None);
        command.wait_for(word);
        if word == "up " {
            command.end();
        }
        let metadata = fs::metadata(&target).expect("the directory");
        assert_eq!(metadata.uid(), 0, "{planted}");
        assert_eq!(fs::read_dir(&target).expect("the directory").count(), 0, "{planted}");
    }
}

#[tokio::test]
async fn root_does_not_work_where_everybody_may_plant_links() {
    if !is_root() {
        return;
    }
    let world = DataDirectory::new();
    fs::create_dir(world.data_dir()).expect("a directory");
    let open = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(world.data_dir(), open).expect("open to all");
    let refused = start(&world.options()).await.expect_err("others may write there");
    assert!(refused.to_string().contains("others may write in it"), "{refused}");
    assert!(refused.advice().contains("chmod go-w"), "{}", refused.advice());
    assert_eq!(fs::read_dir(world.data_dir()).expect("the directory").count(), 0);
}

#[tokio::test]
async fn the_password_in_the_connection_file_opens_no_superuser() {
    let world = DataDirectory::new();
    let server = world.start().await;
    let url = server.url().expose_secret().to_owned();
    let as_superuser = url.replace("postgres://argos_sync:", "postgres://postgres:");
    let refused = PgConnection::connect(&as_superuser).await.expect_err("another password");
    let code = refused.as_database_error().and_then(DatabaseError::code);
    assert_eq!(code.as_deref(), Some("28P01"), "{refused}");
    let (is_superuser, creates_roles): (bool, bool) =
        sqlx::query_as("select rolsuper, rolcreaterole from pg_roles where rolname = current_user")
            .fetch_one(&mut connect(&server).await)
            .await
            .expect("its role");
    assert!(!is_superuser && !creates_roles);
    server.stop().await.expect("the server stops");
}

/// Not a test: a command that the tests above start as a process. It prints to standard error.
#[tokio::test]
#[ignore = "started by other tests"]
async fn a_command() {
    let Some(data_dir) = std::env::var_os(DATA_DIR) else { return };
    match start(&options_in(data_dir.into())).await {
        Ok(server) => {
            eprintln!("up {}", server.how_to_connect());
            std::io::stdin().read_to_end(&mut Vec::new()).expect("the end of standard input");
            server.stop().await.expect("the server stops");
            eprintln!("stopped");
        }
        Err(error) => eprintln!("failed {error:?}"),
    }
}

/// A data directory, and its server as visible from outside.
struct DataDirectory {
    directory: tempfile::TempDir,
}

impl DataDirectory {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // Root's server runs as another user, who must be able to enter.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("open");
        Self { directory }
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("with a space")
    }

    fn home(&self) -> PathBuf {
        self.data_dir().join("postgres")
    }

    fn options(&self) -> Options {
        options_in(self.data_dir())
    }

    async fn start(&self) -> Server {
        start(&self.options()).await.unwrap_or_else(|error| panic!("{error}: {}", error.advice()))
    }

    fn command(&self, uid: Option<&str>) -> CommandProcess {
        let this = std::env::current_exe().expect("this program");
        let mut command = match uid {
            Some(uid) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", uid, "--regid", uid, "--clear-groups", "--"]).arg(this);
                command
            }
            None => Command::new(this),
        };
        let mut child = command
            .args(["--exact", "embedded::a_command", "--ignored", "--nocapture"])
            .env(DATA_DIR, self.data_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let words = BufReader::new(child.stderr.take().expect("its words"));
        CommandProcess { child, words }
    }

    /// Gives an ordinary user the data directory, with a link in it; returns the link's target.
    fn plant(&self, name: &str) -> PathBuf {
        let (data_dir, target) = (self.data_dir(), self.directory.path().join("target"));
        fs::create_dir(&data_dir).expect("a directory");
        symlink(&target, data_dir.join(name)).expect("a link");
        chown(&data_dir, Some(65534), Some(65534)).expect("given away");
        target
    }

    fn postmaster(&self) -> Option<u32> {
        let text = fs::read_to_string(self.home().join("data/postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    fn signal_supervisor(&self, name: &str) {
        let data_dir = self.data_dir();
        let supervisor = fs::read_dir("/proc").expect("/proc").flatten().find_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let arguments = fs::read(entry.path().join("cmdline")).ok()?;
            let mut arguments = arguments.split(|byte| *byte == 0).skip(1);
            let ours = arguments.next()? == b"__keep-postgres"
                && arguments.next()? == data_dir.as_os_str().as_encoded_bytes();
            ours.then_some(process)
        });
        signal(supervisor.expect("a supervisor"), name);
    }

    /// Returns when the supervisor has ended, which frees its lock.
    fn wait_for_the_supervisor(&self) {
        let lock = fs::OpenOptions::new()
            .write(true)
            .open(self.data_dir().join("postgres-supervisor.lock"))
            .expect("a lock");
        lock.lock().expect("locked");
    }

    fn assert_stopped(&self) {
        assert_eq!(self.postmaster(), None, "postmaster.pid is gone");
        assert!(!self.home().join("connection").exists(), "no server is announced");
    }
}

struct CommandProcess {
    child: Child,
    words: BufReader<ChildStderr>,
}

impl CommandProcess {
    /// Closes its standard input, and waits for its end.
    fn end(mut self) {
        drop(self.child.stdin.take());
        self.wait_for("stopped");
    }

    fn wait_for(&mut self, word: &str) {
        let mut said = String::new();
        while self.words.read_line(&mut said).expect("its words") > 0 {
            if said.lines().last().is_some_and(|line| line.starts_with(word)) {
                return;
            }
        }
        panic!("the command never said `{word}` but: {said}");
    }
}

fn options_in(data_dir: PathBuf) -> Options {
    Options {
        program: env!("CARGO_BIN_EXE_argos-sync").into(),
        ..Options::new(data_dir).expect("options")
    }
}

async fn connect(server: &Server) -> PgConnection {
    PgConnection::connect(server.url().expose_secret()).await.expect("the server answers")
}

async fn run(statement: &'static str, connection: &mut PgConnection) {
    sqlx::raw_sql(statement).execute(connection).await.expect(statement);
}

fn signal(process: u32, name: &str) {
    let status =
        Command::new("kill").args(["-s", name, &process.to_string()]).status().expect("kill");
    assert!(status.success());
}

fn wait_until(claim: &str, happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < PATIENCE, "still not: {claim}");
        std::thread::yield_now();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
