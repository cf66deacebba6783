//! The supervisor: the process that owns the embedded PostgreSQL from its start to its stop.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use super::{EmbeddedError, cluster::Cluster, layout::Layout, locks, privileges};

/// The hidden command under which a program is its own supervisor.
pub(super) const COMMAND: &str = "__keep-postgres";

/// Prefix of a message with the path of the connection file: the server is ready.
pub(super) const READY: &str = "ready ";

/// Prefix of a message with an [`EmbeddedError`] as JSON: the supervisor ends.
pub(super) const FAILED: &str = "failed ";

/// Message: the command has ended, but others use the server.
pub(super) const SHARED: &str = "shared";

/// Interval between two checks that the server still runs.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs the supervisor if this process was started as one; returns `None` otherwise.
///
/// Must be the first call in `main`, before there are threads or a runtime, because it may give up
/// root privileges.
pub fn supervisor_main() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    Some(match keep(&SupervisorRequest::read(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{FAILED}{}", serde_json::to_string(&error).unwrap_or_default()));
            ExitCode::FAILURE
        }
    })
}

/// A command's request to its supervisor.
pub(super) struct SupervisorRequest {
    pub(super) layout: Layout,
    pub(super) settings: Vec<(String, String)>,
}

impl SupervisorRequest {
    /// The request as arguments of the hidden command.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let settings =
            self.settings.iter().map(|(name, value)| OsString::from(format!("{name}={value}")));
        [OsString::from(COMMAND), self.layout.data_dir().into()]
            .into_iter()
            .chain(settings)
            .collect()
    }

    fn read(mut arguments: impl Iterator<Item = OsString>) -> Self {
        let data_dir = arguments.next().unwrap_or_default();
        let setting = |text: OsString| {
            let (name, value) = text.to_str()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Self {
            layout: Layout::prepared(data_dir.into()),
            settings: arguments.filter_map(setting).collect(),
        }
    }
}

fn keep(order: &SupervisorRequest) -> Result<(), EmbeddedError> {
    let layout = &order.layout;
    // Opened while this process may be root; held until it ends.
    let alone = locks::open(&layout.supervisor_lock())?;
    let users = locks::open(&layout.users_lock())?;
    if !locks::got(alone.try_lock())? {
        return Err(EmbeddedError::SupervisorBusy);
    }
    privileges::give_up_root(layout)?;
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| EmbeddedError::file("start the runtime of", COMMAND, &error))?
        .block_on(serve(order, &Arc::new(users)));
    if layout.is_ephemeral() {
        let data_dir = layout.data_dir();
        fs::remove_dir_all(data_dir)
            .map_err(|error| EmbeddedError::file("remove", data_dir, &error))?;
    }
    served
}

async fn serve(order: &SupervisorRequest, users: &Arc<File>) -> Result<(), EmbeddedError> {
    let mut signals = StopSignals::listen()?;
    let mut command_ended = in_a_thread(|| io::copy(&mut io::stdin(), &mut io::sink()));
    let mut cluster = Cluster::bring_up(&order.layout, &order.settings).await?;
    say(&format!("{READY}{}", order.layout.connection().display()));

    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reviving = true;
    loop {
        tokio::select! {
            _ = &mut command_ended => break,
            () = signals.received() => {
                // Such signals are also sent to the server, for example by systemd, so it must not
                // be restarted.
                reviving = false;
                break;
            }
            _ = look.tick() => revive(&mut cluster).await,
        }
    }

    // Every user of the server shares this lock. While it is held exclusively, the server is unused
    // and cannot be joined.
    if !locks::got(users.try_lock())? {
        say(SHARED);
        let waiting = Arc::clone(users);
        let mut unused = in_a_thread(move || locks::wait_exclusively(&waiting));
        loop {
            tokio::select! {
                locked = &mut unused => {
                    locked
                        .unwrap_or_else(|_| Err(io::Error::other("the waiting thread ended")))
                        .map_err(|error| {
                            EmbeddedError::file("lock", order.layout.users_lock(), &error)
                        })?;
                    break;
                }
                () = signals.received() => reviving = false,
                _ = look.tick(), if reviving => revive(&mut cluster).await,
            }
        }
    }
    cluster.stop().await
}

async fn revive(cluster: &mut Cluster) {
    if let Err(error) = cluster.revive().await {
        // Written to the supervisor's log. The next check tries again.
        drop(writeln!(io::stderr(), "the server stopped and cannot be restarted: {error}"));
    }
}

/// Sends a message to the command, if it still reads.
fn say(word: &str) {
    let mut stdout = io::stdout();
    drop(writeln!(stdout, "{word}").and_then(|()| stdout.flush()));
}

/// Runs blocking work without a time limit. The thread is abandoned when the process ends.
fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> oneshot::Receiver<T> {
    let (done, receiver) = oneshot::channel();
    std::thread::spawn(move || drop(done.send(work())));
    receiver
}

/// The signals that request the end of a process.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl StopSignals {
    fn listen() -> Result<Self, EmbeddedError> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| EmbeddedError::file("listen for the signals of", COMMAND, &error))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
