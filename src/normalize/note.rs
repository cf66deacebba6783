//! Deviations from the catalogue: how they are told, and how many of them.

use super::value::InvalidValue;
use crate::domain::field_name;

/// A deviation: where, and what was found there; never the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Members separated by dots, array positions left out.
    pub path: String,
    /// What was found.
    pub found: Deviation,
    /// The JSON type that stood there.
    pub json_type: &'static str,
}

/// What can deviate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deviation {
    /// A field that is not in the catalogue.
    UnknownField,
    /// A member around the items of a list that the contract does not name.
    UnknownMember,
    /// Another JSON type than the column wants.
    WrongType,
    /// A text that is no time or date.
    InvalidTimestamp,
    /// A number without a value.
    NumberOutOfRange,
    /// The id of another record that is longer than an id may be, and so than a key of an index.
    LongId,
    /// A text that PostgreSQL cannot hold; U+FFFD stands for what was replaced.
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

    /// Whether the stored row lacks something of the item because of it.
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

/// A name longer than this is no name of a field; and notes are kept by path, in an index.
const PATH_BYTES_MAX: usize = 200;

/// An item with more deviations than this is told by the first of them.
const NOTES_MAX: usize = 200;

/// Adds a note unless it is there already. The caller hides names in the path that are not names of
/// fields.
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
