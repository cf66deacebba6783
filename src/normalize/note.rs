//! Deviations from the catalogue, and the limits for reporting them.

use super::value::InvalidValue;
use crate::domain::field_name;

/// A deviation: its path and kind, never the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The path: members separated by dots, array positions omitted.
    pub path: String,
    /// The kind of deviation.
    pub found: Deviation,
    /// The JSON type of the value.
    pub json_type: &'static str,
}

/// The kinds of deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deviation {
    /// A field that is not in the catalogue.
    UnknownField,
    /// A member around the items of a list that the contract does not name.
    UnknownMember,
    /// A JSON type that does not match the column.
    WrongType,
    /// A text that is not a valid time or date.
    InvalidTimestamp,
    /// A number that cannot be represented.
    NumberOutOfRange,
    /// The id of another record that is longer than an id, and therefore an index key, may be.
    LongId,
    /// A text that PostgreSQL cannot store; the damaged parts are replaced by U+FFFD.
    DamagedText,
}

impl Deviation {
    /// The word used in tables and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownField => "unknown field",
            Self::UnknownMember => "unknown member of a list",
            Self::WrongType => "wrong type",
            Self::InvalidTimestamp => "invalid timestamp",
            Self::NumberOutOfRange => "number out of range",
            Self::LongId => "id too long",
            Self::DamagedText => "damaged text",
        }
    }

    /// Whether the deviation makes the stored row lose part of the item.
    pub fn is_repair(self) -> bool {
        match self {
            Self::UnknownField | Self::UnknownMember => false,
            Self::WrongType
            | Self::InvalidTimestamp
            | Self::NumberOutOfRange
            | Self::LongId
            | Self::DamagedText => true,
        }
    }
}

impl Note {
    /// A member around the items of a list that the contract does not name.
    pub fn of_unknown_member(name: &str, json_type: &'static str) -> Self {
        Self {
            path: shortened(field_name(name)).to_owned(),
            found: Deviation::UnknownMember,
            json_type,
        }
    }
}

impl From<InvalidValue> for Deviation {
    fn from(why: InvalidValue) -> Self {
        match why {
            InvalidValue::WrongType => Self::WrongType,
            InvalidValue::InvalidTimestamp => Self::InvalidTimestamp,
            InvalidValue::NumberOutOfRange => Self::NumberOutOfRange,
        }
    }
}

/// Longest path of a note. A longer name is not a field name, and notes are indexed by path.
const PATH_BYTES_MAX: usize = 200;

/// Most deviations of an item that are reported.
const NOTES_MAX: usize = 200;

/// Adds a note unless it is already present. The caller hides names in the path that are not field
/// names.
pub(super) fn keep(notes: &mut Vec<Note>, path: &str, found: Deviation, json_type: &'static str) {
    let path = shortened(path);
    let known =
        |note: &Note| (note.found, note.json_type) == (found, json_type) && note.path == path;
    if notes.len() < NOTES_MAX && !notes.iter().any(known) {
        notes.push(Note { path: path.to_owned(), found, json_type });
    }
}

fn shortened(path: &str) -> &str {
    let mut end = path.len().min(PATH_BYTES_MAX);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    path.get(..end).unwrap_or_default()
}
