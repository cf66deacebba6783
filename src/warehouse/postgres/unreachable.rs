//! Classifies connection failures. Each cause has its own message and advice.

use std::{error::Error as StdError, fmt, io::ErrorKind};

use rustls::CertificateError;

/// The cause of a connection failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// Connection refused.
    Refused,
    /// Unknown host.
    UnknownHost,
    /// Timeout.
    Silent,
    /// The server closed the connection, or it broke.
    Closed,
    /// The server does not support TLS.
    NoTls,
    /// The certificate has an unknown issuer.
    UnknownAuthority,
    /// The certificate does not contain the host name.
    OtherName,
    /// The certificate is of X.509 version 1, which has no host names.
    OldCertificate,
    /// The certificate has expired or is not valid yet.
    Expired,
    /// A certificate or key file cannot be read.
    CertificateFile,
    /// A file named in the URL, the socket or a certificate, does not exist or is not readable.
    NoFile,
    /// Another TLS failure.
    Tls,
    /// Another connection failure.
    Io(ErrorKind),
}

impl Unreachable {
    /// Classifies a failure of the connection or of TLS.
    pub(super) fn of_io(error: &std::io::Error) -> Self {
        if let Some(certificate) = certificate_error(error) {
            return certificate;
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::Silent,
            ErrorKind::NotFound | ErrorKind::PermissionDenied => Self::NoFile,
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => Self::Closed,
            // Failures of the resolver have no error kind.
            _ if error.to_string().contains("failed to lookup address information") => {
                Self::UnknownHost
            }
            kind => Self::Io(kind),
        }
    }

    /// Classifies a TLS failure.
    pub(super) fn of_tls(error: &(dyn StdError + 'static)) -> Self {
        if let Some(certificate) = certificate_error(error) {
            return certificate;
        }
        let text = error.to_string();
        if text.contains("does not support TLS") {
            Self::NoTls
        } else if text.contains("certificate") || text.contains("No such file") {
            Self::CertificateFile
        } else {
            Self::Tls
        }
    }

    /// The next step for the operator.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Refused => {
                "start PostgreSQL, or correct the host and port in `database.url`; argos-sync \
                 continues by itself once PostgreSQL responds"
            }
            Self::UnknownHost => {
                "correct the host in `database.url`, or the machine's name resolution"
            }
            Self::Silent => {
                "check the host, port, firewall and free connections; argos-sync continues by \
                 itself once PostgreSQL responds"
            }
            Self::Closed | Self::Io(_) => {
                "read the server's log; argos-sync continues by itself once PostgreSQL responds"
            }
            Self::NoTls => {
                "turn TLS on at the server, or add `sslmode=disable` to `database.url` if the \
                 network is trusted"
            }
            Self::UnknownAuthority => {
                "add `sslrootcert=FILE` with the authority's certificate to `database.url`; \
                 managed databases offer it for download"
            }
            Self::OtherName => {
                "use the certificate's host name in `database.url`, or `sslmode=verify-ca` if the \
                 certificates have no host names"
            }
            Self::OldCertificate => {
                "give the server a certificate of version 3 with its name (subjectAltName), such \
                 as by `openssl req -x509 -addext`"
            }
            Self::Expired => "renew the server's certificate, or correct this machine's clock",
            Self::CertificateFile => {
                "correct `sslrootcert`, `sslcert` and `sslkey` in `database.url`: each names a \
                 readable file in PEM form"
            }
            Self::NoFile => {
                "correct the socket's directory, `sslrootcert`, `sslcert` or `sslkey` in \
                 `database.url`, or their permissions"
            }
            Self::Tls => {
                "read the server's log; `sslmode` and `sslrootcert` in `database.url` control TLS"
            }
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::UnknownHost => "no such host",
            Self::Silent => "timed out",
            Self::Closed => "connection closed",
            Self::NoTls => "the server does not support TLS",
            Self::UnknownAuthority => "the server's certificate is from an unknown authority",
            Self::OtherName => "the server's certificate is for another host name",
            Self::OldCertificate => "the server's certificate is of X.509 version 1",
            Self::Expired => "the server's certificate has expired or is not valid yet",
            Self::CertificateFile => "a certificate or key of `database.url` cannot be read",
            Self::NoFile => "its socket or a certificate file does not exist or cannot be read",
            Self::Tls => "TLS failure",
            Self::Io(kind) => return kind.fmt(f),
        })
    }
}

/// The error in the server's certificate, if that is the cause.
fn certificate_error(error: &(dyn StdError + 'static)) -> Option<Unreachable> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(fault)) = error.downcast_ref() {
            return Some(match fault {
                CertificateError::UnknownIssuer => Unreachable::UnknownAuthority,
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Unreachable::OtherName,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Unreachable::Expired,
                // rustls wraps this cause of webpki; only the Debug text contains it.
                other if format!("{other:?}").contains("UnsupportedCertVersion") => {
                    Unreachable::OldCertificate
                }
                _ => Unreachable::Tls,
            });
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}
