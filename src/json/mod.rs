//! Reads JSON as this vendor's answers require: tolerant of damaged text, strict about structure,
//! and borrowing from the page.
//!
//! `serde_json` rejects a whole page because of one lone surrogate, and its `Value` rounds numbers.
//! Here a page is cut into the bytes of its items without parsing them ([`members`], [`elements`]).
//! Each item is then parsed separately ([`text`], [`parse()`]), so that an invalid item does not
//! affect others (I3). Characters that PostgreSQL cannot store become U+FFFD and are reported,
//! never rejected. Errors contain a position and a reason, and never the data (I8).

mod digest;
mod flat;
mod keys;
mod parse;
mod scan;
mod stop;
mod tree;

use std::borrow::Cow;

pub use digest::{Paths, digest};
pub use flat::Flat;
pub use parse::{DEPTH_MAX, text};
pub use scan::{Cut, Element, Read, elements, members, unread};
pub use tree::{Parsed, parse};

/// A JSON value that borrows its texts from the item's bytes if possible.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as written, so that nothing is rounded before its meaning is known.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, sorted by key, each key once. The last value of a repeated key counts.
    Object(Vec<Member<'a>>),
}

/// A key of an object with its value.
pub type Member<'a> = (Cow<'a, str>, Json<'a>);

/// The bytes are not valid JSON. Contains the position and the reason, never the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// Byte offset of the error.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl Json<'_> {
    /// The member of this name; `None` if this is not an object or has no such member.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let index = members.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        members.get(index).map(|(_, value)| value)
    }

    /// The text, if this is a string.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The JSON type, for notes that must not contain the value.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Appends this value as JSON text, with members in key order.
    pub fn write(&self, out: &mut String) {
        self.put(MemberOrder::Key, out);
    }

    /// The same as [`Json::write`], without the outermost member of this name.
    pub fn write_without(&self, hidden: Option<&str>, out: &mut String) {
        match self {
            Self::Object(members) => {
                let shown = members.iter().filter(|(key, _)| Some(key.as_ref()) != hidden);
                put_members(shown, MemberOrder::Key, out);
            }
            other => other.write(out),
        }
    }

    /// The same as [`Json::write`], in the order of `jsonb`: shorter keys first. PostgreSQL then
    /// need not sort the members.
    pub fn write_for_jsonb(&self, out: &mut String) {
        self.put(MemberOrder::Jsonb, out);
    }

    fn put(&self, order: MemberOrder, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => put_text(text, out),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.put(order, out);
                }
                out.push(']');
            }
            Self::Object(members) => match order {
                MemberOrder::Key => put_members(members.iter(), order, out),
                MemberOrder::Jsonb => {
                    let mut members: Vec<_> = members.iter().collect();
                    // The sort is stable: keys of the same length stay in key order.
                    members.sort_by_key(|(key, _)| key.len());
                    put_members(members.into_iter(), order, out);
                }
            },
        }
    }

    /// Calls `visit` with the path of every text or key that contains U+FFFD.
    ///
    /// Array positions are omitted from paths, and a path ends before a key that is damaged itself.
    pub fn damaged_paths(&self, visit: &mut impl FnMut(&str)) {
        self.walk_damaged(&mut String::new(), visit);
    }

    fn walk_damaged(&self, path: &mut String, visit: &mut impl FnMut(&str)) {
        match self {
            Self::Text(text) if text.contains('\u{fffd}') => visit(path),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
            Self::Array(elements) => {
                for element in elements {
                    element.walk_damaged(path, visit);
                }
            }
            Self::Object(members) => {
                for (key, value) in members {
                    if key.contains('\u{fffd}') {
                        visit(path);
                        continue;
                    }
                    let length = path.len();
                    if length > 0 {
                        path.push('.');
                    }
                    path.push_str(key);
                    value.walk_damaged(path, visit);
                    path.truncate(length);
                }
            }
        }
    }
}

/// The order in which members are written.
#[derive(Debug, Clone, Copy)]
enum MemberOrder {
    /// By key, as stored.
    Key,
    /// In the order of `jsonb`: by the length of the key, then by key.
    Jsonb,
}

fn put_members<'m>(
    members: impl Iterator<Item = &'m Member<'m>>,
    order: MemberOrder,
    out: &mut String,
) {
    out.push('{');
    for (index, (key, value)) in members.enumerate() {
        if index > 0 {
            out.push(',');
        }
        put_text(key, out);
        out.push(':');
        value.put(order, out);
    }
    out.push('}');
}

fn put_text(text: &str, out: &mut String) {
    let is_special = |byte| matches!(byte, b'"' | b'\\' | 0..b' ');
    out.push('"');
    // Nearly all texts are plain. Checking all bytes is faster than stopping at the first special
    // one.
    let is_plain = !text.bytes().fold(false, |any, byte| any | is_special(byte));
    let mut rest = text;
    while !is_plain
        && let Some(at) = rest.bytes().position(is_special)
        && let Some((plain, special)) = rest.split_at_checked(at)
    {
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            other => {
                let control = other.map_or(0, u32::from);
                out.push_str("\\u00");
                for shift in [4, 0] {
                    out.push(char::from_digit((control >> shift) & 15, 16).unwrap_or('0'));
                }
            }
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
