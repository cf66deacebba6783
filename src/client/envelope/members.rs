//! The members of an answer other than its items: the next-page key in every documented spelling,
//! error objects, and members that the contract does not name.
//!
//! The vendor mixes spellings (contract Q4), so names are compared without case and `_`. An unknown
//! member must not be mistaken for the end of a list. It is reported by name only, and marked if it
//! may be another spelling of the next-page key.

use bytes::Bytes;
use memchr::memmem;

use super::{NoEnvelope, wrong};
use crate::{
    domain::{Cursor, Stream},
    json::{self, Cut, Json},
};

/// Most bytes of a next-page key, both parts together. Percent-encoded, it still fits into the URL
/// of a request. Ids have at most 255 bytes.
pub(super) const CURSOR_BYTES_MAX: usize = 2048;

/// A next-page key as an object, and as two members (contract section 7).
const KEY: &str = "nextpagekey";
const KEY_ID: &str = "nextpagekeyid";
const KEY_DATE: &str = "nextpagekeytime";

/// The parts of a next-page key that is an object.
const ID_PARTS: [&str; 2] = ["id", "authid"];
const DATE_PARTS: [&str; 2] = ["createdat", "createtime"];

/// The members of an error object (contract section 9.1).
const ERRORS: [&str; 7] =
    ["errorcode", "errormessage", "error", "errors", "code", "message", "statuscode"];

/// Parts of possible names of a next-page key.
const HINTS: [&str; 4] = ["next", "page", "cursor", "token"];

/// Most unknown members reported per answer.
const UNKNOWN_MAX: usize = 20;

/// A member of an answer that the contract does not name; never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMember {
    /// Its name.
    pub name: String,
    /// The JSON type of its value.
    pub json_type: &'static str,
    /// Whether it may be a next-page key, by its name or because it holds the id of the last item.
    pub(in crate::client) may_be_cursor: bool,
}

/// The members of an answer other than its items.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The next-page key.
    pub(super) next: Option<Cursor>,
    /// The unknown members.
    pub(super) unknown: Vec<UnknownMember>,
}

impl Beside {
    /// Reads the members of an object, except those named in `known`. Rejects an error object.
    pub(super) fn of<T>(
        object: &Bytes,
        members: &[Cut<T>],
        known: &[&str],
        last_item: Option<(Stream, &Bytes)>,
    ) -> Result<Self, NoEnvelope> {
        let mut unknown = Vec::new();
        let mut last_id = None;
        for cut in members {
            let name = cut.key.as_str();
            let value = object.slice(cut.range.clone());
            if is_error(name, &value) {
                return Err(wrong("an error object beside the items"));
            }
            let is_known = known.iter().any(|known| name.eq_ignore_ascii_case(known))
                || is_one_of(name, &[KEY, KEY_ID, KEY_DATE]);
            if is_known || unknown.len() >= UNKNOWN_MAX {
                continue;
            }
            let last_id = last_id
                .get_or_insert_with(|| last_item.and_then(|(stream, item)| id_of(stream, item)));
            let may_be_cursor = !is_empty(&value)
                && (has_hint(name) || last_id.as_ref().is_some_and(|id| holds(&value, id)));
            let json_type = json_type(&value);
            unknown.push(UnknownMember { name: name.to_owned(), json_type, may_be_cursor });
        }
        Ok(Self { next: next(object, members)?, unknown })
    }
}

/// Finds the next-page key among the members of an object.
pub(super) fn next<T>(object: &Bytes, members: &[Cut<T>]) -> Result<Option<Cursor>, NoEnvelope> {
    let mut found = None;
    for cut in members.iter().filter(|cut| is_named(&cut.key, KEY)) {
        let value = object.slice(cut.range.clone());
        if &*value != b"null" {
            let inner = if value.first() == Some(&b'{') {
                json::members(&value, "", &json::unread)?
            } else {
                Vec::new()
            };
            add_next(&mut found, cursor(&value, &inner, &ID_PARTS, &DATE_PARTS)?)?;
        }
    }
    let is_flat = |cut: &Cut<T>| {
        is_one_of(&cut.key, &[KEY_ID, KEY_DATE]) && object.get(cut.range.clone()) != Some(b"null")
    };
    if members.iter().any(is_flat) {
        add_next(&mut found, cursor(object, members, &[KEY_ID], &[KEY_DATE])?)?;
    }
    Ok(found)
}

/// Adds a next-page key to those found; returns an error if they differ.
pub(super) fn add_next(found: &mut Option<Cursor>, next: Cursor) -> Result<(), NoEnvelope> {
    if found.as_ref().is_some_and(|other| *other != next) {
        return Err(wrong("two different next-page keys"));
    }
    *found = Some(next);
    Ok(())
}

