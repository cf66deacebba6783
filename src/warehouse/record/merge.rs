//! Makes one record of the item that came and the one that is kept.

use std::borrow::Cow;

use super::{observation::Work, stored::StoredRecord};
use crate::{
    domain::{Call, ReadNumber},
    json::{self, Json, Malformed, Parsed},
    normalize::{self, Merged, Objects},
    warehouse::{postgres::error::WarehouseError, raw::codec::Inflater, scope::Scope},
};

/// Items of a record as text, with the numbers that order them.
#[derive(Default)]
pub(in crate::warehouse) struct ItemTexts {
    list: Option<(String, ReadNumber)>,
    detail: Option<(String, ReadNumber)>,
    /// A text was changed on the way.
    damaged: bool,
}

impl ItemTexts {
    /// Adds the item that a call brought.
    pub(in crate::warehouse) fn add(&mut self, call: Call, body: &[u8], number: ReadNumber) {
        let text = json::text(body);
        self.damaged |= matches!(text, Cow::Owned(_));
        let place = match call {
            Call::List => &mut self.list,
            Call::Detail => &mut self.detail,
        };
        *place = Some((text.into_owned(), number));
    }

    /// The items that are kept of a record, out of which the rows that stand in the tables were
    /// made. `None` where others may have made them, or another normalizer, or persons decided on
    /// them.
    pub(in crate::warehouse) fn kept(
        stored: &StoredRecord,
        inflater: &mut Inflater,
    ) -> Option<Self> {
        let is_as_made = stored.normalizer_version == normalize::VERSION
            && stored.deleted_at.is_none()
            && !stored.deleted_by_absence;
        let kept = stored.kept.as_ref().filter(|_| is_as_made)?;
        let mut texts = Self::default();
        for (call, known) in [(Call::List, stored.list), (Call::Detail, stored.detail)] {
            if let Some((_, number)) = known {
                texts.add(call, &kept.body(call, inflater).ok()??, number);
            }
        }
        Some(texts)
    }

    fn parse(&self) -> Result<ParsedItems<'_>, Malformed> {
        let mut damaged = self.damaged;
        let list = parse_item(self.list.as_ref(), &mut damaged)?;
        let detail = parse_item(self.detail.as_ref(), &mut damaged)?;
        Ok(ParsedItems { list, detail, damaged })
    }

    /// The same without the list item.
    fn parse_detail(&self) -> Result<ParsedItems<'_>, Malformed> {
        let mut damaged = self.damaged;
        let detail = parse_item(self.detail.as_ref(), &mut damaged)?;
        Ok(ParsedItems { list: None, detail, damaged })
    }

    /// The record out of its items, and whether a text was changed on the way; `None` when there is
    /// none to read.
    pub(in crate::warehouse) fn merge(&self, scope: &Scope) -> Option<(Merged<'_>, bool)> {
        let ParsedItems { list, detail, damaged } = self.parse().ok()?;
        Some((normalize::merge(scope.stream, list, detail)?, damaged))
    }

    /// Merges the stored raw items. Returns `None` if their digests do not match the record's.
    pub(in crate::warehouse) fn merge_kept(
        &self,
        scope: &Scope,
        stored: &StoredRecord,
    ) -> Option<(Merged<'_>, bool)> {
        let items = self.parse().ok()?;
        let digest = |item: &Option<ParsedItem<'_>>| {
            item.as_ref().map(|(item, _)| json::digest(item, &scope.volatile))
        };
        let known = [stored.list, stored.detail].map(|known| known.map(|(digest, _)| digest));
        let is_known = [digest(&items.list), digest(&items.detail)] == known;
        let ParsedItems { list, detail, damaged } = items;
        Some((normalize::merge(scope.stream, list, detail).filter(|_| is_known)?, damaged))
    }
}

/// An item with the number that orders it.
type ParsedItem<'a> = (Json<'a>, ReadNumber);

/// Items of a record, parsed.
struct ParsedItems<'a> {
    list: Option<ParsedItem<'a>>,
    detail: Option<ParsedItem<'a>>,
    damaged: bool,
}

/// Parses an item, where there is one; `damaged` rises when a text was changed on the way.
fn parse_item<'a>(
    text: Option<&'a (String, ReadNumber)>,
    damaged: &mut bool,
) -> Result<Option<ParsedItem<'a>>, Malformed> {
    let Some((text, number)) = text else { return Ok(None) };
    let Parsed { value, damaged: repaired } = json::parse(text)?;
    *damaged |= repaired;
    Ok(Some((value, *number)))
}

/// Both items of a record as text, the new one included.
pub(in crate::warehouse) struct MergeInput {
    texts: ItemTexts,
    /// The other item is known to exist, but its body was not kept.
    other_is_lost: bool,
}

impl MergeInput {
    pub(in crate::warehouse) fn of(call: Call, work: &Work, inflater: &mut Inflater) -> Self {
        let Work { item, stored } = work;
        let mut texts = ItemTexts::default();
        texts.add(call, &item.body, item.read);
        let (other, number) = match call {
            Call::List => (Call::Detail, stored.detail),
            Call::Detail => (Call::List, stored.list),
        };
        let Some((_, number)) = number else { return Self { texts, other_is_lost: false } };
        // An item that cannot be read back is lost: its record must not stop the others of its
        // page.
        let kept = stored.kept.as_ref();
        let body = kept.and_then(|kept| kept.body(other, inflater).ok().flatten());
        if let Some(body) = &body {
            texts.add(other, body, number);
        }
        Self { texts, other_is_lost: body.is_none() }
    }
}

/// A record made of what is known of it.
pub(in crate::warehouse) struct MergedItem<'a> {
    pub(in crate::warehouse) item: Merged<'a>,
    pub(in crate::warehouse) damaged: bool,
    pub(in crate::warehouse) sources_differ: bool,
    /// What its list item and its detail carry, where both are known.
    pub(super) objects: Option<(Objects, Objects)>,
}

/// Merges a record; `None` when the other item is needed and lost, so that a new detail call has to
/// tell.
pub(in crate::warehouse) fn merge<'a>(
    scope: &Scope,
    call: Call,
    work: &Work,
    both: &'a MergeInput,
) -> Result<Option<MergedItem<'a>>, WarehouseError> {
    let detail_is_newest =
        call == Call::Detail && work.stored.list.is_none_or(|(_, number)| work.item.read > number);
    let parsed = both.texts.parse();
    if (both.other_is_lost || parsed.is_err()) && !detail_is_newest {
        return Ok(None);
    }
    let corrupt = |_malformed| WarehouseError::CorruptRaw("no JSON any more");
    let parsed = parsed.or_else(|_malformed| both.texts.parse_detail());
    let ParsedItems { list, detail, damaged } = parsed.map_err(corrupt)?;
    let sources_differ = match (&list, &detail) {
        (Some((list, _)), Some((detail, _))) => is_contested(scope, list, detail),
        _ => false,
    };
    let objects = |item: &Option<ParsedItem<'_>>| item.as_ref().map(|(item, _)| Objects::of(item));
    let objects = objects(&list).zip(objects(&detail));
    let merged = normalize::merge(scope.stream, list, detail);
    Ok(merged.map(|item| MergedItem { item, damaged, sources_differ, objects }))
}

/// Whether it matters which of the two was asked later.
fn is_contested(scope: &Scope, list: &Json<'_>, detail: &Json<'_>) -> bool {
    let overlaid = normalize::overlay(list.clone(), detail.clone());
    json::digest(&overlaid, &scope.volatile) != json::digest(detail, &scope.volatile)
}
