//! An embedded PostgreSQL in the data directory, for sites that configure no database.
//!
//! A command that needs the server calls [`start`]. If the server is not running, it spawns the
//! *supervisor*: this same program under a hidden command, in its own process group. The supervisor
//! gives up root privileges, sets the server up and starts it. Its standard input closes when the
//! command ends in any way, including `SIGKILL`. It then stops the server as soon as it is unused,
//! and ends.
//!
//! Three locks in the data directory make this safe:
//!
//! - `start`: only one command at a time checks whether a server runs and starts one.
//! - `users`: shared by every command that uses the server. The supervisor stops the server only
//!   while it holds the lock exclusively.
//! - `supervisor`: held by the supervisor until it ends. If it is free, there is no server, or an
//!   orphan that a new supervisor adopts.
//!
//! The kernel frees the locks of a killed process, so none of them can be left behind. No process
//! waits for `start` or `supervisor` while it holds `users` exclusively, so no deadlock is
//! possible. The data are never initialised a second time.

mod binaries;
mod cluster;
mod connect;
mod connection;
mod error;
mod initialise;
mod layout;
mod locks;
mod postmaster;
mod privileges;
mod supervisor;

use std::path::PathBuf;

pub use connect::{Server, start};
pub use error::EmbeddedError;
pub use supervisor::supervisor_main;

/// Which embedded server to use, and how to start it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory of `argos-sync`; created if missing.
    pub data_dir: PathBuf,
    /// The program to run as supervisor; its `main` must begin with [`supervisor_main`].
    pub program: PathBuf,
    /// The database to connect to; created if missing.
    pub database: String,
    /// Server settings that extend and override the built-in ones; letters, digits and `_.-` only.
    /// For tests.
    #[doc(hidden)]
    pub settings: Vec<(String, String)>,
    /// Whether the data directory is removed when the server stops. It must not exist before. For
    /// tests.
    #[doc(hidden)]
    pub ephemeral: bool,
}

impl Options {
    /// The database `argos_sync` of the server in `data_dir`, with the running program as
    /// supervisor.
    pub fn new(data_dir: PathBuf) -> Result<Self, EmbeddedError> {
        let program = std::env::current_exe().map_err(|error| {
            EmbeddedError::file("find the executable of", "/proc/self/exe", &error)
        })?;
        let database = connection::ROLE.to_owned();
        Ok(Self { data_dir, program, database, settings: Vec::new(), ephemeral: false })
    }
}
