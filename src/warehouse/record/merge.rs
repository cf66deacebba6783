//! Merges a record from its received item and its stored item.

use std::borrow::Cow;

use super::{observation::Work, stored::StoredRecord};
use crate::{
    domain::{Call, ReadNumber},
    json::{self, Json, Malformed, Parsed},
    normalize::{self, Merged, Objects},
    warehouse::{postgres::error::WarehouseError, raw::codec::Inflater, scope::Scope},
};

/// A record's items as text, with their read numbers.
#[derive(Default)]
pub(in crate::warehouse) struct ItemTexts {
    list: Option<(String, ReadNumber)>,
    detail: Option<(String, ReadNumber)>,
    /// Whether decoding changed any text.
    damaged: bool,
}

impl ItemTexts {
    /// Adds the item of a call.
    pub(in crate::warehouse) fn add(&mut self, call: Call, body: &[u8], number: ReadNumber) {
        let text = json::text(body);
        self.damaged |= matches!(text, Cow::Owned(_));
        let place = match call {
            Call::List => &mut self.list,
            Call::Detail => &mut self.detail,
        };
        *place = Some((text.into_owned(), number));
    }

    /// Returns the stored items from which the rows in the tables were made. Returns `None` if an
    /// item is missing, or if another normalizer or a deletion may have changed the rows.
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
            if let Some(known) = known {
                texts.add(call, &kept.body(call, inflater).ok()??, known.read);
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

    /// Parses the detail item only.
    fn parse_detail(&self) -> Result<ParsedItems<'_>, Malformed> {
        let mut damaged = self.damaged;
        let detail = parse_item(self.detail.as_ref(), &mut damaged)?;
        Ok(ParsedItems { list: None, detail, damaged })
    }

    /// Merges the items. Also returns whether decoding changed any text. Returns `None` if there is
    /// no readable item.
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
        let known = [stored.list, stored.detail].map(|known| known.map(|known| known.digest));
        let is_known = [digest(&items.list), digest(&items.detail)] == known;
        let ParsedItems { list, detail, damaged } = items;
        Some((normalize::merge(scope.stream, list, detail).filter(|_| is_known)?, damaged))
    }
}

/// An item with its read number.
type ParsedItem<'a> = (Json<'a>, ReadNumber);

/// A record's items, parsed.
struct ParsedItems<'a> {
    list: Option<ParsedItem<'a>>,
    detail: Option<ParsedItem<'a>>,
    damaged: bool,
}

/// Parses an item, if any. Sets `damaged` if decoding changed the text.
fn parse_item<'a>(
    text: Option<&'a (String, ReadNumber)>,
    damaged: &mut bool,
) -> Result<Option<ParsedItem<'a>>, Malformed> {
    let Some((text, number)) = text else { return Ok(None) };
    let Parsed { value, damaged: repaired } = json::parse(text)?;
    *damaged |= repaired;
    Ok(Some((value, *number)))
}

/// Both items of a record as text, including the new one.
pub(in crate::warehouse) struct MergeInput {
    texts: ItemTexts,
    /// The other item is known to exist, but its body is not available.
    other_is_lost: bool,
}

impl MergeInput {
    pub(in crate::warehouse) fn of(call: Call, work: &Work, inflater: &mut Inflater) -> Self {
        let Work { item, stored } = work;
        let mut texts = ItemTexts::default();
        texts.add(call, &item.body, item.read);
        let (other, known) = match call {
            Call::List => (Call::Detail, stored.detail),
            Call::Detail => (Call::List, stored.list),
        };
        let Some(known) = known else { return Self { texts, other_is_lost: false } };
        // An item that cannot be read back counts as lost: its record must not block the other
        // records of the page.
        let kept = stored.kept.as_ref();
        let body = kept.and_then(|kept| kept.body(other, inflater).ok().flatten());
        if let Some(body) = &body {
            texts.add(other, body, known.read);
        }
        Self { texts, other_is_lost: body.is_none() }
    }
}

/// A record merged from its known items.
pub(in crate::warehouse) struct MergedItem<'a> {
    pub(in crate::warehouse) item: Merged<'a>,
    pub(in crate::warehouse) damaged: bool,
    pub(in crate::warehouse) sources_differ: bool,
    /// The objects in its list item and its detail item; `None` unless both are known.
    pub(super) objects: Option<(Objects, Objects)>,
}

/// Merges a record. Returns `None` if the other item is needed and lost; a new detail call must
/// then be made.
pub(in crate::warehouse) fn merge<'a>(
    scope: &Scope,
    call: Call,
    work: &Work,
    both: &'a MergeInput,
) -> Result<Option<MergedItem<'a>>, WarehouseError> {
    let detail_is_newest =
        call == Call::Detail && work.stored.list.is_none_or(|list| work.item.read > list.read);
    let parsed = both.texts.parse();
    if (both.other_is_lost || parsed.is_err()) && !detail_is_newest {
        return Ok(None);
    }
    let corrupt = |_malformed| WarehouseError::CorruptRaw("no longer valid JSON");
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

/// Whether the merged result depends on which of the two items is newer.
fn is_contested(scope: &Scope, list: &Json<'_>, detail: &Json<'_>) -> bool {
    let overlaid = normalize::overlay(list.clone(), detail.clone());
    json::digest(&overlaid, &scope.volatile) != json::digest(detail, &scope.volatile)
}
