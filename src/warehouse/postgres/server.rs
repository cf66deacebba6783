//! Checks that a PostgreSQL server and its database can hold a warehouse.

use super::{
    error::{Doing as _, WarehouseError},
    pool::Warehouse,
};

/// The oldest supported major version of PostgreSQL.
const MAJOR_VERSION_MIN: i32 = 14;

/// The only supported encoding of the database: names occur in every script.
const ENCODING: &str = "UTF8";

impl Warehouse {
    /// Returns an error if the server is too old or the database is not UTF-8; writes nothing.
    pub async fn check_server(&self) -> Result<(), WarehouseError> {
        let (version, encoding): (i32, String) = sqlx::query_as(
            "select current_setting('server_version_num')::int4,
                current_setting('server_encoding')",
        )
        .fetch_one(&self.pool)
        .await
        .doing("reading the server's version and encoding")?;
        suitable(version, &encoding)
    }
}

/// Compares `server_version_num` and `server_encoding` with the supported values.
fn suitable(version: i32, encoding: &str) -> Result<(), WarehouseError> {
    if version / 10_000 < MAJOR_VERSION_MIN {
        Err(WarehouseError::OldServer { version: in_words(version) })
    } else if encoding != ENCODING {
        Err(WarehouseError::WrongEncoding { encoding: encoding.to_owned() })
    } else {
        Ok(())
    }
}

/// Formats a version like PostgreSQL: 130011 is 13.11, and 90624 is 9.6.24.
fn in_words(version: i32) -> String {
    let (major, minor, patch) = (version / 10_000, version / 100 % 100, version % 100);
    if major >= 10 { format!("{major}.{patch}") } else { format!("{major}.{minor}.{patch}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_from_14_on_with_a_database_in_utf_8_are_suitable_and_no_others() {
        for (version, encoding, problem) in [
            (140_000, "UTF8", None),
            (150_018, "UTF8", None),
            (180_001, "UTF8", None),
            (139_999, "UTF8", Some("PostgreSQL 13.99 is too old")),
            (130_011, "UTF8", Some("PostgreSQL 13.11 is too old")),
            (100_023, "UTF8", Some("PostgreSQL 10.23 is too old")),
            (90_624, "UTF8", Some("PostgreSQL 9.6.24 is too old")),
            (150_018, "LATIN1", Some("encoding LATIN1")),
            (150_018, "SQL_ASCII", Some("encoding SQL_ASCII")),
            (150_018, "EUC_KR", Some("encoding EUC_KR")),
            // The version is checked first because another database cannot change it.
            (130_011, "LATIN1", Some("PostgreSQL 13.11 is too old")),
        ] {
            let found = suitable(version, encoding).map_err(|error| error.to_string());
            match problem {
                None => assert_eq!(found, Ok(()), "{version} {encoding}"),
                Some(problem) => {
                    let error = found.unwrap_err();
                    assert!(error.contains(problem), "{version} {encoding}: {error}");
                }
            }
        }
    }
}
