//! Parses the address of the database and determines how the connection is protected.

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::domain::is_loopback;

/// Supported parameters of `database.url`.
const KNOWN: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Parameters that libpq supports and argos-sync does not.
const OF_LIBPQ: [&str; 27] = [
    "passfile",
    "require_auth",
    "channel_binding",
    "connect_timeout",
    "client_encoding",
    "fallback_application_name",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "replication",
    "gssencmode",
    "sslnegotiation",
    "sslcompression",
    "sslpassword",
    "sslcertmode",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "requirepeer",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "krbsrvname",
    "gsslib",
    "service",
    "target_session_attrs",
];

/// The protection of the connection to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// The connection does not leave this machine.
    Local,
    /// Encrypted, with verified certificate and host name.
    Full,
    /// Weaker protection, explicitly requested in the URL.
    Less(LessThanFull),
}

/// An explicitly requested protection below `verify-full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LessThanFull {
    /// Encrypted; the certificate is verified, the host name is not.
    AnyName,
    /// Encrypted; the certificate is not verified.
    AnyServer,
    /// Encrypted if the server offers it; the certificate is not verified.
    Perhaps,
    /// Not encrypted.
    Plain,
}

impl LessThanFull {
    /// A sentence for the operator: the risk and the remedy.
    pub fn warning(self) -> &'static str {
        match self {
            Self::AnyName => {
                "`sslmode=verify-ca`: any server with a certificate of that authority is trusted; \
                 verify-full also checks its name"
            }
            Self::AnyServer => {
                "`sslmode=require`: the connection is encrypted, but any server is trusted; use \
                 verify-full"
            }
            Self::Perhaps => {
                "`sslmode=prefer`: the connection is encrypted only if the server supports it, and \
                 any server is trusted; use verify-full"
            }
            Self::Plain => {
                "`sslmode` turns encryption off: passwords and personal data cross the network in \
                 plain text; use verify-full"
            }
        }
    }
}

/// Why `database.url` is refused.
///
/// Contains only parameter names from PostgreSQL's documentation: any other name may be part of a
/// password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The URL cannot be parsed.
    #[error("`database.url` is not a valid PostgreSQL URL")]
    Unreadable,
    /// The URL has a libpq parameter that is not supported.
    #[error("`database.url` has the parameter `{0}`, which argos-sync does not support")]
    Unsupported(&'static str),
    /// The URL has an unknown parameter.
    #[error("`database.url` has an unknown parameter")]
    Unknown,
}

/// Parses a database URL. `is_mode_given`: the environment sets `PGSSLMODE`.
pub(super) fn read(
    url: &SecretString,
    is_mode_given: bool,
) -> Result<(PgConnectOptions, Protection), AddressError> {
    let text = url.expose_secret();
    let mut is_mode_written = is_mode_given;
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        is_mode_written |= ["sslmode", "ssl-mode"].contains(&name);
        let is_known =
            KNOWN.contains(&name) || name.starts_with("options[") || name.starts_with("options%5B");
        if !is_known {
            let of_libpq = OF_LIBPQ.into_iter().find(|known| *known == name);
            return Err(of_libpq.map_or(AddressError::Unknown, AddressError::Unsupported));
        }
    }
    // The error is dropped because it may contain the password.
    let options: PgConnectOptions =
        text.parse().map_err(|_unreadable: sqlx::Error| AddressError::Unreadable)?;
    let options = if is_mode_written || is_local(&options) {
        options
    } else {
        options.ssl_mode(PgSslMode::VerifyFull)
    };
    let protection = protection(&options);
    Ok((options, protection))
}

fn protection(options: &PgConnectOptions) -> Protection {
    match options.get_ssl_mode() {
        _ if is_local(options) => Protection::Local,
        PgSslMode::VerifyFull => Protection::Full,
        PgSslMode::VerifyCa => Protection::Less(LessThanFull::AnyName),
        PgSslMode::Require => Protection::Less(LessThanFull::AnyServer),
        PgSslMode::Prefer => Protection::Less(LessThanFull::Perhaps),
        // sqlx does not encrypt with `allow`.
        PgSslMode::Allow | PgSslMode::Disable => Protection::Less(LessThanFull::Plain),
    }
}

/// Whether the connection stays on this machine: a Unix socket or the loopback interface.
fn is_local(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || is_loopback(options.get_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_this_machine_the_server_proves_its_name_unless_the_address_says_otherwise() {
        use LessThanFull::{AnyName, AnyServer, Perhaps, Plain};
        use Protection::{Full, Less, Local};
        for (url, expected) in [
            ("postgres://u:p@db.example/w", Full),
            ("postgres://u:p@10.0.0.7:6432/w?sslrootcert=/etc/ca.pem", Full),
            ("postgres://u:p@db.example/w?sslmode=verify-full", Full),
            ("postgres://u:p@db.example/w?sslmode=verify-ca", Less(AnyName)),
            ("postgres://u:p@db.example/w?ssl-mode=require", Less(AnyServer)),
            ("postgres://u:p@db.example/w?sslmode=prefer", Less(Perhaps)),
            ("postgres://u:p@db.example/w?application_name=a&sslmode=disable", Less(Plain)),
            ("postgres://u:p@db.example/w?sslmode=allow", Less(Plain)),
            ("postgres://u:p@127.0.0.1/w", Local),
            ("postgres://u:p@127.3.2.1/w?sslmode=disable", Local),
            ("postgres://u:p@[::1]:5433/w", Local),
            ("postgres://u:p@localhost/w", Local),
            ("postgres://u:p@localhost.example/w", Full),
            ("postgres://u@%2Fvar%2Frun%2Fpostgresql/w", Local),
            ("postgres://u@db.example/w?host=/var/run/postgresql", Local),
            ("postgres://u@127.0.0.1/w?host=db.example", Full),
        ] {
            let (_, protection) = read(&url.into(), false).unwrap();
            assert_eq!(protection, expected, "{url}");
        }
        // PGSSLMODE is set.
        let (_, protection) = read(&"postgres://u:p@db.example/w".into(), true).unwrap();
        assert_ne!(protection, Full);
    }

    #[test]
    fn what_is_no_parameter_is_named_only_if_everybody_knows_the_name() {
        for (url, expected) in [
            ("sekret", AddressError::Unreadable),
            ("postgres://u:p@db.example/w?sslmode=sekret", AddressError::Unreadable),
            ("postgres://u@db.example/w?password=a&sekret", AddressError::Unknown),
            ("postgres://u@db.example/w?sekret=1", AddressError::Unknown),
            (
                "postgres://u@db.example/w?sslpassword=sekret",
                AddressError::Unsupported("sslpassword"),
            ),
        ] {
            let error = read(&url.into(), false).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!error.to_string().contains("sekret"), "{error}");
        }
    }
}
