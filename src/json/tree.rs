//! One item as a tree that borrows from its bytes.

use std::borrow::Cow;

use super::{
    Json, Malformed, Member,
    parse::{Build, Scalar, build},
};

/// A parsed item.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<'a> {
    /// The value.
    pub value: Json<'a>,
    /// Whether a text was changed on the way in, because PostgreSQL cannot hold it: NUL, half of a surrogate pair.
    pub damaged: bool,
}

/// Parses one value that fills the whole text.
pub fn parse(text: &str) -> Result<Parsed<'_>, Malformed> {
    let mut tree = Tree::default();
    let damaged = build(text, &mut tree)?;
    let value = tree.open.pop().map_or(Json::Null, |(_, value)| value);
    Ok(Parsed { value, damaged })
}

/// Builds a [`Json`].
#[derive(Default)]
struct Tree<'a> {
    /// The places in the arrays and objects under way, the innermost one's last; an element's key is empty.
    open: Vec<Member<'a>>,
}

impl<'a> Tree<'a> {
    fn fill(&mut self, at: usize, value: Json<'a>) {
        if let Some((_, place)) = self.open.get_mut(at) {
            *place = value;
        }
    }
}

impl<'a> Build<'a> for Tree<'a> {
    type Mark = usize;

    fn member(&mut self, key: &'a str) {
        self.open.push((Cow::Borrowed(key), Json::Null));
    }

    fn unescaped_member(&mut self, key: String) {
        self.open.push((Cow::Owned(key), Json::Null));
    }

    fn element(&mut self) {
        self.member("");
    }

    fn scalar(&mut self, scalar: Scalar<'a>) {
        let Some((_, place)) = self.open.last_mut() else { return };
        *place = match scalar {
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
        let elements = self.open.drain(from..).map(|(_, value)| value).collect();
        self.fill(from - 1, Json::Array(elements));
    }

    fn close_object(&mut self, from: usize) {
        let mut members = self.open.drain(from..).collect();
        sort_members(&mut members);
        self.fill(from - 1, Json::Object(members));
    }
}

/// Brings members into key order; of a repeated key the last one counts.
fn sort_members(members: &mut Vec<Member<'_>>) {
    if members.is_sorted_by(|(one, _), (two, _)| one < two) {
        return;
    }
    members.sort_by(|(one, _), (two, _)| one.cmp(two));
    members.reverse();
    members.dedup_by(|(one, _), (two, _)| one == two);
    members.reverse();
}
