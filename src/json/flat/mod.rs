//! An item in a flat layout that is read once. This is cheaper than a tree, because values are not
//! allocated individually.

use super::{
    Malformed, Paths,
    digest::{finish, put_text},
    keys::{keep_last, key_prefix},
    parse::{Build, Scalar, build, build_first},
};
use crate::domain::Digest;

/// Estimated bytes of an item per place.
const BYTES_A_PLACE: usize = 16;

/// Places allocated for an item of unknown length.
const PLACES: usize = 384;

/// A parsed item for reading its digest and some members of the outermost object.
///
/// Uses the grammar of [`parse()`](super::parse()), so it returns the same errors, and the same
/// digest as [`digest()`](super::digest()).
#[derive(Debug)]
pub struct Flat<'a> {
    /// All values; the outermost value is the first one.
    places: Vec<FlatMember<'a>>,
    unescaped: Vec<String>,
    text_length: usize,
}

/// The outermost value, an element of an array, or a member of an object.
#[derive(Debug)]
struct FlatMember<'a> {
    /// The key; empty for a value without one.
    key: Text<'a>,
    value: Value<'a>,
    /// The place of its next sibling. Members are in key order, each key once.
    next: Option<usize>,
}

/// A text as written in the item, or the index of an unescaped one.
#[derive(Debug, Clone, Copy)]
enum Text<'a> {
    Plain(&'a str),
    Unescaped(usize),
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Text<'a>),
    /// An array, with the place of its first element.
    Array(Option<usize>),
    /// An object, with the place of its first member.
    Object(Option<usize>),
}

impl<'a> Flat<'a> {
    /// Parses one value that fills the whole text.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut layer = Layer::with_capacity(text.len() / BYTES_A_PLACE);
        build(text, &mut layer)?;
        Ok(layer.finish(text.len()))
    }

    /// Parses the value at the start of a text, and returns where it ends.
    pub fn parse_first(text: &'a str) -> Result<(Self, usize), Malformed> {
        let mut layer = Layer::with_capacity(PLACES);
        let end = build_first(text, &mut layer)?;
        Ok((layer.finish(end), end))
    }

    /// Whether the outermost value is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.root(), Value::Object(_))
    }

    /// The text of a member of the outermost object, if it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        if let Value::Text(text) = self.member(key)? { Some(self.read(text)) } else { None }
    }

    /// The text of a member of the outermost object, if it is a number.
    pub fn number(&self, key: &str) -> Option<&str> {
        if let Value::Number(number) = self.member(key)? { Some(number) } else { None }
    }

    /// The digest of the item; see [`digest()`](super::digest()).
    pub fn digest(&self, volatile: &Paths) -> Digest {
        let mut canonical = Vec::with_capacity(self.text_length * 2);
        self.feed(self.root(), Some(volatile), &mut canonical);
        finish(&canonical)
    }

    fn root(&self) -> Value<'a> {
        self.places.first().map_or(Value::Null, |place| place.value)
    }

    fn member(&self, key: &str) -> Option<Value<'a>> {
        let Value::Object(first) = self.root() else { return None };
        self.siblings(first).find(|place| self.read(place.key) == key).map(|place| place.value)
    }

    fn siblings(&self, first: Option<usize>) -> impl Iterator<Item = &FlatMember<'a>> {
        let at = |index: Option<usize>| self.places.get(index?);
        std::iter::successors(at(first), move |place| at(place.next))
    }

    fn read(&self, text: Text<'a>) -> &str {
        match text {
            Text::Plain(text) => text,
            Text::Unescaped(index) => self.unescaped.get(index).map_or("", String::as_str),
        }
    }

    fn feed(&self, value: Value<'a>, volatile: Option<&Paths>, out: &mut Vec<u8>) {
        match value {
            Value::Null => out.push(b'n'),
            Value::Bool(true) => out.push(b't'),
            Value::Bool(false) => out.push(b'f'),
            Value::Number(number) => put_text(b'd', number, out),
            Value::Text(text) => put_text(b's', self.read(text), out),
            Value::Array(first) => {
                out.push(b'[');
                for element in self.siblings(first) {
                    self.feed(element.value, volatile, out);
                }
                out.push(b']');
            }
            Value::Object(first) => {
                out.push(b'{');
                for member in self.siblings(first) {
                    let key = self.read(member.key);
                    let below = volatile.and_then(|paths| paths.at(key));
                    if !below.is_some_and(Paths::is_whole) {
                        put_text(b'k', key, out);
                        self.feed(member.value, below, out);
                    }
                }
                out.push(b'}');
            }
        }
    }
}

