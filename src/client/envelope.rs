//! The vendor's answer shapes: items, next-page key and project, out of whatever is wrapped around them.
//!
//! Submissions come as `{Items, nextpageKey}` (contract section 3.2). Face authentications come as an array of wrappers
//! `{faceAuth_projectId, data, nextPage_key}`, as a flat array of records, or as one of these alone (sections 6.2, 6.3).
//! Items are not looked into. Whatever fits none of the shapes is refused: an answer that is only half understood must
//! not end a walk (I2) or pass for a record's absence (I7).

use std::ops::Range;

use bytes::Bytes;

use super::encryption::{Cipher, EncryptionError, Undecipherable};
use crate::{
    domain::{Call, Cursor, Glance, Stream},
    json::{self, Cut, Element, Json, Malformed},
};

/// An answer without its wrapping.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    /// The items as the vendor wrote them, without a copy.
    pub(super) items: Vec<Item>,
    /// Where the list goes on; absent on the last page.
    pub(super) next: Option<Cursor>,
    /// `faceAuth_projectId`, the same in all wrappers that have one.
    pub(super) vendor_project: Option<String>,
}

/// An item of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// As the vendor wrote it.
    pub body: Bytes,
    /// What was seen in it on the way; most items of large pages are looked at while the page is cut.
    pub glance: Option<Glance>,
}

impl From<Bytes> for Item {
    fn from(body: Bytes) -> Self {
        Self { body, glance: None }
    }
}

/// Looks at the item that begins a text: what it is, and how many bytes it is long; `None` where it cannot tell.
pub type Look = dyn Fn(&str) -> Option<(Glance, usize)> + Send + Sync;

/// Why an answer with status 200 cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A web page, of a proxy or a login, stands where JSON should.
    #[error("the answer is a web page and no JSON")]
    Html,
    /// No JSON, or JSON that ends early.
    #[error("the answer is no JSON: {0}")]
    NotJson(Malformed),
    /// JSON, but none of the known answers.
    #[error("the answer has an unknown shape: {0}")]
    WrongShape(&'static str),
}

/// Why there is no envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoEnvelope {
    /// Encryption is not what was configured, or fails (contract section 10); asking again does not help.
    Encryption(EncryptionError),
    /// Another answer may be better.
    Unreadable(Unreadable),
}

impl From<Unreadable> for NoEnvelope {
    fn from(unreadable: Unreadable) -> Self {
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
        Self::Unreadable(Unreadable::NotJson(malformed))
    }
}

/// Takes an answer apart, decrypting it first where it is a ciphertext.
///
/// Submissions of a project that encrypts must come encrypted: items in the clear say that the mode is off there, so that
/// the vendor may not have looked at what it was asked. Of face authentications nobody says whether they do (contract U24).
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
                // Asked for one record with a ciphertext it overlooks, the vendor answers with a whole list.
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
            envelope.map_err(|problem| match misplaced(problem) {
                // A wrong key sometimes meets a padding, but never JSON.
                NoEnvelope::Unreadable(Unreadable::Html | Unreadable::NotJson(_)) => {
                    EncryptionError::from(Undecipherable::NotJson).into()
                }
                other => other,
            })
        }
    }
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

/// The members of a bare body, cut once, whatever is then asked of them; none for one that is no object.
fn members_of<T>(
    body: &Bytes,
    cut: &str,
    read: &json::Read<'_, T>,
) -> Result<Vec<Cut<T>>, Malformed> {
    if body.first() == Some(&b'{') { json::members(body, cut, read) } else { Ok(Vec::new()) }
}

/// The member whose value is cut into items on the way.
fn items_of(stream: Stream) -> &'static str {
    match stream {
        Stream::Submission => "Items",
        // A lone body may be a bare record, whose members are its own.
        Stream::Faceauth => "",
    }
}

/// With the key at hand, a ciphertext that is left can only be at a wrong place.
fn misplaced(problem: NoEnvelope) -> NoEnvelope {
    match problem {
        NoEnvelope::Encryption(EncryptionError::AnswerEncrypted) => {
            EncryptionError::from(Undecipherable::UnknownPlace).into()
        }
        other => other,
    }
}

/// The body without byte order mark and surrounding spaces.
fn bare(body: &Bytes) -> Bytes {
    body.slice_ref(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii())
}

