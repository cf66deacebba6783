//! The command's side: joins the server of a data directory, and leaves it.

use std::{
    env,
    fs::File,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use secrecy::SecretString;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::timeout_at,
};

use super::{
    EmbeddedError, Options,
    connection::{Connection, HOST, ROLE},
    layout::{Layout, remove_if_there},
    locks::{self, Deadline},
    privileges,
    supervisor::{FAILED, READY, SHARED, SupervisorRequest},
};

/// How long setup and start may take.
const START_SECONDS: u64 = 120;

/// How long a stop may take, since everything in memory is written to disk.
const STOP_SECONDS: u64 = 120;

/// Environment variables that a command passes to the supervisor. Its secrets stay out of the
/// server's environment (I8).
const PASSED_ON: [&str; 9] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "TMPDIR",
];

/// Use of an embedded PostgreSQL. Dropping it ends the use; the server stops when it is not used
/// any more.
#[derive(Debug)]
pub struct Server {
    layout: Layout,
    database: String,
    url: SecretString,
    port: u16,
    /// Shared lock: the server is in use.
    users: File,
    /// The supervisor, if this command started it.
    supervisor: Option<Supervisor>,
}

/// Joins the embedded PostgreSQL of a data directory. Sets it up and starts it if it is not
/// running.
///
/// If the data directory belongs to an ordinary user, root permanently becomes that user. Creates
/// the database if it is missing. Takes seconds the first time, and a fraction of a second later.
pub async fn start(options: &Options) -> Result<Server, EmbeddedError> {
    let layout = Layout::prepare(options)?;
    privileges::become_owner(&layout)?;
    let limit = Deadline::in_seconds(START_SECONDS);
    let starting = locks::open(&layout.start_lock())?;
    limit.lock("another command that starts PostgreSQL", || starting.try_lock()).await?;
    let users = locks::open(&layout.users_lock())?;
    limit.lock("the stop of PostgreSQL", || users.try_lock_shared()).await?;
    let supervisor_lock = locks::open(&layout.supervisor_lock())?;

    // From here on no supervisor stops the server, and no other command starts one.
    let (supervisor, connection) = loop {
        if locks::got(supervisor_lock.try_lock())? {
            supervisor_lock
                .unlock()
                .map_err(|error| EmbeddedError::file("unlock", layout.supervisor_lock(), &error))?;
            let mut supervisor = Supervisor::spawn(&layout, options)?;
            match supervisor.ready(limit).await {
                Ok(()) => {
                    if let Some(connection) = Connection::read(&layout)? {
                        break (Some(supervisor), connection);
                    }
                }
                // The supervisor of a command that was killed meanwhile was first.
                Err(EmbeddedError::SupervisorBusy) => {}
                Err(error) => return Err(error),
            }
        }
        // Another command's supervisor runs the server, is about to start it, or is ending.
        if let Some(connection) = Connection::read(&layout)?
            && connection.connect("postgres").await.is_ok()
        {
            break (None, connection);
        }
        limit.pause("the start of PostgreSQL by another command").await?;
    };
    connection.create_database(&options.database).await?;
    let url = connection.url(&options.database);
    Ok(Server {
        layout,
        database: options.database.clone(),
        url,
        port: connection.port,
        users,
        supervisor,
    })
}

impl Server {
    /// The URL of the database, with its password.
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// Returns a command line for the operator to connect; it does not contain the password.
    pub fn how_to_connect(&self) -> String {
        let (pgpass, port, database) = (self.layout.pgpass(), self.port, &self.database);
        // The path contains no quotes: `Layout::prepare` rejects them.
        format!("PGPASSFILE='{}' psql -h {HOST} -p {port} -U {ROLE} {database}", pgpass.display())
    }

    /// Ends the use. Returns when the server is stopped or is used by others.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let limit = Deadline::in_seconds(STOP_SECONDS);
        let Self { layout, users, supervisor, .. } = self;
        users
            .unlock()
            .map_err(|error| EmbeddedError::file("unlock", layout.users_lock(), &error))?;
        match supervisor {
            Some(supervisor) => supervisor.end(limit).await,
            None => wait_for_the_supervisor(&layout, &users, limit).await,
        }
    }
}