/// Reads a next-page key from the members that hold its parts. Both are required.
fn cursor<T>(
    object: &Bytes,
    members: &[Cut<T>],
    ids: &[&str],
    dates: &[&str],
) -> Result<Cursor, NoEnvelope> {
    let part = |names: &[&str]| {
        let values = members.iter().filter(|cut| is_one_of(&cut.key, names));
        let mut parts: Vec<_> = values
            .filter_map(|cut| object.get(cut.range.clone()))
            .filter(|value| *value != b"null")
            .map(scalar)
            .collect();
        parts.dedup();
        if parts.len() == 1 { parts.pop().flatten() } else { None }
    };
    let (Some(id), Some(date)) = (part(ids), part(dates)) else {
        return Err(wrong("a next-page key without both of its parts"));
    };
    let bytes = id.len().saturating_add(date.len());
    if bytes > CURSOR_BYTES_MAX {
        return Err(NoEnvelope::LongCursor { bytes });
    }
    Ok(Cursor { id, date })
}

/// The id of an item, if one of its own members holds it.
pub(in crate::client) fn id_of(stream: Stream, item: &Bytes) -> Option<String> {
    let members = json::members(item, "", &json::unread).ok()?;
    let name = match stream {
        Stream::Submission => "submission_id",
        Stream::Faceauth => "auth_id",
    };
    present(item, &members, name).as_deref().and_then(scalar)
}

/// Rejects an object that has a member twice, ignoring case.
pub(super) fn refuse_twice<T>(
    members: &[Cut<T>],
    name: &str,
    what: &'static str,
) -> Result<(), NoEnvelope> {
    let count = members.iter().filter(|cut| cut.key.eq_ignore_ascii_case(name)).count();
    if count > 1 { Err(wrong(what)) } else { Ok(()) }
}

/// Whether a member reports an error. The vendor uses the same names to report success.
pub(super) fn is_error(name: &str, value: &Bytes) -> bool {
    is_one_of(name, &ERRORS) && !is_empty(value) && !is_success(value)
}

fn is_success(value: &Bytes) -> bool {
    let Some(text) = scalar(value) else { return false };
    let is_word = ["ok", "success"].iter().any(|word| text.eq_ignore_ascii_case(word));
    is_word || text.parse().is_ok_and(|status: u32| status == 0 || (200..300).contains(&status))
}

/// Whether a value is empty. `false` counts as empty, since it cannot lead to a next page.
fn is_empty(value: &Bytes) -> bool {
    match value.first() {
        Some(b'{' | b'[') => value
            .get(1..value.len().saturating_sub(1))
            .is_none_or(|inner| inner.trim_ascii().is_empty()),
        _ => matches!(&**value, b"null" | b"false" | b"\"\""),
    }
}

fn has_hint(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HINTS.iter().any(|hint| name.contains(hint))
}

/// Whether a value contains the id as a whole word.
fn holds(value: &[u8], id: &str) -> bool {
    let is_part =
        |at: Option<usize>| at.and_then(|at| value.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    memmem::find_iter(value, id.as_bytes())
        .any(|at| !is_part(at.checked_sub(1)) && !is_part(at.checked_add(id.len())))
}

fn json_type(value: &Bytes) -> &'static str {
    match value.first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') | None => "null",
        Some(_) => "number",
    }
}

/// Whether a name equals `plain`, which is in lower case and without `_`.
fn is_named(name: &str, plain: &str) -> bool {
    let bytes = name.bytes().filter(|byte| *byte != b'_');
    bytes.map(|byte| byte.to_ascii_lowercase()).eq(plain.bytes())
}

fn is_one_of(name: &str, plain: &[&str]) -> bool {
    plain.iter().any(|plain| is_named(name, plain))
}

/// A text or number as text; `None` if the value is empty or could not be sent back unchanged.
pub(super) fn scalar(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let parsed = json::parse(text).ok().filter(|parsed| !parsed.damaged)?;
    match parsed.value {
        Json::Text(text) if !text.is_empty() => Some(text.into_owned()),
        Json::Number(number) => Some(number.into_owned()),
        Json::Text(_) | Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The index of a member. The last one of a name counts, and `null` counts as absent (contract
/// U16).
pub(super) fn find<T>(object: &Bytes, members: &[Cut<T>], name: &str) -> Option<usize> {
    let (index, cut) = members.iter().enumerate().rev().find(|(_, cut)| cut.key == name)?;
    Some(index).filter(|_| object.get(cut.range.clone()) != Some(b"null"))
}

/// The value of a member.
pub(super) fn present<T>(object: &Bytes, members: &[Cut<T>], name: &str) -> Option<Bytes> {
    let cut = members.get(find(object, members, name)?)?;
    Some(object.slice(cut.range.clone()))
}
