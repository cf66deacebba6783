//! Pure: an item, or a list item and a detail item merged, to typed rows.
//!
//! Knows no clock, no I/O, no SQL. Nothing a vendor sends makes it fail: what cannot be read
//! becomes null and a [`Note`]; only an item without a usable id is refused ([`Refusal`]) and goes
//! to quarantine whole.

pub mod catalogue;
mod doubt;
mod faceauth;
mod mark;
mod merge;
mod note;
mod policy;
mod sparse;
mod submission;
#[cfg(test)]
mod tests;
mod value;
mod walk;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

pub use doubt::Times;
pub use mark::{DELETED, Mark, Presence, mark_in, presence};
pub use merge::{Merged, merge, overlay};
pub use note::{Deviation, Note};
pub use sparse::{Objects, aml_of};
pub use value::Cell;

use crate::{
    domain::{ItemKey, ProjectName, Stream, field_name},
    json::{self, Flat, Json, Malformed, Paths},
};

/// Rises whenever the same item would give other rows; a record written by an older one is refilled
/// from raw.
pub const VERSION: i16 = 3;

/// Longest id that is stored, in bytes (contract U17).
pub const ID_BYTES_MAX: usize = 255;

/// What normalizing needs to know besides the item.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The key of pseudonyms; without one they are null.
    pub pseudonym_key: Option<SecretString>,
    /// The project that face authentications refer to.
    pub parent: Option<ProjectName>,
}

/// A row of a data table, without project, record id and ordinal.
pub type Row<'a> = Vec<Cell<'a>>;

/// All that becomes of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized<'a> {
    /// The rows for each table of [`catalogue::tables`], in that order; an `ordinal` is the
    /// position, from 1.
    pub rows: Vec<Vec<Row<'a>>>,
    /// When the record was created; `None` when missing or unreadable.
    pub created_at: Option<DateTime<Utc>>,
    /// Whether the vendor marks the record as deleted. That is evidence alone (I7): its rows are
    /// those of a live record.
    pub is_marked: bool,
    /// Whether the record's state is expected to move: neither approved nor rejected nor marked as
    /// deleted.
    pub unsettled: bool,
    /// Deviations from the catalogue, each once.
    pub notes: Vec<Note>,
}

impl Normalized<'_> {
    /// The same rows, borrowing nothing.
    pub fn into_owned(self) -> Normalized<'static> {
        let owned = |row: Row<'_>| row.into_iter().map(Cell::into_owned).collect();
        let rows = self.rows.into_iter().map(|rows| rows.into_iter().map(owned).collect());
        Normalized {
            rows: rows.collect(),
            created_at: self.created_at,
            is_marked: self.is_marked,
            unsettled: self.unsettled,
            notes: self.notes,
        }
    }
}

/// Why no row can be written for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no JSON object.
    #[error("not readable: {0}")]
    Unreadable(Malformed),
    /// Something else than an object stands where an item should.
    #[error("not an object")]
    NoObject,
    /// The id is missing, empty or no text.
    #[error("id missing")]
    NoId,
    /// The id is longer than [`ID_BYTES_MAX`].
    #[error("the id is longer than {ID_BYTES_MAX} bytes")]
    LongId,
    /// The id holds what PostgreSQL cannot store, so that two ids might become one.
    #[error("the id holds characters that cannot be stored")]
    DamagedId,
}

impl Refusal {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::NoObject => "not an object",
            Self::NoId => "id missing",
            Self::LongId => "id too long",
            Self::DamagedId => "damaged id",
        }
    }
}

/// The id of an item.
pub fn record_id<'a>(stream: Stream, item: &'a Json<'_>) -> Result<&'a str, Refusal> {
    let Json::Object(_) = item else { return Err(Refusal::NoObject) };
    let Some(Json::Text(id) | Json::Number(id)) = item.get(catalogue::id_column(stream)) else {
        return Err(Refusal::NoId);
    };
    usable_id(id)
}

fn usable_id(id: &str) -> Result<&str, Refusal> {
    match id {
        "" => Err(Refusal::NoId),
        long if long.len() > ID_BYTES_MAX => Err(Refusal::LongId),
        damaged if damaged.contains('\u{fffd}') => Err(Refusal::DamagedId),
        id => Ok(id),
    }
}

/// Looks at an item's bytes without normalizing it, nor making a tree of it: of most items this is
/// all that is done.
pub fn read_key(stream: Stream, volatile: &Paths, bytes: &[u8]) -> Result<ItemKey, Refusal> {
    let text = json::text(bytes);
    key_of(stream, volatile, &Flat::parse(&text).map_err(Refusal::Unreadable)?)
}

/// The same for the item that begins a text, and how many bytes it is long; `None` where it is
/// refused.
pub fn read_key_prefix(stream: Stream, volatile: &Paths, text: &str) -> Option<(ItemKey, usize)> {
    let (item, length) = Flat::parse_first(text).ok()?;
    Some((key_of(stream, volatile, &item).ok()?, length))
}

