//! The digest of an item, by which an unchanged item is recognized before any other processing
//! (I4).

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::Json;
use crate::domain::Digest;

/// A set of paths. Members are separated by dots, and array positions are omitted
/// (`kyc.attempts.selfieImage`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// Whether the path of this node, with everything below it, is in the set.
    whole: bool,
    below: Vec<(Cow<'static, str>, Paths)>,
}

impl Paths {
    /// Creates the set of these paths.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut set = Self::default();
        for path in paths {
            let mut node = &mut set;
            for key in path.split('.') {
                let index = if let Some(index) = node.below.iter().position(|(name, _)| name == key)
                {
                    index
                } else {
                    node.below.push((Cow::Owned(key.to_owned()), Self::default()));
                    node.below.len() - 1
                };
                let Some((_, next)) = node.below.get_mut(index) else { break };
                node = next;
            }
            node.whole = true;
        }
        set
    }

    /// The part of the set below a member of this name.
    pub fn at(&self, key: &str) -> Option<&Self> {
        self.below.iter().find(|(name, _)| name == key).map(|(_, paths)| paths)
    }

    /// Whether the path of this node is in the set.
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

/// The digest of an item.
///
/// It depends neither on the order of keys nor on white space nor on the values at the volatile
/// paths: signed image addresses change with every call (contract U33).
///
/// Null and absent differ, because null in a detail item means more than a member that a list item
/// omits (I5).
pub fn digest(item: &Json<'_>, volatile: &Paths) -> Digest {
    let mut canonical = Vec::with_capacity(8192);
    feed(item, Some(volatile), &mut canonical);
    finish(&canonical)
}

/// The digest of a canonical form.
pub(super) fn finish(canonical: &[u8]) -> Digest {
    let mut digest = [0; 16];
    digest.iter_mut().zip(Sha256::digest(canonical)).for_each(|(to, from)| *to = from);
    Digest(digest)
}

/// Appends the canonical form, which is equal only for equal values because every text contains its
/// length.
fn feed(value: &Json<'_>, volatile: Option<&Paths>, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.push(b'n'),
        Json::Bool(true) => out.push(b't'),
        Json::Bool(false) => out.push(b'f'),
        Json::Number(number) => put_text(b'd', number, out),
        Json::Text(text) => put_text(b's', text, out),
        Json::Array(elements) => {
            out.push(b'[');
            for element in elements {
                feed(element, volatile, out);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            out.push(b'{');
            for (key, value) in members {
                let below = volatile.and_then(|paths| paths.at(key));
                if !below.is_some_and(Paths::is_whole) {
                    put_text(b'k', key, out);
                    feed(value, below, out);
                }
            }
            out.push(b'}');
        }
    }
}

pub(super) fn put_text(tag: u8, text: &str, out: &mut Vec<u8>) {
    // Writes tag and length in one piece.
    let mut head = [tag; 1 + size_of::<usize>()];
    if let Some(length) = head.last_chunk_mut() {
        *length = text.len().to_le_bytes();
    }
    out.extend_from_slice(&head);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn of(text: &str) -> Digest {
        let volatile = Paths::new(["image", "kyc.attempts.selfieImage"]);
        digest(&parse(text).unwrap().value, &volatile)
    }

    #[test]
    fn key_order_space_and_volatile_paths_do_not_count() {
        let one =
            of(r#"{"a":1,"image":{"x":"1"},"kyc":{"attempts":[{"n":1,"selfieImage":"u1"}]}}"#);
        let two = of(r#"{ "kyc":{"attempts":[{"selfieImage":"u2","n":1}]}, "a":1 }"#);
        assert_eq!(one, two);
    }

    #[test]
    fn everything_else_counts() {
        let all = [
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":null}"#,
            r"{}",
            r#"{"a":[1]}"#,
            r#"{"a":[]}"#,
            r#"{"a":[[]]}"#,
            r#"{"a":true}"#,
            r#"{"a":false}"#,
            r#"{"b":1}"#,
            r#"{"a":{"a":1}}"#,
            r#"{"a":["xy"]}"#,
            r#"{"a":["x","y"]}"#,
            r#"{"a":{"image":1}}"#,
        ];
        for (index, one) in all.iter().enumerate() {
            for two in all.iter().skip(index + 1) {
                assert_ne!(of(one), of(two), "{one} {two}");
            }
        }
    }
}
