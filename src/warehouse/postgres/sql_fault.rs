//! Classifies PostgreSQL errors by their SQLSTATE (PostgreSQL manual, appendix A).

use super::renewal;

/// Why PostgreSQL refused a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SqlFault {
    /// A row with this key exists.
    UniqueViolation,
    /// Another constraint, or a trigger, refused a row.
    Constraint,
    /// A serialization failure, a deadlock, or a lock that was not available.
    Contention,
    /// The role lacks a privilege.
    Privileges,
    /// The user or the password is wrong.
    Credentials,
    /// The database does not exist.
    NoDatabase,
    /// A schema, table or column is missing.
    MissingObject,
    /// A column or function has another type.
    OtherType,
    /// A pooler mixes up the prepared statements of its clients.
    Pooler,
    /// The server or the role has no connection left.
    NoConnection,
    /// The server does not accept writes.
    ReadOnly,
    /// The server's disk is full.
    DiskFull,
    /// The connection, the server or its resources failed.
    Unavailable,
    /// Anything else.
    Other,
}

impl SqlFault {
    pub(super) fn of(sqlstate: &str) -> Self {
        match sqlstate {
            "23505" => Self::UniqueViolation,
            "23502" | "23503" | "23514" | "23P01" | "P0001" => Self::Constraint,
            "40001" | "40P01" | "55P03" => Self::Contention,
            "42501" => Self::Privileges,
            "28000" | "28P01" => Self::Credentials,
            "3D000" => Self::NoDatabase,
            "3F000" | "42703" | "42P01" => Self::MissingObject,
            // 22P03: a value in binary format does not fit the type of its column.
            "22P03" | "42804" | "42883" => Self::OtherType,
            // A prepared statement of another connection. PgBouncer's own errors are 08P01.
            "26000" | "42P05" => Self::Pooler,
            "53300" => Self::NoConnection,
            renewal::READ_ONLY => Self::ReadOnly,
            "53100" => Self::DiskFull,
            state => match state.get(..2) {
                // Connection exception, invalid transaction state, insufficient resources, operator
                // intervention, system error.
                Some("08" | "25" | "53" | "57" | "58") => Self::Unavailable,
                _ => Self::Other,
            },
        }
    }

    /// The next step for the operator.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Privileges => {
                "grant the role of `database.url` the privileges on the schemas argos, argos_pii, \
                 argos_raw and argos_sync"
            }
            Self::Credentials => "check the user and password in `database.url`",
            Self::NoDatabase => "create the database named in `database.url`",
            Self::MissingObject => "run `argos-sync migrate`",
            Self::Pooler => {
                "the connection pooler loses prepared statements: use PgBouncer 1.21 or newer with \
                 `max_prepared_statements`, or session mode, see \"Poolers\" in README.md"
            }
            Self::NoConnection => {
                "raise `max_connections` of the server or the limit of the role or database, or \
                 lower `database.connections_max`"
            }
            Self::ReadOnly => {
                "the server is read-only, as a standby or after a failover: set `database.url` to \
                 the primary; argos-sync continues by itself once the server is writable"
            }
            Self::UniqueViolation | Self::Constraint => {
                "drop the constraint or trigger if it was added to a table of argos-sync: the \
                 tables must accept all data of the vendor, so put rules on a copy or a view; \
                 otherwise report a bug"
            }
            Self::DiskFull => {
                "free disk space on the database server; argos-sync continues by itself"
            }
            Self::Contention | Self::OtherType | Self::Unavailable | Self::Other => {
                "look up the SQLSTATE in PostgreSQL's documentation and in the server's log"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_classified_by_code_and_else_by_class() {
        for (state, fault) in [
            ("23505", SqlFault::UniqueViolation),
            ("P0001", SqlFault::Constraint),
            ("40P01", SqlFault::Contention),
            ("42P05", SqlFault::Pooler),
            ("08P01", SqlFault::Unavailable),
            ("08006", SqlFault::Unavailable),
            ("25006", SqlFault::ReadOnly),
            ("25P02", SqlFault::Unavailable),
            ("57P03", SqlFault::Unavailable),
            ("22012", SqlFault::Other),
            ("unknown", SqlFault::Other),
            ("é", SqlFault::Other),
        ] {
            assert_eq!(SqlFault::of(state), fault, "{state}");
        }
    }
}
