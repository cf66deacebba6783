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
    places: Vec<Member<'a>>,
    unescaped: Vec<String>,
    text_length: usize,
}

/// The outermost value, an element of an array, or a member of an object.
#[derive(Debug)]
struct Member<'a> {
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
        let mut layer = Layer::with_room(text.len() / BYTES_A_PLACE);
        build(text, &mut layer)?;
        Ok(layer.finish(text.len()))
    }

    /// Parses the value at the start of a text, and returns where it ends.
    pub fn parse_first(text: &'a str) -> Result<(Self, usize), Malformed> {
        let mut layer = Layer::with_room(PLACES);
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

    fn siblings(&self, first: Option<usize>) -> impl Iterator<Item = &Member<'a>> {
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
    places: Vec<Member<'a>>,
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
struct Mark {
    place: usize,
    open: usize,
}

impl<'a> Layer<'a> {
    fn with_room(places: usize) -> Self {
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
        self.places.push(Member { key, value: Value::Null, next: None });
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
    type Mark = Mark;

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

    fn open(&mut self) -> Mark {
        Mark { place: self.places.len() - 1, open: self.open.len() }
    }

    fn close_array(&mut self, mark: Mark) {
        let first = self.chain(mark.open);
        self.fill(mark.place, Value::Array(first));
    }

    fn close_object(&mut self, mark: Mark) {
        self.sort(mark.open);
        let first = self.chain(mark.open);
        self.fill(mark.place, Value::Object(first));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{Json, digest, parse};

    fn volatile() -> Paths {
        Paths::new(["b", "a.b", "selfieImage.a.selfieImages"])
    }

    /// Compares the result with the tree; returns whether the text was valid.
    fn compare(text: &str) -> bool {
        match (Flat::parse(text), parse(text)) {
            (Ok(flat), Ok(tree)) => {
                let tree = tree.value;
                assert_eq!(flat.digest(&volatile()), digest(&tree, &volatile()), "{text:?}");
                assert_eq!(flat.digest(&Paths::default()), digest(&tree, &Paths::default()));
                assert_eq!(flat.is_object(), matches!(tree, Json::Object(_)));
                for key in ["a", "b", "", "a\u{fffd}", "selfieImage", "selfieImages", "\""] {
                    let of_tree = tree.get(key);
                    assert_eq!(flat.text(key), of_tree.and_then(Json::as_text), "{text:?} {key:?}");
                    let number = of_tree.and_then(|value| {
                        if let Json::Number(number) = value { Some(number.as_ref()) } else { None }
                    });
                    assert_eq!(flat.number(key), number, "{text:?} {key:?}");
                }
                true
            }
            (Err(of_flat), Err(of_tree)) => {
                assert_eq!(of_flat, of_tree, "{text:?}");
                false
            }
            (flat, tree) => panic!("{text:?}: {flat:?}, but {tree:?}"),
        }
    }

    /// Keys that are often repeated, share a prefix, or are equal once unescaped.
    fn key() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            r#""a""#,
            r#""b""#,
            r#""""#,
            r#""\u0061""#,
            r#""selfieImage""#,
            r#""selfieImages""#,
            r#""selfieIm""#,
            r#""selfie\u0049mage""#,
            r#""aa""#,
            r#""a\u0000""#,
            "\"a\0\"",
            r#""a\ud800""#,
            r#""\"""#,
            r#""é""#,
            r#""\ud83d\ude00""#,
        ])
        .prop_map(str::to_owned)
    }

    fn scalar() -> impl Strategy<Value = String> {
        prop_oneof![
            key(),
            prop::sample::select(vec![
                "null", "true", "false", "0", "-0", "1e999", "1.50", "1.5", "-1E+2", "\"/\"",
                "\"\\/\"", "\"\\n\""
            ])
            .prop_map(str::to_owned),
            "\\PC*".prop_map(|text| serde_json::to_string(&text).unwrap()),
        ]
    }

    fn space() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "", "", " ", "\n", "\t\r "])
    }

    /// Texts of JSON values of any kind.
    fn value() -> impl Strategy<Value = String> {
        scalar().prop_recursive(6, 80, 10, |inside| {
            let element = (space(), inside.clone(), space());
            let element = element.prop_map(|(one, value, two)| format!("{one}{value}{two}"));
            let member = (space(), key(), space(), inside, space());
            let member = member.prop_map(|(one, key, two, value, three)| {
                format!("{one}{key}{two}:{value}{three}")
            });
            prop_oneof![
                prop::collection::vec(element, 0..6)
                    .prop_map(|elements| format!("[{}]", elements.join(","))),
                prop::collection::vec(member, 0..24)
                    .prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_flat_item_is_its_tree(text in value()) {
            prop_assert!(compare(&text));
        }

        #[test]
        fn a_spoilt_text_is_refused_alike(
            text in value(),
            at in any::<prop::sample::Index>(),
            put in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalsd ]{0,2}",
        ) {
            let chars: Vec<_> = text.chars().collect();
            let (before, after) = chars.split_at(at.index(chars.len()));
            let before: String = before.iter().collect();
            let after: String = after.iter().skip(1).collect();
            compare(&format!("{before}{put}{after}"));
            compare(&before);
        }

        #[test]
        fn what_is_hardly_json_is_judged_alike(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalsd ]{0,60}") {
            compare(&text);
        }
    }

    #[test]
    fn large_objects_are_sorted_too() {
        let member = |number: u32| format!("\"selfieImage{}\":{number}", number * 7919 % 101);
        let members: Vec<_> = (0..400).map(member).collect();
        assert!(compare(&format!("{{{}}}", members.join(","))));
    }

    #[test]
    fn nesting_is_bounded_alike() {
        for levels in [127, 128, 129, 100_000] {
            let text = "[".repeat(levels) + &"]".repeat(levels);
            assert_eq!(compare(&text), levels <= 128);
        }
    }
}
