//! Pure functions that turn an item, or a merged list and detail item, into typed rows.
//!
//! Uses no clock, no I/O and no SQL. No input makes it fail: unreadable values become null and a
//! [`Note`]. Only an item without a usable id is rejected ([`Refusal`]) and quarantined as a whole.

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
pub use mark::{DELETED, DeletionMark, Presence, mark_in, presence};
pub use merge::{Merged, merge, overlay};
pub use note::{Deviation, Note};
pub use sparse::{Objects, aml_of};
pub use value::Cell;

use crate::{
    domain::{ItemKey, ProjectName, Stream, field_name},
    json::{self, Flat, Json, Malformed, Paths},
};

/// Incremented whenever the same item would result in different rows. Records of an older version
/// are rebuilt from raw items.
pub const VERSION: i16 = 3;

/// Longest stored id, in bytes (contract U17).
pub const ID_BYTES_MAX: usize = 255;

/// The input of normalization other than the item.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The key of pseudonyms; without a key they are null.
    pub pseudonym_key: Option<SecretString>,
    /// The project that face authentications refer to.
    pub parent: Option<ProjectName>,
}

/// A row of a data table, without project, record id and ordinal.
pub type Row<'a> = Vec<Cell<'a>>;

/// The result of normalizing one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized<'a> {
    /// The rows for each table of [`catalogue::tables`], in that order. An `ordinal` is the
    /// position, from 1.
    pub rows: Vec<Vec<Row<'a>>>,
    /// When the record was created; `None` if missing or invalid.
    pub created_at: Option<DateTime<Utc>>,
    /// Whether the vendor marks the record as deleted. This is only evidence (I7): the rows are
    /// those of a live record.
    pub is_marked: bool,
    /// Whether the record's state is expected to change: it is neither approved nor rejected nor
    /// marked as deleted.
    pub unsettled: bool,
    /// Deviations from the catalogue, each once.
    pub notes: Vec<Note>,
}

/// The same row, borrowing nothing.
pub fn owned(row: Row<'_>) -> Row<'static> {
    row.into_iter().map(Cell::into_owned).collect()
}

impl Normalized<'_> {
    /// The same rows without borrowed data.
    pub fn into_owned(self) -> Normalized<'static> {
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
    /// The bytes are not valid JSON.
    #[error("not readable: {0}")]
    Unreadable(Malformed),
    /// The item is not an object.
    #[error("not an object")]
    NoObject,
    /// The id is missing, empty or not a text.
    #[error("id missing")]
    NoId,
    /// The id is longer than [`ID_BYTES_MAX`].
    #[error("the id is longer than {ID_BYTES_MAX} bytes")]
    LongId,
    /// The id contains characters that PostgreSQL cannot store, so that two ids might become equal.
    #[error("the id contains characters that cannot be stored")]
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

/// Reads the key from an item's bytes without a tree or normalization. Most items need nothing
/// more.
pub fn read_key(stream: Stream, volatile: &Paths, bytes: &[u8]) -> Result<ItemKey, Refusal> {
    let text = json::text(bytes);
    key_of(stream, volatile, &Flat::parse(&text).map_err(Refusal::Unreadable)?)
}

/// Reads the key of the item at the start of a text, and returns the item's length in bytes. `None`
/// if the item is rejected.
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

/// The record's creation time according to the item; `None` if missing or invalid.
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
/// `damaged`: whether a text was changed while parsing, so that its path is searched for.
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
    /// Stores rows in the named table.
    fn put(&mut self, stream: Stream, name: &str, rows: Vec<Row<'a>>) {
        let index = catalogue::tables(stream).iter().position(|table| table.name == name);
        if let Some(place) = index.and_then(|index| self.rows.get_mut(index)) {
            *place = rows;
        }
    }

    /// Whether the record's state is one that usually stays.
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

    /// Empties cells that contain the label of a deletion, which is not a valid value of any
    /// column.
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
        // The label of a deletion would give all deleted persons the same pseudonym.
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
