//! One item as a tree that borrows from its bytes.

use std::borrow::Cow;

use super::{
    Json, Malformed,
    keys::{keep_last, key_prefix},
    parse::{Build, Scalar, build},
};

/// A parsed item.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<'a> {
    /// The value.
    pub value: Json<'a>,
    /// Whether a text was changed because PostgreSQL cannot store it: NUL, or half of a surrogate
    /// pair.
    pub damaged: bool,
}

/// Parses one value that fills the whole text.
pub fn parse(text: &str) -> Result<Parsed<'_>, Malformed> {
    let mut tree = Tree::default();
    let damaged = build(text, &mut tree)?;
    let value = tree.open.pop().map_or(Json::Null, |place| place.value);
    Ok(Parsed { value, damaged })
}

/// Builds a [`Json`].
#[derive(Default)]
struct Tree<'a> {
    /// The places in the unfinished arrays and objects; those of the innermost one are last.
    open: Vec<Node<'a>>,
}

/// An element, or a member.
struct Node<'a> {
    /// The prefix of its key.
    prefix: u64,
    /// The key; empty for an element.
    key: Cow<'a, str>,
    value: Json<'a>,
}

impl<'a> Tree<'a> {
    fn put(&mut self, prefix: u64, key: Cow<'a, str>) {
        self.open.push(Node { prefix, key, value: Json::Null });
    }

    fn fill(&mut self, at: usize, value: Json<'a>) {
        if let Some(place) = self.open.get_mut(at) {
            place.value = value;
        }
    }

    /// Sorts members by key, and keeps the last one of a repeated key.
    fn sort(&mut self, from: usize) {
        let by_key = |one: &Node<'_>, two: &Node<'_>| {
            one.prefix.cmp(&two.prefix).then_with(|| one.key.cmp(&two.key))
        };
        let members = self.open.get_mut(from..).unwrap_or_default();
        if members.is_sorted_by(|one, two| by_key(one, two).is_lt()) {
            return;
        }
        members.sort_by(by_key);
        if !members.is_sorted_by(|one, two| by_key(one, two).is_lt()) {
            keep_last(&mut self.open, from, |one, two| by_key(one, two).is_eq());
        }
    }
}

impl<'a> Build<'a> for Tree<'a> {
    type Container = usize;

    fn member(&mut self, key: &'a str) {
        self.put(key_prefix(key), Cow::Borrowed(key));
    }

    fn unescaped_member(&mut self, key: String) {
        self.put(key_prefix(&key), Cow::Owned(key));
    }

    fn element(&mut self) {
        self.put(0, Cow::Borrowed(""));
    }

    fn scalar(&mut self, scalar: Scalar<'a>) {
        let Some(place) = self.open.last_mut() else { return };
        place.value = match scalar {
            Scalar::Null => Json::Null,
            Scalar::Bool(bool) => Json::Bool(bool),
            Scalar::Number(number) => Json::Number(Cow::Borrowed(number)),
            Scalar::Text(text) => Json::Text(Cow::Borrowed(text)),
            Scalar::Unescaped(text) => Json::Text(Cow::Owned(text)),
        };
    }

    fn open(&mut self) -> usize {
        self.open.len()
    }

    fn close_array(&mut self, from: usize) {
        let elements = self.open.drain(from..).map(|place| place.value).collect();
        self.fill(from - 1, Json::Array(elements));
    }

    fn close_object(&mut self, from: usize) {
        self.sort(from);
        let members = self.open.drain(from..).map(|place| (place.key, place.value)).collect();
        self.fill(from - 1, Json::Object(members));
    }
}
