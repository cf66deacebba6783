//! An embedded PostgreSQL in the data directory, for sites that configure no database.
//!
//! A command that needs the server calls [`start`]. Where none runs, it spawns the *supervisor*:
//! this same program under a hidden command, in a process group of its own, which gives up root,
//! sets the server up and starts it. The supervisor ends when its standard input does, that is when
//! the command has ended in whatever way, `SIGKILL` included, and stops the server as soon as
//! nobody uses it. Three locks in the data directory make this safe:
//!
//! - `start`: one command at a time looks whether a server runs, and starts one.
//! - `users`: shared by every command that uses the server; the supervisor stops the server only
//!   while it holds it alone.
//! - `supervisor`: held by the supervisor for as long as it lives. Free means: no server, or an
//!   orphan that a new supervisor adopts.
//!
//! The kernel frees the locks of a killed process, so none of them can be left behind. Nobody waits
//! for `start` or `supervisor` while holding `users` alone, so there is no circle. The data are
//! never initialised a second time.

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

/// Which private server is wanted, and how it is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory of `argos-sync`; created when missing.
    pub data_dir: PathBuf,
    /// The program to run as supervisor: one whose `main` begins with [`supervisor_main`].
    pub program: PathBuf,
    /// The database to connect to; created when missing.
    pub database: String,
    /// Server settings beside and above the built-in ones; letters, digits and `_.-` only. For
    /// tests.
    #[doc(hidden)]
    pub settings: Vec<(String, String)>,
    /// Whether the data directory goes when the server stops. It must not exist before. For tests.
    #[doc(hidden)]
    pub ephemeral: bool,
}

impl Options {
    /// The database `argos_sync` of the server in `data_dir`, with the running program as
    /// supervisor.
    pub fn new(data_dir: PathBuf) -> Result<Self, EmbeddedError> {
        let program = std::env::current_exe().map_err(|error| {
            EmbeddedError::file("find the running program", "/proc/self/exe", &error)
        })?;
        let database = connection::ROLE.to_owned();
        Ok(Self { data_dir, program, database, settings: Vec::new(), ephemeral: false })
    }
}
