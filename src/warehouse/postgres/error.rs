//! Errors of the warehouse, and the remedy for each.

use super::{address::AddressError, renewal, sql_fault::SqlFault, unreachable::Unreachable};

/// An error of the warehouse. Never contains PostgreSQL's message text, which quotes data (I8).
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// The database could not be reached, or the connection broke.
    #[error("{doing}: no connection to PostgreSQL ({cause})")]
    Connection {
        /// The operation that failed.
        doing: &'static str,
        /// The cause.
        cause: Unreachable,
    },
    /// PostgreSQL refused a statement.
    #[error(
        "{doing}: PostgreSQL returned SQLSTATE {sqlstate}{}",
        constraint.as_ref().map(|name| format!(" (constraint `{name}`)")).unwrap_or_default()
    )]
    Refused {
        /// The operation that failed.
        doing: &'static str,
        /// PostgreSQL's SQLSTATE.
        sqlstate: String,
        /// The violated constraint.
        constraint: Option<String>,
    },
    /// `database.url` is not valid.
    #[error("{0}")]
    Address(AddressError),
    /// The program had to exit before PostgreSQL completed the write.
    #[error("the program stopped before PostgreSQL responded")]
    NoTime,
    /// Another process now holds the claim; nothing was written.
    #[error("another process has taken over this work")]
    FenceLost,
    /// The checkpoint does not directly precede this page; nothing was written.
    #[error("the checkpoint has changed: page {page} does not follow it")]
    CheckpointMoved {
        /// The number of the page that was to be stored.
        page: u32,
    },
    /// The server was restored or failed over after these observations were numbered; nothing was
    /// written.
    #[error("PostgreSQL was restored or failed over: responses to earlier calls are discarded")]
    ServerChanged,
    /// A newer release created the schema.
    #[error("the schema is newer than this program")]
    NewerSchema,
    /// Migrations from before the first release, which no longer exist, created the schema.
    #[error("the schema was created by an unreleased version of argos-sync; nothing was changed")]
    UnreleasedSchema,
    /// Some migrations have not run.
    #[error("the schema is not up to date")]
    OlderSchema,
    /// The schema cannot be migrated through a pooler in transaction mode.
    #[error("the schema cannot be migrated through a connection pooler in transaction mode")]
    PooledMigration,
    /// The server is older than the oldest supported version.
    #[error("PostgreSQL {version} is too old: the oldest supported version is 14")]
    OldServer {
        /// The server's version.
        version: String,
    },
    /// The database's encoding cannot represent every character.
    #[error("the database has the encoding {encoding}, which cannot store names in other scripts")]
    WrongEncoding {
        /// PostgreSQL's name of the encoding.
        encoding: String,
    },
    /// A stored body cannot be decoded.
    #[error("a stored item cannot be read ({0})")]
    CorruptRaw(&'static str),
    /// A result of the database does not have the expected shape.
    #[error("{doing}: PostgreSQL returned an unexpected result")]
    Shape {
        /// The operation that failed.
        doing: &'static str,
    },
}

/// How to handle an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarehouseRemedy {
    /// Retry: the same transaction may succeed soon.
    Retry,
    /// The data to write is no longer valid; request it again.
    ReadAgain,
    /// Another process now owns the work; stop.
    GiveUp,
    /// Only an operator can fix it.
    CallPerson,
}

/// Adds the failed operation to an error of sqlx.
pub(in crate::warehouse) trait Doing<T> {
    /// Converts an error of sqlx into a [`WarehouseError`]. `doing` is a clause such as "storing a
    /// page".
    fn doing(self, doing: &'static str) -> Result<T, WarehouseError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, WarehouseError> {
        self.map_err(|error| WarehouseError::database(doing, &error))
    }
}

