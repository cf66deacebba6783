//! The catalogue: every path of contract sections 3.5 and 6.4, its column, and its class of data.
//!
//! It is the only description of the data tables. It drives normalization. The warehouse's
//! statements and the comments in the database are generated from it, and tests compare it with the
//! migrated schema and with the contract.

mod faceauth;
mod submission;
mod tracking;

pub use tracking::Tracking;

use crate::domain::Stream;

/// The audience of a table: one GRANT per schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// `argos`: facts without direct identifiers, for analysts.
    Facts,
    /// `argos_pii`: data that names or describes a person, for few readers.
    Personal,
}

impl Schema {
    /// The schema's name in PostgreSQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Facts => "argos",
            Self::Personal => "argos_pii",
        }
    }
}

/// The relation of a column to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A fact about the process.
    Fact,
    /// Identifies the record or the person by a number or a code.
    Identifier,
    /// Describes the person, or may contain free text about a person.
    Personal,
    /// Measures or shows the person's body.
    Biometric,
    /// Identifies an account.
    Financial,
    /// Grants access to something; stored only in raw items.
    Secret,
}

impl Class {
    /// The word shown in column comments.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Identifier => "identifier",
            Self::Personal => "personal",
            Self::Biometric => "biometric",
            Self::Financial => "financial",
            Self::Secret => "secret",
        }
    }
}

/// How a value is read, and its PostgreSQL type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text as delivered; numbers and booleans become their text.
    Text,
    /// An enumerated word, stored in lower case because the vendor's case varies (quirk Q11).
    Enum,
    /// One text or many (quirk Q6), as an array.
    TextArray,
    /// A number, or a text that contains one (quirk Q8).
    Double,
    /// A whole number, or a text that contains one.
    Integer,
    /// A boolean, or the text of one.
    Bool,
    /// A date-time in any form of contract section 8; without a zone it is UTC.
    Timestamp,
    /// A calendar date.
    Date,
    /// Any JSON, stored as a whole: open maps, and values of undocumented shape.
    Json,
}

impl Type {
    /// The type's name in PostgreSQL.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Text | Self::Enum => "text",
            Self::TextArray => "text[]",
            Self::Double => "double precision",
            Self::Integer => "bigint",
            Self::Bool => "boolean",
            Self::Timestamp => "timestamp with time zone",
            Self::Date => "date",
            Self::Json => "jsonb",
        }
    }
}

/// A column of a data table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The column's name.
    pub name: &'static str,
    /// The path of the value in an item: members separated by dots, array positions omitted.
    ///
    /// An alternative spelling of the vendor follows a `|`. Empty for a derived column.
    pub path: &'static str,
    /// How the value is read.
    pub kind: Type,
    /// Its relation to a person.
    pub class: Class,
    /// Whether its last known value stays when the record is deleted (`deletion.keep = "facts"`).
    pub survives: bool,
    /// Its meaning, for `COMMENT ON` and the documents.
    pub comment: &'static str,
}

/// The key that distinguishes the rows of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// At most one row per record.
    Record,
    /// Rows are numbered by `ordinal`, from 1, without gaps.
    Ordinal,
    /// The given number of leading columns belong to the key.
    Columns(usize),
    /// The rows do not belong to a record: one row for each distinct set, keyed by the first column
    /// only, and never changed.
    Set,
}

/// The source of a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One row from the item itself.
    Item,
    /// One row for each element of the array at this path; a single object counts as one element
    /// (quirk Q7).
    Elements(&'static str),
    /// Rows created by a rule in the stream's file.
    Derived,
}

/// A data table.
#[derive(Debug)]
pub struct Table {
    /// Its position in [`tables`], and in every list with one entry for each table. Set by
    /// [`numbered`].
    pub index: usize,
    /// The schema, which decides who may read it.
    pub schema: Schema,
    /// The table's name.
    pub name: &'static str,
    /// The stream whose items fill it.
    pub stream: Stream,
    /// The key that distinguishes the rows of one record.
    pub key: Key,
    /// The source of the rows.
    pub source: Source,
    /// All columns except `project`, the record's id, `ordinal`, and the warehouse's own times.
    pub columns: &'static [Column],
    /// The meaning of one row.
    pub comment: &'static str,
}

impl Table {
    /// The name of the column with the record's id.
    pub fn id_column(&self) -> &'static str {
        id_column(self.stream)
    }

    /// Schema and name, as in SQL.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema.as_str(), self.name)
    }

    /// The position of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|candidate| candidate.name == column)
    }
}

/// The name of the column with the id of a stream's records.
pub fn id_column(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "submission_id",
        Stream::Faceauth => "auth_id",
    }
}

/// Numbers the tables of a stream.
#[expect(
    clippy::indexing_slicing,
    reason = "the index is below the length; evaluated at compile time"
)]
const fn numbered<const N: usize>(mut tables: [Table; N]) -> [Table; N] {
    let mut index = 0;
    while index < N {
        tables[index].index = index;
        index += 1;
    }
    tables
}

/// The tables that a stream's items fill, parents first.
pub fn tables(stream: Stream) -> &'static [Table] {
    match stream {
        Stream::Submission => submission::TABLES,
        Stream::Faceauth => faceauth::TABLES,
    }
}

/// Paths that are read but have no column: the id, input of special rules, and the secret that is
/// stored only in raw items.
pub fn other_paths(stream: Stream) -> &'static [(&'static str, Class, &'static str)] {
    match stream {
        Stream::Submission => submission::OTHER_PATHS,
        Stream::Faceauth => faceauth::OTHER_PATHS,
    }
}

/// Paths whose values change with every call although the record is unchanged (contract U33).
/// Digests leave them out.
pub fn volatile_paths(stream: Stream) -> &'static [&'static str] {
    match stream {
        Stream::Submission => submission::VOLATILE_PATHS,
        Stream::Faceauth => &[],
    }
}

/// Paths of texts not written by the vendor, each with the reason. The vendor's label of a deletion
/// proves nothing there.
///
/// Each path includes everything below it. A `*` at its end matches any rest of the name.
pub fn texts_of_others(stream: Stream) -> &'static [(&'static str, &'static str)] {
    match stream {
        Stream::Submission => submission::TEXTS_OF_OTHERS,
        // The vendor marks these with a boolean.
        Stream::Faceauth => &[],
    }
}

/// The member that identifies an element of the array at this path, for merging (I5); `None` means
/// by position.
pub fn natural_key(array_path: &str) -> Option<&'static str> {
    match array_path {
        "kyc.attempts" => Some("attemptCnt"),
        "aml.matches" => Some("resource_id"),
        _ => None,
    }
}

/// A column with its path, emptied by a deletion. Short form for the definition of tables.
const fn column(
    name: &'static str,
    path: &'static str,
    kind: Type,
    class: Class,
    comment: &'static str,
) -> Column {
    Column { name, path, kind, class, survives: false, comment }
}

/// A column whose last known value survives a deletion.
const fn surviving(
    name: &'static str,
    path: &'static str,
    kind: Type,
    class: Class,
    comment: &'static str,
) -> Column {
    Column { name, path, kind, class, survives: true, comment }
}
