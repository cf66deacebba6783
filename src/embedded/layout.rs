//! The layout of the data directory.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use privdrop::reexports::nix::fcntl::OFlag;

use super::{EmbeddedError, Options};

/// Longest directory path in bytes that fits a Unix socket's address together with the name of the
/// socket file.
const SOCKET_DIR_LENGTH_MAX: usize = 80;

/// Read limit in bytes, above the size of any file that is read as a whole.
const PRIVATE_BYTES_MAX: u64 = 64 * 1024;

/// The parts of the data directory.
///
/// Locks, marker and supervisor's log belong to the user of the command; everything in `home`
/// belongs to the user of the server.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    data_dir: PathBuf,
}

impl Layout {
    /// Creates the data directory if it is missing.
    pub(super) fn prepare(options: &Options) -> Result<Self, EmbeddedError> {
        let data_dir = std::path::absolute(&options.data_dir)
            .map_err(|error| EmbeddedError::file("resolve", &options.data_dir, &error))?;
        let layout = Self { data_dir };
        if layout.data_dir.to_string_lossy().contains(['"', '\'', '$', '`', '\\', '\n', '\u{fffd}'])
        {
            return Err(EmbeddedError::UnusablePath { path: layout.data_dir });
        }
        if options.ephemeral {
            layout.claim_ephemeral()?;
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&layout.data_dir)
            .map_err(|error| EmbeddedError::file("create", &layout.data_dir, &error))?;
        Ok(layout)
    }

    /// Refers to a data directory that a command has prepared.
    pub(super) fn prepared(data_dir: PathBuf) -> Self {
        Self { data_dir }
    }

    /// Creates a removable directory, or joins one that was created as such.
    fn claim_ephemeral(&self) -> Result<(), EmbeddedError> {
        let claimed = match fs::create_dir(&self.data_dir) {
            Ok(()) => File::create_new(self.ephemeral_marker()).map(drop),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !self.is_ephemeral() {
                    return Err(EmbeddedError::NotOurs { path: self.data_dir.clone() });
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        claimed.map_err(|error| EmbeddedError::file("create", &self.data_dir, &error))
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub(super) fn start_lock(&self) -> PathBuf {
        self.data_dir.join("postgres-start.lock")
    }

    pub(super) fn users_lock(&self) -> PathBuf {
        self.data_dir.join("postgres-users.lock")
    }

    pub(super) fn supervisor_lock(&self) -> PathBuf {
        self.data_dir.join("postgres-supervisor.lock")
    }

    pub(super) fn supervisor_log(&self) -> PathBuf {
        self.data_dir.join("postgres-supervisor.log")
    }

    /// The file that marks the data directory as removable. It is created together with the
    /// directory.
    fn ephemeral_marker(&self) -> PathBuf {
        self.data_dir.join("postgres-ephemeral")
    }

    /// Whether the data directory may be removed.
    pub(super) fn is_ephemeral(&self) -> bool {
        self.ephemeral_marker().exists()
    }

    /// The server's own directory, accessible only to its user.
    pub(super) fn home(&self) -> PathBuf {
        self.data_dir.join("postgres")
    }

    /// The cluster. It is set up under another name and renamed, so it exists only when complete.
    pub(super) fn cluster(&self) -> PathBuf {
        self.home().join("data")
    }

    /// The directory in which `initdb` works. The remains of a killed run may be removed.
    pub(super) fn unfinished_cluster(&self) -> PathBuf {
        self.home().join(format!("initialising-{}", std::process::id()))
    }

    pub(super) fn server_log(&self) -> PathBuf {
        self.cluster().join("start.log")
    }

    pub(super) fn superuser_password(&self) -> PathBuf {
        self.home().join("password")
    }

    pub(super) fn role_password(&self) -> PathBuf {
        self.home().join("role-password")
    }

    pub(super) fn connection(&self) -> PathBuf {
        self.home().join("connection")
    }

    pub(super) fn pgpass(&self) -> PathBuf {
        self.home().join("pgpass")
    }

    /// The directory of a downloaded PostgreSQL.
    pub(super) fn installation(&self) -> PathBuf {
        self.home().join("installation")
    }

    /// The directory for the server's Unix socket; `None` if its path is too long or contains
    /// special characters.
    pub(super) fn socket_dir(&self) -> Option<String> {
        let home = self.home().into_os_string().into_string().ok()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        (home.len() <= SOCKET_DIR_LENGTH_MAX && home.bytes().all(plain)).then_some(home)
    }
}

/// Creates a directory that only its owner may enter. An existing directory is not changed.
pub(super) fn create_private_dir(path: &Path) -> Result<(), EmbeddedError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| EmbeddedError::file("create", path, &error))
}

/// Atomically writes a file that only its owner may read.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), EmbeddedError> {
    let unfinished = path.with_extension("new");
    let write = || {
        remove_if_there(&unfinished)?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|error| EmbeddedError::file("write", path, &error))
}

/// Reads a file of the server's directory. Does not follow a link, and does not block on a pipe.
pub(super) fn read_private(path: &Path) -> io::Result<String> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    io::read_to_string(file.take(PRIVATE_BYTES_MAX))
}

/// Removes a file; succeeds if it does not exist.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
