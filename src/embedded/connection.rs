//! How a command finds the running server: a connection file, and a password file for `psql`.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
    path::Path,
};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    EmbeddedError,
    layout::{Layout, read_private, write_private},
};

/// The role that owns the warehouse. Not a superuser, so that nothing comes to depend on one.
pub(super) const ROLE: &str = "argos_sync";

/// The only address on which the server listens.
pub(super) const HOST: &str = "127.0.0.1";

/// Length of a generated password in bytes, before its encoding as hexadecimal digits.
const PASSWORD_BYTES: usize = 24;

/// Port and password of the running server.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) port: u16,
    pub(super) password: SecretString,
}

impl Connection {
    /// Reads the connection file; `None` until a server is ready.
    pub(super) fn read(layout: &Layout) -> Result<Option<Self>, EmbeddedError> {
        let path = layout.connection();
        match read_private(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EmbeddedError::file("read", &path, &error)),
        }
    }

    /// Writes the connection file and the password file for `psql`.
    pub(super) fn write(&self, layout: &Layout) -> Result<(), EmbeddedError> {
        let password = self.password.expose_secret();
        write_private(&layout.pgpass(), &format!("{HOST}:{}:*:{ROLE}:{password}\n", self.port))?;
        write_private(&layout.connection(), self.url("").expose_secret())
    }

    /// The previous port; zero if there is none. It is read from the password file for `psql`,
    /// which is kept when the server stops.
    pub(super) fn last_port(layout: &Layout) -> u16 {
        let pgpass = read_private(&layout.pgpass()).unwrap_or_default();
        pgpass.split(':').nth(1).and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("postgres://")?.strip_prefix(ROLE)?.strip_prefix(':')?;
        let (password, address) = rest.split_once('@')?;
        let port =
            address.strip_prefix(HOST)?.strip_prefix(':')?.strip_suffix('/')?.parse().ok()?;
        Some(Self { port, password: password.into() })
    }

    /// The URL of a database. `database` needs no escaping: see [`is_plain_name`].
    pub(super) fn url(&self, database: &str) -> SecretString {
        let password = self.password.expose_secret();
        format!("postgres://{ROLE}:{password}@{HOST}:{}/{database}", self.port).into()
    }

    /// Connects as [`ROLE`].
    pub(super) async fn connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        connect(self.port, ROLE, &self.password, database).await
    }

    /// Creates the database if it is missing. The caller prevents concurrent creation.
    pub(super) async fn create_database(&self, name: &str) -> Result<(), EmbeddedError> {
        let failed = |error: sqlx::Error| EmbeddedError::database("create the database", &error);
        if !is_plain_name(name) {
            let (action, code) =
                ("use a database name other than [a-z0-9_]+".to_owned(), "refused".to_owned());
            return Err(EmbeddedError::Database { action, code });
        }
        let mut connection = self.connect("postgres").await.map_err(failed)?;
        let exists: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(name)
                .fetch_one(&mut connection)
                .await
                .map_err(failed)?;
        if !exists {
            let create = sqlx::AssertSqlSafe(format!("create database {name}"));
            sqlx::raw_sql(create).execute(&mut connection).await.map_err(failed)?;
        }
        connection.close().await.map_err(failed)
    }
}

/// Connects to the server on this port.
pub(super) async fn connect(
    port: u16,
    role: &str,
    password: &SecretString,
    database: &str,
) -> sqlx::Result<PgConnection> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(HOST)
        .port(port)
        .username(role)
        .password(password.expose_secret())
        .database(database)
        .ssl_mode(PgSslMode::Disable);
    PgConnection::connect_with(&options).await
}

/// Whether a name needs no quoting in SQL and in a URL.
fn is_plain_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(allowed)
}

/// The password of the cluster's superuser, which this program needs to create its own role.
///
/// It is neither in the connection file nor in the password file for `psql`.
pub(super) fn superuser_password(layout: &Layout) -> Result<SecretString, EmbeddedError> {
    let path = layout.superuser_password();
    match read_secret(&path) {
        None if layout.cluster().exists() => {
            Err(EmbeddedError::Damaged { path: layout.home(), missing: "password".to_owned() })
        }
        None => generate_secret(&path),
        Some(password) => Ok(password),
    }
}

/// The password of [`ROLE`], generated on first use.
pub(super) fn role_password(layout: &Layout) -> Result<SecretString, EmbeddedError> {
    let path = layout.role_password();
    read_secret(&path).map_or_else(|| generate_secret(&path), Ok)
}

fn read_secret(path: &Path) -> Option<SecretString> {
    read_private(path).ok().filter(|text| !text.is_empty()).map(SecretString::from)
}

/// Writes a new secret of hexadecimal digits, which need no escaping in SQL and URLs.
fn generate_secret(path: &Path) -> Result<SecretString, EmbeddedError> {
    let mut random = [0; PASSWORD_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .map_err(|error| EmbeddedError::file("read", "/dev/urandom", &error))?;
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    let text: String =
        random.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    write_private(path, &text)?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_file_reads_back() {
        let written = Connection { port: 54321, password: "0f1e".to_owned().into() };
        let read = Connection::parse(written.url("").expose_secret()).expect("our own text");
        assert_eq!(read.port, 54321);
        assert_eq!(read.password.expose_secret(), "0f1e");
    }

    #[test]
    fn half_a_connection_file_is_no_connection() {
        for text in ["", "postgres://argos_sync:0f1e", "postgres://argos_sync:0f1e@127.0.0.1:543"] {
            assert!(Connection::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let connection = Connection { port: 1, password: "0f1e".to_owned().into() };
        assert!(!format!("{connection:?}").contains("0f1e"));
    }

    #[test]
    fn only_names_that_need_no_quotes_pass() {
        assert!(is_plain_name("argos_sync"));
        for name in ["", "1a", "Argos", "a b", "a\"b", "a/b", &"a".repeat(64)] {
            assert!(!is_plain_name(name), "{name}");
        }
    }
}