/// Takes a bare answer in the clear apart. A call for one id may bring none or one item, never more.
fn read(
    stream: Stream,
    call: Call,
    body: &Bytes,
    members: Vec<Cut<Glance>>,
) -> Result<Envelope, NoEnvelope> {
    if body.first() == Some(&b'<') {
        return Err(Unreadable::Html.into());
    }
    let is_object = body.first() == Some(&b'{');
    let envelope = match (stream, is_object) {
        (Stream::Submission, true) => submissions(call, body, members)?,
        (Stream::Submission, false) => {
            json::elements(body)?;
            return Err(wrong("an array where an object with `Items` belongs"));
        }
        (Stream::Faceauth, true) => face_authentications(call, std::slice::from_ref(body))?,
        (Stream::Faceauth, false) => {
            face_authentications(call, &slices(body, &json::elements(body)?))?
        }
    };
    match call {
        Call::Detail if envelope.items.len() > 1 => Err(wrong("several records for one id")),
        Call::Detail | Call::List => Ok(envelope),
    }
}

fn submissions(
    call: Call,
    body: &Bytes,
    mut members: Vec<Cut<Glance>>,
) -> Result<Envelope, NoEnvelope> {
    let key = present(body, &members, "nextpageKey");
    let next = key.map(|key| cursor(&key, "id", "created_at")).transpose();
    let is_empty = members.iter().all(|cut| present(body, &members, &cut.key).is_none());
    let items = match (find(body, &members, "Items"), call) {
        (Some(index), _) => match members.swap_remove(index).elements {
            Some(elements) => elements.into_iter().map(|element| item(body, element)).collect(),
            None => return Err(wrong("`Items` is no array")),
        },
        (None, Call::Detail) if is_empty => Vec::new(),
        (None, _) => return Err(wrong("no `Items`")),
    };
    Ok(Envelope { items, next: next?, vendor_project: None })
}

fn item(body: &Bytes, element: Element<Glance>) -> Item {
    Item { body: body.slice(element.range), glance: element.read }
}

/// Wrappers and bare records may stand side by side.
fn face_authentications(call: Call, elements: &[Bytes]) -> Result<Envelope, NoEnvelope> {
    let mut envelope = Envelope::default();
    let mut strangers = false;
    let mut has_record = false;
    for element in elements {
        if element.first() != Some(&b'{') {
            strangers = true;
            envelope.items.push(element.clone().into());
            continue;
        }
        let members = json::members(element, "data", &json::unread)?;
        let member = |name| present(element, &members, name);
        let project = member("faceAuth_projectId");
        match find(element, &members, "data").and_then(|index| members.get(index)) {
            Some(Cut { elements: Some(elements), .. }) => {
                let ranges = elements.iter().map(|element| element.range.clone());
                envelope.items.extend(ranges.map(|range| element.slice(range).into()));
            }
            Some(data) if element.get(data.range.start) == Some(&b'"') => {
                return Err(EncryptionError::AnswerEncrypted.into());
            }
            None if project.is_some() && call == Call::Detail => {}
            None if project.is_none() => {
                let is_record = member("auth_id").is_some();
                has_record |= is_record;
                strangers |= !is_record;
                envelope.items.push(element.clone().into());
            }
            Some(_) | None => return Err(wrong("a wrapper whose `data` is no array")),
        }
        if let Some(key) = member("nextPage_key") {
            let next = cursor(&key, "authId", "createTime")?;
            if envelope.next.as_ref().is_some_and(|other| *other != next) {
                return Err(wrong("two different next-page keys"));
            }
            envelope.next = Some(next);
        }
        if let Some(project) = project.as_deref().and_then(scalar) {
            if envelope.vendor_project.as_ref().is_some_and(|other| *other != project) {
                return Err(wrong("wrappers of different vendor projects"));
            }
            envelope.vendor_project = Some(project);
        }
    }
    // A damaged record among good ones is an item like any other; alone it may be an error in disguise.
    if strangers && !has_record {
        return Err(wrong("elements that are neither wrappers nor records"));
    }
    Ok(envelope)
}

/// The next-page key, both parts or nothing.
fn cursor(key: &Bytes, id: &str, date: &str) -> Result<Cursor, NoEnvelope> {
    let members = members_of(key, "", &json::unread)?;
    let part = |name| present(key, &members, name).as_deref().and_then(scalar);
    match (part(id), part(date)) {
        (Some(id), Some(date)) => Ok(Cursor { id, date }),
        _ => Err(wrong("a next-page key without both of its parts")),
    }
}

