//! The running server: started or adopted, supervised, and stopped.

use std::{
    collections::HashMap,
    fs::{self, File},
    mem::ManuallyDrop,
    net::TcpListener,
};

use postgresql_embedded::{BOOTSTRAP_SUPERUSER, PostgreSQL, Settings};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::Connection as _;

use super::{
    EmbeddedError, binaries,
    connection::{self, Connection, HOST, ROLE, role_password, superuser_password},
    initialise,
    layout::{Layout, remove_if_there},
    locks::Deadline,
    postmaster::{self, Postmaster},
};

/// How long a server may take to answer, including its start, crash recovery or a shutdown in
/// progress.
const ANSWER_SECONDS: u64 = 100;

/// Most attempts to start. The port may just have been taken, or an orphaned server may be
/// starting.
const ATTEMPTS_MAX: u32 = 5;

/// Size in bytes from which the server's log is truncated at a start.
const LOG_SIZE_MAX: u64 = 1024 * 1024;

/// The server's settings, for low memory and full durability. The log covers the server itself, and
/// nothing that quotes data (I8).
const SERVER_SETTINGS: [(&str, &str); 11] = [
    // The crate starts every server with `-F`, which disables `fsync`.
    ("fsync", "on"),
    ("listen_addresses", HOST),
    ("max_connections", "50"),
    ("shared_buffers", "128MB"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("password_encryption", "scram-sha-256"),
    ("log_min_messages", "log"),
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("log_checkpoints", "off"),
];

/// A server that this process has to stop.
pub(super) struct Cluster {
    layout: Layout,
    settings: Settings,
    connection: Connection,
}

impl Cluster {
    /// Makes the server available: sets the cluster up if there is none, and adopts a running
    /// server or starts one.
    ///
    /// `extra` settings override the built-in ones.
    pub(super) async fn bring_up(
        layout: &Layout,
        extra: &[(String, String)],
    ) -> Result<Self, EmbeddedError> {
        let superuser = superuser_password(layout)?;
        let installation = binaries::choose(layout).await?;
        let mut settings = initialise::ready_cluster(layout, installation, &superuser).await?;
        settings.configuration = configuration(layout, extra);
        // The previous port, if it is free, because users have configured it in their tools.
        settings.port = Connection::last_port(layout);
        trim_log(layout)?;
        let connection = Connection { port: 0, password: role_password(layout)? };
        let mut cluster = Self { layout: layout.clone(), settings, connection };
        cluster.answer(&superuser).await?;
        cluster.ready_role(&superuser).await?;
        cluster.connection.write(layout)?;
        Ok(cluster)
    }

    /// Restarts the server if it has ended, on the same port, which its clients use.
    pub(super) async fn revive(&mut self) -> Result<(), EmbeddedError> {
        if postmaster::look(&self.layout.cluster())? == Postmaster::Absent {
            self.start(self.connection.port).await?;
        }
        Ok(())
    }

    /// Stops the server, even if another process started it. Disconnects its clients.
    pub(super) async fn stop(self) -> Result<(), EmbeddedError> {
        let forgotten = remove_if_there(&self.layout.connection())
            .map_err(|error| EmbeddedError::file("remove", self.layout.connection(), &error));
        if postmaster::look(&self.layout.cluster())? != Postmaster::Absent {
            let stopped = PostgreSQL::new(self.settings.clone()).stop().await;
            if let Err(error) = stopped
                && postmaster::look(&self.layout.cluster())? != Postmaster::Absent
            {
                return Err(EmbeddedError::Stop { reason: error.to_string() });
            }
        }
        forgotten
    }

    /// Waits until a server answers, and starts one if there is none.
    async fn answer(&mut self, superuser: &SecretString) -> Result<(), EmbeddedError> {
        let limit = Deadline::in_seconds(ANSWER_SECONDS);
        let mut attempts = 0;
        loop {
            match postmaster::look(&self.layout.cluster())? {
                Postmaster::Present { port: Some(port) } => {
                    self.connection.port = port;
                    if let Ok(connection) =
                        connection::connect(port, BOOTSTRAP_SUPERUSER, superuser, "postgres").await
                    {
                        drop(connection.close().await);
                        return Ok(());
                    }
                }
                Postmaster::Present { port: None } => {}
                Postmaster::Absent => {
                    attempts += 1;
                    self.settings.port = free_port(self.settings.port)?;
                    match self.start(self.settings.port).await {
                        Err(error) if attempts >= ATTEMPTS_MAX => return Err(error),
                        Err(_) => self.settings.port = 0,
                        Ok(()) => {}
                    }
                }
            }
            limit.pause("the first response of the embedded PostgreSQL").await?;
        }
    }

    async fn start(&self, port: u16) -> Result<(), EmbeddedError> {
        // The crate stops a server when its value is dropped; ours is only stopped by `stop`.
        let mut server =
            ManuallyDrop::new(PostgreSQL::new(Settings { port, ..self.settings.clone() }));
        server.start().await.map_err(|error| EmbeddedError::Start {
            reason: error.to_string(),
            log: self.layout.server_log(),
        })
    }

    /// Creates the role if it is missing, and sets its password to that of the connection file.
    async fn ready_role(&self, superuser: &SecretString) -> Result<(), EmbeddedError> {
        let failed = |error: sqlx::Error| EmbeddedError::database("create the role", &error);
        let port = self.connection.port;
        let mut connection = connection::connect(port, BOOTSTRAP_SUPERUSER, superuser, "postgres")
            .await
            .map_err(failed)?;
        let exists: bool =
            sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
                .bind(ROLE)
                .fetch_one(&mut connection)
                .await
                .map_err(failed)?;
        let verb = if exists { "alter" } else { "create" };
        // The password consists of hexadecimal digits that this program generated.
        let password = self.connection.password.expose_secret();
        let statement = format!("{verb} role {ROLE} login createdb password '{password}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)
    }
}

fn configuration(layout: &Layout, extra: &[(String, String)]) -> HashMap<String, String> {
    let own = SERVER_SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let socket = ("unix_socket_directories".to_owned(), layout.socket_dir().unwrap_or_default());
    own.into_iter().chain([socket]).chain(extra.iter().cloned()).collect()
}

/// The wanted port if it is free, otherwise any free one. Zero means any.
fn free_port(wanted: u16) -> Result<u16, EmbeddedError> {
    TcpListener::bind((HOST, wanted))
        .or_else(|_| TcpListener::bind((HOST, 0)))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| EmbeddedError::file("get a port of", HOST, &error))
}

fn trim_log(layout: &Layout) -> Result<(), EmbeddedError> {
    let log = layout.server_log();
    if fs::metadata(&log).is_ok_and(|metadata| metadata.len() > LOG_SIZE_MAX) {
        File::create(&log).map_err(|error| EmbeddedError::file("truncate", &log, &error))?;
    }
    Ok(())
}