fn key_of(stream: Stream, volatile: &Paths, item: &Flat<'_>) -> Result<ItemKey, Refusal> {
    if !item.is_object() {
        return Err(Refusal::NoObject);
    }
    let id_column = catalogue::id_column(stream);
    let id = item.text(id_column).or_else(|| item.number(id_column)).ok_or(Refusal::NoId)?;
    Ok(ItemKey {
        id: usable_id(id)?.to_owned(),
        digest: item.digest(volatile),
        created_at: item.text(created_at_name(stream)).and_then(time_of),
    })
}

/// When an item says its record was created; `None` when missing or unreadable.
pub fn created_at(stream: Stream, item: &Json<'_>) -> Option<DateTime<Utc>> {
    item.get(created_at_name(stream)).and_then(Json::as_text).and_then(time_of)
}

fn created_at_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "created_at",
        Stream::Faceauth => "create_time",
    }
}

fn time_of(text: &str) -> Option<DateTime<Utc>> {
    value::parse_time(text.trim())
}

/// Turns a merged item into rows.
///
/// `damaged` says whether a text was changed while parsing, so that the places are looked up.
pub fn normalize<'a>(
    stream: Stream,
    context: &Context,
    item: &'a Merged<'_>,
    damaged: bool,
) -> Normalized<'a> {
    let mut normalized = walk::walk(stream, &item.value);
    match stream {
        Stream::Submission => submission::derive(context, &item.value, &mut normalized),
        Stream::Faceauth => faceauth::derive(context, &item.value, &mut normalized),
    }
    if damaged {
        item.value.damaged_paths(&mut |path| {
            let names = walk::cut_at_open_map(stream, path).split('.').map(field_name);
            let path = names.collect::<Vec<_>>().join(".");
            note::keep(&mut normalized.notes, &path, Deviation::DamagedText, "string");
        });
    }
    normalized.notes.sort_unstable();
    if mark::mark(stream, &item.value).is_some() {
        normalized.is_marked = true;
        normalized.empty_labels();
        walk::leave_out_empty_rows(stream, &mut normalized.rows);
    }
    normalized.unsettled = !normalized.is_marked && !normalized.is_decided(stream);
    normalized
}

impl<'a> Normalized<'a> {
    /// Puts rows into the named table.
    fn put(&mut self, stream: Stream, name: &str, rows: Vec<Row<'a>>) {
        let index = catalogue::tables(stream).iter().position(|table| table.name == name);
        if let Some(place) = index.and_then(|index| self.rows.get_mut(index)) {
            *place = rows;
        }
    }

    /// Whether the record's state is one that it usually keeps.
    fn is_decided(&self, stream: Stream) -> bool {
        matches!(self.state(stream), Some("approved" | "rejected"))
    }

    /// The record's state, in lower case.
    pub fn state(&self, stream: Stream) -> Option<&str> {
        let column = match stream {
            Stream::Submission => "kyc_result",
            Stream::Faceauth => "status",
        };
        let mut tables = catalogue::tables(stream).iter().zip(&self.rows);
        let found = tables.find(|(table, _)| table.name == stream.as_str());
        match found.and_then(|(table, rows)| rows.first()?.get(table.position(column)?)) {
            Some(Cell::Text(state)) => Some(state),
            Some(_) | None => None,
        }
    }

    /// Empties the cells that hold the label of a deletion: it is a value of none of them.
    fn empty_labels(&mut self) {
        for cell in self.rows.iter_mut().flatten().flatten() {
            if matches!(cell, Cell::Text(text) if text.eq_ignore_ascii_case(DELETED)) {
                *cell = Cell::Null;
            }
        }
    }

    /// Sets a column of the first row of the table named like the stream.
    fn set(&mut self, stream: Stream, column: &str, cell: Cell<'a>) {
        let mut tables = catalogue::tables(stream).iter().zip(&mut self.rows);
        let found = tables.find(|(table, _)| table.name == stream.as_str());
        if let Some((table, rows)) = found
            && let (Some(position), Some(row)) = (table.position(column), rows.first_mut())
            && let Some(place) = row.get_mut(position)
        {
            *place = cell;
        }
    }
}

/// HMAC-SHA256 of a value in hex; null without a key or a value, never an unkeyed hash.
fn pseudonym<'a>(context: &Context, value: Option<&Json<'_>>) -> Cell<'a> {
    let text = value.filter(|value| !matches!(value, Json::Null)).map(value::text_of);
    let (Some(key), Some(text)) = (&context.pseudonym_key, text) else { return Cell::Null };
    match Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) {
        // The label of a deletion would make one person of all who were deleted.
        Ok(mut mac) if !text.is_empty() && text != DELETED => {
            mac.update(text.as_bytes());
            Cell::Text(Cow::Owned(hex(mac.finalize().into_bytes())))
        }
        Ok(_) | Err(_) => Cell::Null,
    }
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
    let mut text = String::with_capacity(64);
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(digit).map(char::from));
    }
    text
}