/// Builds a [`Flat`].
struct Layer<'a> {
    places: Vec<FlatMember<'a>>,
    unescaped: Vec<String>,
    /// The places in the unfinished arrays and objects; those of the innermost one are last.
    open: Vec<Handle>,
}

#[derive(Debug, Clone, Copy)]
struct Handle {
    /// The prefix of its key.
    prefix: u64,
    place: usize,
}

/// The place of an array or object, and the index of its first handle.
struct OpenContainer {
    place: usize,
    open: usize,
}

impl<'a> Layer<'a> {
    fn with_capacity(places: usize) -> Self {
        Self {
            places: Vec::with_capacity(places),
            unescaped: Vec::new(),
            open: Vec::with_capacity(64),
        }
    }

    fn finish(self, text_length: usize) -> Flat<'a> {
        Flat { places: self.places, unescaped: self.unescaped, text_length }
    }

    fn put(&mut self, prefix: u64, key: Text<'a>) {
        self.open.push(Handle { prefix, place: self.places.len() });
        self.places.push(FlatMember { key, value: Value::Null, next: None });
    }

    fn keep(&mut self, text: String) -> Text<'a> {
        self.unescaped.push(text);
        Text::Unescaped(self.unescaped.len() - 1)
    }

    /// Links the places of the handles from `from` on, removes these handles, and returns the first
    /// place.
    fn chain(&mut self, from: usize) -> Option<usize> {
        let mut next = None;
        for handle in self.open.get(from..).unwrap_or_default().iter().rev() {
            if let Some(place) = self.places.get_mut(handle.place) {
                place.next = next;
            }
            next = Some(handle.place);
        }
        self.open.truncate(from);
        next
    }

    /// Sorts the handles from `from` on by key, and keeps the last one of a repeated key.
    fn sort(&mut self, from: usize) {
        let Self { places, unescaped, open } = self;
        let key = |handle: &Handle| match places.get(handle.place)?.key {
            Text::Plain(key) => Some(key),
            Text::Unescaped(index) => unescaped.get(index).map(String::as_str),
        };
        let by_key = |one: &Handle, two: &Handle| {
            one.prefix.cmp(&two.prefix).then_with(|| key(one).cmp(&key(two)))
        };
        let members = open.get_mut(from..).unwrap_or_default();
        members.sort_unstable_by(|one, two| by_key(one, two).then(one.place.cmp(&two.place)));
        if !members.is_sorted_by(|one, two| by_key(one, two).is_lt()) {
            keep_last(open, from, |one, two| by_key(one, two).is_eq());
        }
    }

    fn fill(&mut self, place: usize, value: Value<'a>) {
        if let Some(place) = self.places.get_mut(place) {
            place.value = value;
        }
    }
}

impl<'a> Build<'a> for Layer<'a> {
    type Container = OpenContainer;

    fn member(&mut self, key: &'a str) {
        self.put(key_prefix(key), Text::Plain(key));
    }

    fn unescaped_member(&mut self, key: String) {
        let prefix = key_prefix(&key);
        let key = self.keep(key);
        self.put(prefix, key);
    }

    fn element(&mut self) {
        self.put(0, Text::Plain(""));
    }

    fn scalar(&mut self, scalar: Scalar<'a>) {
        let value = match scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(bool) => Value::Bool(bool),
            Scalar::Number(number) => Value::Number(number),
            Scalar::Text(text) => Value::Text(Text::Plain(text)),
            Scalar::Unescaped(text) => Value::Text(self.keep(text)),
        };
        if let Some(place) = self.places.last_mut() {
            place.value = value;
        }
    }

    fn open(&mut self) -> OpenContainer {
        OpenContainer { place: self.places.len() - 1, open: self.open.len() }
    }

    fn close_array(&mut self, container: OpenContainer) {
        let first = self.chain(container.open);
        self.fill(container.place, Value::Array(first));
    }

    fn close_object(&mut self, container: OpenContainer) {
        self.sort(container.open);
        let first = self.chain(container.open);
        self.fill(container.place, Value::Object(first));
    }
}

#[cfg(test)]
mod tests;
