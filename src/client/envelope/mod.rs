//! Unwraps the vendor's answer shapes: items, next-page key and project.
//!
//! Submissions arrive as `{Items, nextpageKey}` (contract section 3.2). Face authentications arrive
//! as an array of wrappers `{faceAuth_projectId, data, nextPage_key}`, as a flat array of records,
//! or as a single wrapper or record (sections 6.2, 6.3). Items themselves are not parsed. Any other
//! shape is rejected: a partly understood answer must not end a pass (I2) or count as a record's
//! absence (I7).

mod members;
mod read;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use self::members::UnknownMember;
pub(super) use self::members::id_of;
use self::{
    members::{Beside, add_next, present},
    read::read,
};
use super::encryption::{Cipher, EncryptionError, Undecipherable};
use crate::{
    domain::{Call, Cursor, ItemKey, Stream},
    json::{self, Cut, Malformed},
};

/// An answer without its wrapping.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    /// The items as the vendor sent them, without a copy.
    pub(super) items: Vec<Item>,
    /// The next-page key; `None` on the last page.
    pub(super) next: Option<Cursor>,
    /// `faceAuth_projectId`, the same in all wrappers that have one.
    pub(super) vendor_project: Option<String>,
    /// The members around the items that the contract does not name.
    pub(super) unknown: Vec<UnknownMember>,
}

/// An item of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The item as the vendor sent it.
    pub body: Bytes,
    /// The item's key, if it was read while the page was cut, as for most items of large pages.
    pub key: Option<ItemKey>,
}

impl From<Bytes> for Item {
    fn from(body: Bytes) -> Self {
        Self { body, key: None }
    }
}

/// Reads the key of the item at the start of a text. Returns it with the item's length in bytes, or
/// `None` if it cannot.
pub type Look = dyn Fn(&str) -> Option<(ItemKey, usize)> + Send + Sync;

/// Why an answer with status 200 is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableEnvelope {
    /// A web page, for example of a proxy or a login, instead of JSON.
    #[error("the response is a web page instead of JSON")]
    Html,
    /// Not JSON, or truncated JSON.
    #[error("the response is not valid JSON: {0}")]
    NotJson(Malformed),
    /// JSON of an unknown shape.
    #[error("the response has an unknown shape: {0}")]
    WrongShape(&'static str),
    /// A successful status other than 200; 206, for example, is a partial answer.
    #[error("the response has status {0} instead of 200, so it may be incomplete")]
    OtherSuccess(u16),
    /// The answer to a detail call is about another record.
    #[error("the response contains another record than the requested one")]
    OtherRecord,
}

/// Why an answer is not a valid envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoEnvelope {
    /// Encryption differs from the configuration, or fails (contract section 10). A retry does not
    /// help.
    Encryption(EncryptionError),
    /// Another answer may be valid.
    Unreadable(UnreadableEnvelope),
    /// The next-page key is too long to be sent back; only a shorter list helps.
    LongCursor {
        /// The length of both parts in bytes.
        bytes: usize,
    },
}