/// Waits until another command's supervisor has ended, unless the server is in use.
async fn wait_for_the_supervisor(
    layout: &Layout,
    users: &File,
    limit: Deadline,
) -> Result<(), EmbeddedError> {
    let supervisor_lock = locks::open(&layout.supervisor_lock())?;
    loop {
        if locks::got(supervisor_lock.try_lock_shared())? {
            return Ok(());
        }
        // If the exclusive lock is free, the server is unused and the supervisor is about to stop
        // it. If not even a shared lock is free, the supervisor is stopping it.
        let alone = locks::got(users.try_lock())?;
        if !alone && locks::got(users.try_lock_shared())? {
            return Ok(());
        }
        if alone {
            users
                .unlock()
                .map_err(|error| EmbeddedError::file("unlock", layout.users_lock(), &error))?;
        }
        limit.pause("the stop of PostgreSQL").await?;
    }
}

/// The supervisor process, from the side of its command.
#[derive(Debug)]
struct Supervisor {
    child: Child,
    /// Closed when this command ends in any way, which the supervisor waits for.
    lifeline: Option<ChildStdin>,
    words: UnboundedReceiver<String>,
    layout: Layout,
}

impl Supervisor {
    fn spawn(layout: &Layout, options: &Options) -> Result<Self, EmbeddedError> {
        let failed = |error| EmbeddedError::file("start", &options.program, &error);
        // Creates a new file, because the old one may be a link or belong to another user.
        let log = remove_if_there(&layout.supervisor_log())
            .and_then(|()| File::create_new(layout.supervisor_log()))
            .map_err(|error| EmbeddedError::file("write", layout.supervisor_log(), &error))?;
        let order =
            SupervisorRequest { layout: layout.clone(), settings: options.settings.clone() };
        let mut child = supervisor_command(&options.program, layout.data_dir())
            .args(order.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Does not inherit our standard error: a reader that waits for its end must not wait
            // for the server.
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let lifeline = child.stdin.take();
        let Some(stdout) = child.stdout.take() else {
            return Err(EmbeddedError::SupervisorEnded { log: layout.supervisor_log() });
        };
        // Uses a thread, so that a `Server` does not depend on a runtime.
        let (sender, words) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for word in BufReader::new(stdout).lines().map_while(Result::ok) {
                drop(sender.send(word));
            }
        });
        Ok(Self { child, lifeline, words, layout: layout.clone() })
    }

    async fn ready(&mut self, limit: Deadline) -> Result<(), EmbeddedError> {
        match self.word(limit, "the start of PostgreSQL").await? {
            Some(word) if word.starts_with(READY) => Ok(()),
            Some(word) => Err(self.failure(&word)),
            None => Err(EmbeddedError::SupervisorEnded { log: self.layout.supervisor_log() }),
        }
    }

    /// Closes the lifeline and waits until the supervisor ends or reports that others use the
    /// server.
    async fn end(mut self, limit: Deadline) -> Result<(), EmbeddedError> {
        self.lifeline = None;
        match self.word(limit, "the stop of PostgreSQL").await? {
            Some(word) if word == SHARED => Ok(()),
            Some(word) => Err(self.failure(&word)),
            // Its standard output is closed, so it is about to end.
            None => match self.child.wait() {
                Ok(status) if status.success() => Ok(()),
                Ok(_) | Err(_) => {
                    Err(EmbeddedError::SupervisorEnded { log: self.layout.supervisor_log() })
                }
            },
        }
    }

    async fn word(
        &mut self,
        limit: Deadline,
        awaited: &str,
    ) -> Result<Option<String>, EmbeddedError> {
        timeout_at(limit.at(), self.words.recv()).await.map_err(|_elapsed| limit.passed(awaited))
    }

    fn failure(&self, word: &str) -> EmbeddedError {
        let told = word.strip_prefix(FAILED).and_then(|json| serde_json::from_str(json).ok());
        told.unwrap_or_else(|| EmbeddedError::SupervisorEnded { log: self.layout.supervisor_log() })
    }
}

/// The program as supervisor, with a minimal environment. It has its own process group, so that
/// Ctrl-C does not reach it.
fn supervisor_command(program: &Path, data_dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .process_group(0)
        .current_dir("/")
        .env_clear()
        .envs(PASSED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?))))
        // `initdb` takes the locale from here, and messages are to be the same everywhere.
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("HOME", data_dir)
        .env("PGCTLTIMEOUT", START_SECONDS.to_string());
    command
}
