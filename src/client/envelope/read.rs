//! The two answer shapes in the clear: items, next-page key and project.

use std::ops::Range;

use bytes::Bytes;

use super::{
    super::encryption::EncryptionError,
    Envelope, Item, NoEnvelope, UnreadableEnvelope,
    members::{Beside, add_next, find, next, present, refuse_twice, scalar},
    wrong,
};
use crate::{
    domain::{Call, ItemKey, Stream},
    json::{self, Cut, Element},
};

/// Unwraps a bare answer in the clear. A call for one id may return at most one item.
pub(super) fn read(
    stream: Stream,
    call: Call,
    body: &Bytes,
    members: Vec<Cut<ItemKey>>,
) -> Result<Envelope, NoEnvelope> {
    if body.first() == Some(&b'<') {
        return Err(UnreadableEnvelope::Html.into());
    }
    let is_object = body.first() == Some(&b'{');
    let envelope = match (stream, is_object) {
        (Stream::Submission, true) => submissions(call, body, members)?,
        (Stream::Submission, false) => {
            json::elements(body)?;
            return Err(wrong("an array instead of an object with `Items`"));
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
    mut members: Vec<Cut<ItemKey>>,
) -> Result<Envelope, NoEnvelope> {
    refuse_twice(&members, "Items", "`Items` twice")?;
    let is_empty = members.iter().all(|cut| present(body, &members, &cut.key).is_none());
    let items: Vec<Item> = match (find(body, &members, "Items"), call) {
        (Some(index), _) => match members.remove(index).elements {
            Some(elements) => elements.into_iter().map(|element| item(body, element)).collect(),
            None => return Err(wrong("`Items` is not an array")),
        },
        (None, Call::Detail) if is_empty => Vec::new(),
        (None, _) => return Err(wrong("no `Items`")),
    };
    let last_item = items.last().map(|item| (Stream::Submission, &item.body));
    let Beside { next, unknown } =
        Beside::of(body, &members, &["Items", "isEncrypted"], last_item)?;
    Ok(Envelope { items, next, vendor_project: None, unknown })
}

fn item(body: &Bytes, element: Element<ItemKey>) -> Item {
    Item { body: body.slice(element.range), key: element.read }
}

/// The members of a wrapper other than the next-page key.
const WRAPPER: [&str; 3] = ["faceAuth_projectId", "data", "isEncrypted"];

/// The kind of an element of a list of face authentications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ElementKind {
    /// An object around records.
    Wrapper,
    /// A bare record.
    Record,
    /// Neither.
    Stranger,
}

/// Unwraps a list of face authentications, in which wrappers and bare records may be mixed.
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
        refuse_twice(&members, "data", "`data` twice")?;
        let project = present(element, &members, "faceAuth_projectId");
        let mut kind = ElementKind::Wrapper;
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
                let is_record = find(element, &members, "auth_id").is_some();
                kind = if is_record { ElementKind::Record } else { ElementKind::Stranger };
                has_record |= is_record;
                strangers |= !is_record;
                envelope.items.push(element.clone().into());
            }
            Some(_) | None => return Err(wrong("a wrapper whose `data` is not an array")),
        }
        // The members of a record belong to the record.
        let mut beside = if kind == ElementKind::Record {
            Beside { next: next(element, &members)?, unknown: Vec::new() }
        } else {
            let last_item = envelope.items.last().map(|item| (Stream::Faceauth, &item.body));
            Beside::of(element, &members, &WRAPPER, last_item)?
        };
        if kind == ElementKind::Stranger {
            // It is kept whole, as an item without an id.
            beside.unknown.retain(|member| member.may_be_cursor);
        }
        if let Some(next) = beside.next {
            add_next(&mut envelope.next, next)?;
        }
        envelope.unknown.extend(beside.unknown);
        if let Some(project) = project.as_deref().and_then(scalar) {
            if envelope.vendor_project.as_ref().is_some_and(|other| *other != project) {
                return Err(wrong("wrappers of different vendor projects"));
            }
            envelope.vendor_project = Some(project);
        }
    }
    // A damaged record among valid ones is an item like any other. Alone, it may be a disguised
    // error.
    if strangers && !has_record {
        return Err(wrong("elements that are neither wrappers nor records"));
    }
    Ok(envelope)
}

fn slices(whole: &Bytes, ranges: &[Range<usize>]) -> Vec<Bytes> {
    ranges.iter().map(|range| whole.slice(range.clone())).collect()
}