impl From<UnreadableEnvelope> for NoEnvelope {
    fn from(unreadable: UnreadableEnvelope) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl From<EncryptionError> for NoEnvelope {
    fn from(error: EncryptionError) -> Self {
        Self::Encryption(error)
    }
}

impl From<Malformed> for NoEnvelope {
    fn from(malformed: Malformed) -> Self {
        Self::Unreadable(UnreadableEnvelope::NotJson(malformed))
    }
}

/// Unwraps an answer, and decrypts it first if it is a ciphertext.
///
/// Submissions of a project that encrypts must arrive encrypted. Items in the clear mean that the
/// mode is off at the vendor, which may then have ignored the parameters. For face authentications
/// the vendor does not document this (contract U24).
pub(super) fn open(
    stream: Stream,
    call: Call,
    body: &Bytes,
    cipher: Option<&Cipher>,
    look: &Look,
) -> Result<Envelope, NoEnvelope> {
    let body = &bare(body);
    let members = members_of(body, items_of(stream), look)?;
    let read_as = |call, members| read(stream, call, body, members);
    match (sealed_among(body, &members), cipher) {
        (None, None) => read_as(call, members),
        (Some(_), None) => Err(EncryptionError::AnswerEncrypted.into()),
        (None, Some(_)) => match stream {
            Stream::Submission => {
                // A vendor that ignores the ciphertext of a detail call answers with a whole list.
                read_as(call, members.clone()).or_else(|_wrong| read_as(Call::List, members))?;
                Err(EncryptionError::AnswerPlain.into())
            }
            Stream::Faceauth => read_as(call, members).map_err(misplaced),
        },
        (Some(data), Some(cipher)) => {
            let text = cipher.open(&data).map_err(EncryptionError::from)?;
            let text = &bare(&text);
            let opened = members_of(text, items_of(stream), look).map_err(NoEnvelope::from);
            let envelope = opened.and_then(|members| read(stream, call, text, members));
            let envelope = envelope.map_err(|problem| match misplaced(problem) {
                // A wrong key sometimes yields valid padding, but never JSON.
                NoEnvelope::Unreadable(
                    UnreadableEnvelope::Html | UnreadableEnvelope::NotJson(_),
                ) => EncryptionError::from(Undecipherable::NotJson).into(),
                other => other,
            })?;
            with_clear_members(envelope, stream, body, &members)
        }
    }
}

/// Adds the members in the clear next to a ciphertext. If requests do not encrypt the paging,
/// answers may not encrypt the next-page key either (contract U22).
fn with_clear_members<T>(
    mut envelope: Envelope,
    stream: Stream,
    body: &Bytes,
    members: &[Cut<T>],
) -> Result<Envelope, NoEnvelope> {
    let last_item = envelope.items.last().map(|item| (stream, &item.body));
    let beside = Beside::of(body, members, &["data", "isEncrypted"], last_item)?;
    if let Some(next) = beside.next {
        add_next(&mut envelope.next, next)?;
    }
    envelope.unknown.extend(beside.unknown);
    Ok(envelope)
}

/// The value that holds the ciphertext of an encrypted answer; `None` for an answer in the clear.
pub(super) fn sealed(body: &Bytes) -> Result<Option<Bytes>, Malformed> {
    let body = &bare(body);
    Ok(sealed_among(body, &members_of(body, "", &json::unread)?))
}

fn sealed_among<T>(body: &Bytes, members: &[Cut<T>]) -> Option<Bytes> {
    let is_encrypted = present(body, members, "isEncrypted").is_some_and(|flag| &*flag == b"true");
    let data = present(body, members, "data");
    let has_text = data.as_ref().is_some_and(|data| data.first() == Some(&b'"'));
    (is_encrypted || has_text).then(|| data.unwrap_or(Bytes::from_static(b"null")))
}

/// The members of a bare body, cut once for all uses; empty if the body is not an object.
fn members_of<T>(
    body: &Bytes,
    cut: &str,
    read: &json::Read<'_, T>,
) -> Result<Vec<Cut<T>>, Malformed> {
    if body.first() == Some(&b'{') { json::members(body, cut, read) } else { Ok(Vec::new()) }
}

/// The member whose value is cut into items.
fn items_of(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "Items",
        // A single body may be a bare record with its own members.
        Stream::Faceauth => "",
    }
}

/// Once the answer is decrypted, a remaining ciphertext can only be in a wrong place.
fn misplaced(problem: NoEnvelope) -> NoEnvelope {
    match problem {
        NoEnvelope::Encryption(EncryptionError::AnswerEncrypted) => {
            EncryptionError::from(Undecipherable::UnknownPlace).into()
        }
        other => other,
    }
}

/// The body without byte order mark and surrounding whitespace.
fn bare(body: &Bytes) -> Bytes {
    body.slice_ref(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii())
}

fn wrong(what: &'static str) -> NoEnvelope {
    UnreadableEnvelope::WrongShape(what).into()
}
