//! Reads JSON the way this vendor needs it: tolerant of bad text, strict about structure, borrowing
//! from the page.
//!
//! `serde_json` refuses a whole page for one lone surrogate and rounds numbers on the way through
//! its `Value`. Here a page is cut into the bytes of its items without looking inside them
//! ([`members`], [`elements`]), and each item is parsed alone ([`text`], [`parse()`]), so that one
//! bad item never takes its neighbours along (I3). What PostgreSQL cannot hold becomes U+FFFD and
//! is reported, never refused. Error values say where and what, and never quote the data (I8).

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

/// A JSON value that borrows its texts from the item's bytes where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written, so that nothing is rounded before its meaning is known.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object: sorted by key, each key once. Of a repeated key the last one counts.
    Object(Vec<Member<'a>>),
}

/// A key of an object with its value.
pub type Member<'a> = (Cow<'a, str>, Json<'a>);

/// Bytes that are no JSON: where and why, never what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// Offset in the bytes given.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl Json<'_> {
    /// The member of that name; `None` when this is no object or has none.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let index = members.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        members.get(index).map(|(_, value)| value)
    }

    /// The text, when this is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The JSON type, for notes that must not show the value.
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

    /// Appends this value as JSON text, members in key order.
    pub fn write(&self, out: &mut String) {
        self.put(MemberOrder::Key, out);
    }

    /// The same, without a member of that name.
    pub fn write_without(&self, hidden: Option<&str>, out: &mut String) {
        match self {
            Self::Object(members) => {
                let shown = members.iter().filter(|(key, _)| Some(key.as_ref()) != hidden);
                put_members(shown, MemberOrder::Key, out);
            }
            other => other.write(out),
        }
    }

    /// The same for a value of `jsonb`, which keeps shorter keys first, and need not sort what
    /// comes in its order.
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
                    // Stable: keys of one length stay in key order.
                    members.sort_by_key(|(key, _)| key.len());
                    put_members(members.into_iter(), order, out);
                }
            },
        }
    }

    /// Calls `visit` with the path of every text or key that holds U+FFFD.
    ///
    /// Array positions are left out of paths, and a path is cut at a key that itself is damaged.
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

/// In which order members are written.
#[derive(Debug, Clone, Copy)]
enum MemberOrder {
    /// As they stand: by key.
    Key,
    /// As `jsonb` keeps them: by the length of the key, then by key.
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
    // Nearly all texts are plain, and to look at all bytes takes less time than to stop at one.
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