impl WarehouseError {
    /// Converts an error of sqlx. Keeps the SQLSTATE and the constraint, and drops texts that may
    /// contain personal data.
    pub(in crate::warehouse) fn database(doing: &'static str, error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(fault) => {
                let sqlstate = fault.code().map_or_else(|| "unknown".to_owned(), Into::into);
                renewal::note(&sqlstate);
                Self::Refused { doing, sqlstate, constraint: fault.constraint().map(Into::into) }
            }
            sqlx::Error::Io(fault) => Self::Connection { doing, cause: Unreachable::of_io(fault) },
            sqlx::Error::Tls(fault) => {
                Self::Connection { doing, cause: Unreachable::of_tls(&**fault) }
            }
            sqlx::Error::PoolTimedOut => Self::Connection { doing, cause: Unreachable::Silent },
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => {
                Self::Connection { doing, cause: Unreachable::Closed }
            }
            _ => Self::Shape { doing },
        }
    }

    /// How to handle this error.
    pub fn remedy(&self) -> WarehouseRemedy {
        match self {
            Self::Connection { .. } => WarehouseRemedy::Retry,
            Self::Refused { sqlstate, .. } => match SqlFault::of(sqlstate) {
                SqlFault::Contention
                | SqlFault::NoConnection
                | SqlFault::ReadOnly
                | SqlFault::DiskFull
                | SqlFault::Unavailable => WarehouseRemedy::Retry,
                SqlFault::UniqueViolation
                | SqlFault::Constraint
                | SqlFault::Privileges
                | SqlFault::Credentials
                | SqlFault::NoDatabase
                | SqlFault::MissingObject
                | SqlFault::OtherType
                | SqlFault::Pooler
                | SqlFault::Other => WarehouseRemedy::CallPerson,
            },
            Self::ServerChanged => WarehouseRemedy::ReadAgain,
            Self::NoTime | Self::FenceLost | Self::CheckpointMoved { .. } => {
                WarehouseRemedy::GiveUp
            }
            Self::Address(_)
            | Self::NewerSchema
            | Self::UnreleasedSchema
            | Self::OlderSchema
            | Self::PooledMigration
            | Self::OldServer { .. }
            | Self::WrongEncoding { .. }
            | Self::CorruptRaw(_)
            | Self::Shape { .. } => WarehouseRemedy::CallPerson,
        }
    }

    /// Whether a row with the same key already exists.
    pub(in crate::warehouse) fn is_unique_violation(&self) -> bool {
        match self {
            Self::Refused { sqlstate, .. } => SqlFault::of(sqlstate) == SqlFault::UniqueViolation,
            _ => false,
        }
    }

    /// Whether the cause is the setup of the database, such as privileges or schema, and not the
    /// program.
    pub fn is_of_setup(&self) -> bool {
        match self {
            Self::Address(_)
            | Self::NewerSchema
            | Self::UnreleasedSchema
            | Self::OlderSchema
            | Self::PooledMigration
            | Self::OldServer { .. }
            | Self::WrongEncoding { .. } => true,
            Self::Refused { sqlstate, .. } => match SqlFault::of(sqlstate) {
                SqlFault::Privileges
                | SqlFault::Credentials
                | SqlFault::NoDatabase
                | SqlFault::MissingObject
                | SqlFault::OtherType
                | SqlFault::Pooler => true,
                SqlFault::UniqueViolation
                | SqlFault::Constraint
                | SqlFault::Contention
                | SqlFault::NoConnection
                | SqlFault::ReadOnly
                | SqlFault::DiskFull
                | SqlFault::Unavailable
                | SqlFault::Other => false,
            },
            Self::Connection { .. }
            | Self::NoTime
            | Self::FenceLost
            | Self::CheckpointMoved { .. }
            | Self::ServerChanged
            | Self::CorruptRaw(_)
            | Self::Shape { .. } => false,
        }
    }

    /// The next step for the operator.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Connection { cause, .. } => cause.advice(),
            Self::Refused { sqlstate, .. } => SqlFault::of(sqlstate).advice(),
            Self::Address(AddressError::Unreadable) => {
                "use postgres://USER:PASSWORD@HOST:PORT/DATABASE; for a socket, replace the host \
                 by its directory, such as %2Fvar%2Frun%2Fpostgresql"
            }
            Self::Address(AddressError::Unsupported(_)) => "remove it from `database.url`",
            Self::Address(AddressError::Unknown) => {
                "remove it from `database.url`; in a password, write & as %26 and # as %23"
            }
            Self::ServerChanged => "no action needed: the data are requested again",
            Self::NoTime => "start again: work resumes after the last stored page",
            Self::FenceLost | Self::CheckpointMoved { .. } => {
                "no action needed: the other process continues it"
            }
            Self::NewerSchema => "run the newer release of argos-sync that created the schema",
            Self::UnreleasedSchema => {
                "to keep the raw items, read them with `argos-sync raw` of the version that wrote \
                 them, or dump them with `pg_dump --schema=argos_raw`, which only that version can \
                 read; then use an empty database, or run `drop schema argos, argos_pii, \
                 argos_raw, argos_sync cascade` in this one, and run `argos-sync migrate` and a \
                 backfill"
            }
            Self::OlderSchema => "run `argos-sync migrate`",
            Self::PooledMigration => {
                "run `argos-sync migrate` with a `database.url` that connects directly to \
                 PostgreSQL; everything else works through the pooler"
            }
            Self::OldServer { .. } => "upgrade the server, or use another one in `database.url`",
            Self::WrongEncoding { .. } => {
                "create a database with `create database NAME encoding 'UTF8' template template0` \
                 and use it in `database.url`; move the rows with pg_dump and pg_restore, or read \
                 them again with a backfill"
            }
            Self::CorruptRaw(_) => {
                "run `argos-sync verify --repair`, which schedules detail calls for lost items"
            }
            Self::Shape { .. } => "run `argos-sync check`; if it finds nothing, report a bug",
        }
    }
}