/// A text or a number as text; nothing for what is empty or could not be sent back as it came.
fn scalar(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let parsed = json::parse(text).ok().filter(|parsed| !parsed.damaged)?;
    match parsed.value {
        Json::Text(text) if !text.is_empty() => Some(text.into_owned()),
        Json::Number(number) => Some(number.into_owned()),
        Json::Text(_) | Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Which member it is; the last one counts, and `null` is as good as absent (contract U16).
fn find<T>(object: &Bytes, members: &[Cut<T>], name: &str) -> Option<usize> {
    let (index, cut) = members.iter().enumerate().rev().find(|(_, cut)| cut.key == name)?;
    Some(index).filter(|_| object.get(cut.range.clone()) != Some(b"null"))
}

/// The value of a member.
fn present<T>(object: &Bytes, members: &[Cut<T>], name: &str) -> Option<Bytes> {
    let cut = members.get(find(object, members, name)?)?;
    Some(object.slice(cut.range.clone()))
}

fn slices(whole: &Bytes, ranges: &[Range<usize>]) -> Vec<Bytes> {
    ranges.iter().map(|range| whole.slice(range.clone())).collect()
}

fn wrong(what: &'static str) -> NoEnvelope {
    Unreadable::WrongShape(what).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(stream: Stream, body: &str) -> Result<Envelope, NoEnvelope> {
        open(stream, Call::List, &Bytes::copy_from_slice(body.as_bytes()), None, &|_| None)
    }

    fn detail(stream: Stream, body: &str) -> Result<Envelope, NoEnvelope> {
        open(stream, Call::Detail, &Bytes::copy_from_slice(body.as_bytes()), None, &|_| None)
    }

    fn envelope(items: &[&'static str], next: Option<(&str, &str)>) -> Envelope {
        Envelope {
            items: items.iter().map(|item| Bytes::from_static(item.as_bytes()).into()).collect(),
            next: next.map(|(id, date)| Cursor { id: id.into(), date: date.into() }),
            vendor_project: None,
        }
    }

    #[test]
    fn submissions_come_in_an_object() {
        for (body, expected) in [
            (r#"{"Items":[]}"#, envelope(&[], None)),
            (
                "\u{feff} {\"Items\" : [ {\"a\":1} , null ]}",
                envelope(&[r#"{"a":1}"#, "null"], None),
            ),
            (r#"{"Items":[{}],"nextpageKey":null}"#, envelope(&["{}"], None)),
            (
                r#"{"nextpageKey":{"id":"x\u0041","created_at":1735689600.10},"Items":[]}"#,
                envelope(&[], Some(("xA", "1735689600.10"))),
            ),
        ] {
            assert_eq!(list(Stream::Submission, body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn face_authentications_come_in_every_shape() {
        let wrapped = r#"[{"faceAuth_projectId":"p1","data":[{"auth_id":"1"}]},
            {"faceAuth_projectId":"p1","data":[{"auth_id":"2"}],
             "nextPage_key":{"authId":"2","createTime":"2025-10-02T02:15:17.554Z"}}]"#;
        let both = [r#"{"auth_id":"1"}"#, r#"{"auth_id":"2"}"#];
        let next = Some(("2", "2025-10-02T02:15:17.554Z"));
        let with_project = Envelope { vendor_project: Some("p1".into()), ..envelope(&both, next) };
        for (body, expected) in [
            (wrapped, with_project),
            (r#"[{"auth_id":"1"},{"auth_id":"2"}]"#, envelope(&both, None)),
            ("\u{feff} {\"auth_id\":\"1\"}\n", envelope(&both[..1], None)),
            (r#"{"data":[{"auth_id":"1"}]}"#, envelope(&both[..1], None)),
            (r#"[{"auth_id":"1"},{"x":1},null]"#, envelope(&[both[0], r#"{"x":1}"#, "null"], None)),
            ("[]", envelope(&[], None)),
            (r#"[{"data":[]}]"#, envelope(&[], None)),
        ] {
            assert_eq!(list(Stream::Faceauth, body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn an_unknown_id_is_an_empty_answer() {
        for body in [r#"{"Items":[]}"#, "{}", r#"{"Items":null}"#] {
            assert_eq!(detail(Stream::Submission, body), Ok(Envelope::default()), "{body}");
        }
        for body in ["[]", r#"[{"data":[]}]"#] {
            assert_eq!(detail(Stream::Faceauth, body), Ok(Envelope::default()), "{body}");
        }
        let no_data = detail(Stream::Faceauth, r#"[{"faceAuth_projectId":"p"}]"#);
        assert!(no_data.is_ok_and(|envelope| envelope.items.is_empty()));
    }

    #[test]
    fn half_understood_answers_are_refused() {
        let key = |key: &str| format!(r#"{{"Items":[],"nextpageKey":{key}}}"#);
        let submission = [
            "{}".to_owned(),
            "[]".into(),
            r#"{"items":[]}"#.into(),
            r#"{"Items":{}}"#.into(),
            r#"{"Items":null}"#.into(),
            r#"{"message":"busy"}"#.into(),
            key("{}"),
            key(r#"{"id":"x"}"#),
            key(r#"{"id":"x","created_at":""}"#),
            key(r#"{"id":"x","created_at":null}"#),
            key(r#"{"id":"\ud800","created_at":"d"}"#),
            key(r#""x""#),
            key("[]"),
        ];
        for body in &submission {
            let error = list(Stream::Submission, body).unwrap_err();
            let is_wrong = matches!(error, NoEnvelope::Unreadable(Unreadable::WrongShape(_)));
            assert!(is_wrong, "{body}: {error:?}");
        }
        for body in [
            r#"[{"faceAuth_projectId":"p"}]"#,
            r#"[{"faceAuth_projectId":"p1","data":[]},{"faceAuth_projectId":"p2","data":[]}]"#,
            r#"[{"message":"busy"}]"#,
            r#"{"message":"busy"}"#,
            r#"[{"data":{}}]"#,
            "[1]",
            r#"[{"data":[],"nextPage_key":{"authId":"x"}}]"#,
            r#"[{"data":[],"nextPage_key":{"authId":"x","createTime":"1"}},
                {"data":[],"nextPage_key":{"authId":"y","createTime":"1"}}]"#,
        ] {
            let error = list(Stream::Faceauth, body).unwrap_err();
            let is_wrong = matches!(error, NoEnvelope::Unreadable(Unreadable::WrongShape(_)));
            assert!(is_wrong, "{body}: {error:?}");
        }
        for body in [r#"{"message":"busy"}"#, r#"{"Items":[{},{}]}"#, r#"{"submission_id":"x"}"#] {
            assert!(detail(Stream::Submission, body).is_err(), "{body}");
        }
    }

    #[test]
    fn garbage_and_bodies_cut_short_are_no_json() {
        let whole = r#"{"Items":[{"a":1}],"nextpageKey":{"id":"x","created_at":"d"}}"#;
        let wrapped = r#"[{"data":[{"auth_id":"1"}]}]"#;
        for length in 0..whole.len() {
            let error = list(Stream::Submission, whole.get(..length).unwrap()).unwrap_err();
            assert!(matches!(error, NoEnvelope::Unreadable(Unreadable::NotJson(_))), "{length}");
        }
        for length in 0..wrapped.len() {
            assert!(list(Stream::Faceauth, wrapped.get(..length).unwrap()).is_err(), "{length}");
        }
        for body in ["OK", "null", r#"{"Items":[]} trailing"#] {
            let error = list(Stream::Submission, body).unwrap_err();
            assert!(matches!(error, NoEnvelope::Unreadable(Unreadable::NotJson(_))), "{body}");
        }
        let html = list(Stream::Submission, "\n<!doctype html><p>Sign in</p>");
        assert_eq!(html, Err(Unreadable::Html.into()));
    }

    #[test]
    fn encrypted_answers_are_recognised() {
        let encrypted = Err(EncryptionError::AnswerEncrypted.into());
        for body in [
            r#"{"data":"AAqikbbTbrPx8yYWAZsutA==","isEncrypted":true}"#,
            r#"{"data":"AAqikbbTbrPx8yYWAZsutA=="}"#,
            r#"{"isEncrypted":true,"Items":[]}"#,
        ] {
            assert_eq!(list(Stream::Submission, body), encrypted, "{body}");
            assert_eq!(list(Stream::Faceauth, body), encrypted, "{body}");
        }
        assert_eq!(list(Stream::Faceauth, r#"[{"data":"AAqi"}]"#), encrypted);
    }
}
