//! The catalogue: every path of contract sections 3.5 and 6.4, where it goes, and what kind of data
//! it is.
//!
//! It is the one description of the data tables. Normalizing walks it, the statements of the
//! warehouse and the comments in the database are made from it, and tests compare it with the
//! migrated schema and with the contract.

mod faceauth;
mod submission;
mod tracking;

pub use tracking::Tracking;

use crate::domain::Stream;

/// Who may see a table: one GRANT a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// `argos`: facts without direct identifiers, for analysts.
    Facts,
    /// `argos_pii`: what names or describes a person, for few.
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

/// What a column says about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A fact about the process.
    Fact,
    /// Names the record or the person by a number or a code.
    Identifier,
    /// Describes the person, or may hold free text about one.
    Personal,
    /// Measures or shows the person's body.
    Biometric,
    /// Names an account.
    Financial,
    /// Opens something; stored nowhere but in raw.
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

/// How a value is read, and the PostgreSQL type it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text as delivered; numbers and booleans are taken as their text.
    Text,
    /// An enumerated word, in lower case, since the vendor's case varies (quirk Q11).
    Enum,
    /// One text or many (quirk Q6), as an array.
    TextArray,
    /// A number, or a text that holds one (quirk Q8).
    Double,
    /// A whole number, or a text that holds one.
    Integer,
    /// A boolean, or the text of one.
    Bool,
    /// A date-time in any form of contract section 8; without a zone it is UTC.
    Timestamp,
    /// A calendar date.
    Date,
    /// Any JSON, kept whole: open maps, and values whose shape nobody documents.
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
    /// Where the value stands in an item: members separated by dots, array positions left out. A
    /// second spelling of the vendor's stands behind `|`. Empty for what is derived.
    pub path: &'static str,
    /// How the value is read.
    pub kind: Type,
    /// What it says about a person.
    pub class: Class,
    /// Whether its last known value stays when the record is deleted (`deletion.keep = "facts"`).
    pub survives: bool,
    /// What it means, for `COMMENT ON` and the documents.
    pub comment: &'static str,
}

/// What tells the rows of one record apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// At most one row for a record.
    Record,
    /// Rows are counted by `ordinal`, from 1, without gaps.
    Ordinal,
    /// The first so many columns belong to the key.
    Columns(usize),
    /// Not a record's: one row for each distinct set, keyed by the first column alone, never
    /// changed.
    Set,
}

/// Where a table's rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One row from the item itself.
    Item,
    /// One row for each element of the array at this path; a lone object counts as one element
    /// (quirk Q7).
    Elements(&'static str),
    /// Rows made by a rule of their own in the stream's file.
    Derived,
}

/// A data table.
#[derive(Debug)]
pub struct Table {
    /// Who may see it.
    pub schema: Schema,
    /// The table's name.
    pub name: &'static str,
    /// The stream whose items fill it.
    pub stream: Stream,
    /// What tells the rows of one record apart.
    pub key: Key,
    /// Where the rows come from.
    pub source: Source,
    /// All columns but `project`, the record's id, `ordinal`, and the warehouse's own times.
    pub columns: &'static [Column],
    /// What one row is.
    pub comment: &'static str,
}

impl Table {
    /// The name of the column that holds the record's id.
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

/// The name of the column that holds the id of a stream's records.
pub fn id_column(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "submission_id",
        Stream::Faceauth => "auth_id",
    }
}

/// The tables that a stream's items fill, parents first.
pub fn tables(stream: Stream) -> &'static [Table] {
    match stream {
        Stream::Submission => submission::TABLES,
        Stream::Faceauth => faceauth::TABLES,
    }
}

/// Paths that are read, but have no column: the id, what a rule of its own decides on, and the
/// secret that stays in raw.
pub fn other_paths(stream: Stream) -> &'static [(&'static str, Class, &'static str)] {
    match stream {
        Stream::Submission => submission::OTHER_PATHS,
        Stream::Faceauth => faceauth::OTHER_PATHS,
    }
}

/// Paths whose values change with every call although nothing happened (contract U33): left out of
/// digests.
pub fn volatile_paths(stream: Stream) -> &'static [&'static str] {
    match stream {
        Stream::Submission => submission::VOLATILE_PATHS,
        Stream::Faceauth => &[],
    }
}

/// Paths of texts that others than the vendor write, with the reason: the vendor's label of a
/// deletion proves nothing there. Each path includes everything below it; a `*` at its end stands
/// for any rest of the name.
pub fn texts_of_others(stream: Stream) -> &'static [(&'static str, &'static str)] {
    match stream {
        Stream::Submission => submission::TEXTS_OF_OTHERS,
        // The vendor marks these by a boolean of its own.
        Stream::Faceauth => &[],
    }
}

/// The member that names an element of the array at this path, for merging (I5); `None`: by
/// position.
pub fn natural_key(array_path: &str) -> Option<&'static str> {
    match array_path {
        "kyc.attempts" => Some("attemptCnt"),
        "aml.matches" => Some("resource_id"),
        _ => None,
    }
}

/// A column with its path; the short form in which the tables are written down. A deletion empties
/// it.
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
