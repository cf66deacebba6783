//! Makes one record of the item that came and the one that is kept.

use std::borrow::Cow;

use super::{Scope, WarehouseError, body, store::Work};
use crate::{
    domain::{Call, ReadNumber},
    json::{self, Json, Malformed, Parsed},
    normalize::{self, Merged},
};

/// Both items of a record as text, the new one included.
pub(super) struct Texts {
    list: Option<(String, ReadNumber)>,
    detail: Option<(String, ReadNumber)>,
    /// The other item is known to exist, but its body was not kept.
    other_is_lost: bool,
    damaged: bool,
}

impl Texts {
    pub(super) fn of(call: Call, work: &Work) -> Result<Self, WarehouseError> {
        let Work { item, held } = work;
        let body = item.body.bytes()?;
        let own = json::text(&body);
        let mut damaged = matches!(own, Cow::Owned(_));
        let own = Some((own.into_owned(), item.read));
        let number = match call {
            Call::List => held.detail,
            Call::Detail => held.list,
        };
        let (other, other_is_lost) = match (number, &held.other_body) {
            (Some((_, number)), Some(packed)) => {
                let bytes = body::inflate(&held.encoding, packed)?;
                let text = json::text(&bytes);
                damaged |= matches!(text, Cow::Owned(_));
                (Some((text.into_owned(), number)), false)
            }
            (Some(_), None) => (None, true),
            (None, _) => (None, false),
        };
        let (list, detail) = match call {
            Call::List => (own, other),
            Call::Detail => (other, own),
        };
        Ok(Self { list, detail, other_is_lost, damaged })
    }
}

/// An item with the number that orders it.
pub(super) type Item<'a> = (Json<'a>, ReadNumber);

/// Parses an item, where there is one; `damaged` rises when a text was changed on the way.
pub(super) fn parse_item<'a>(
    text: Option<&'a (String, ReadNumber)>,
    damaged: &mut bool,
) -> Result<Option<Item<'a>>, Malformed> {
    let Some((text, number)) = text else { return Ok(None) };
    let Parsed { value, damaged: repaired } = json::parse(text)?;
    *damaged |= repaired;
    Ok(Some((value, *number)))
}

/// A record made of what is known of it.
pub(super) struct MergedWork<'a> {
    pub(super) item: Merged<'a>,
    pub(super) damaged: bool,
    pub(super) contested: bool,
}

/// Merges a record; `None` when the other item is needed and lost, so that a new single call has to tell.
pub(super) fn merge<'a>(
    scope: &Scope,
    call: Call,
    work: &Work,
    texts: &'a Texts,
) -> Result<Option<MergedWork<'a>>, WarehouseError> {
    let detail_is_newest =
        call == Call::Detail && work.held.list.is_none_or(|(_, number)| work.item.read > number);
    if texts.other_is_lost && !detail_is_newest {
        return Ok(None);
    }
    let mut damaged = texts.damaged;
    let mut parse = |text: &'a Option<(String, ReadNumber)>| {
        let corrupt = |_malformed| WarehouseError::CorruptRaw("no JSON any more");
        parse_item(text.as_ref(), &mut damaged).map_err(corrupt)
    };
    let list = parse(&texts.list)?;
    let detail = parse(&texts.detail)?;
    let contested = match (&list, &detail) {
        (Some((list, _)), Some((detail, _))) => is_contested(scope, list, detail),
        _ => false,
    };
    let merged = normalize::merge(list, detail);
    Ok(merged.map(|item| MergedWork { item, damaged, contested }))
}

/// Whether it matters which of the two was asked later.
fn is_contested(scope: &Scope, list: &Json<'_>, detail: &Json<'_>) -> bool {
    let overlaid = normalize::overlay(list.clone(), detail.clone());
    json::digest(&overlaid, &scope.volatile) != json::digest(detail, &scope.volatile)
}
