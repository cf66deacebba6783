//! Merges records from their stored items after checking the items' digests.

use crate::{
    domain::{Call, Digest, ReadNumber},
    normalize,
    warehouse::{
        raw::codec::Inflater,
        record::{
            merge::ItemTexts,
            observation::Observation,
            stored::{KnownItem, StoredRecord},
        },
        scope::Scope,
    },
};

/// The lost items of a record: missing, unreadable, or not matching their digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) list: bool,
    pub(super) detail: bool,
}

impl Lost {
    pub(super) fn is_any(self) -> bool {
        self.list || self.detail
    }
}

/// A record's stored items after comparison with their digests.
pub(super) struct Sound {
    /// The items that the record's rows are made from; `None` if one of them is lost.
    pub(super) texts: Option<ItemTexts>,
    pub(super) lost: Lost,
}

/// One stored item.
enum KeptItem {
    /// No such item was ever stored.
    None,
    Found(Vec<u8>, ReadNumber),
    Lost,
}

impl Sound {
    /// Reads the stored items of a record. A received item replaces a lost one with the same
    /// digest.
    pub(super) fn of(
        scope: &Scope,
        id: &str,
        stored: &StoredRecord,
        received: Option<&Observation>,
        inflater: &mut Inflater,
    ) -> Self {
        let is_it = |body: &Vec<u8>, digest: Digest| {
            let key = normalize::read_key(scope.stream, &scope.volatile, body);
            key.is_ok_and(|key| key.id == id && key.digest == digest)
        };
        let mut read = |call, known: Option<KnownItem>| {
            let Some(KnownItem { digest, read }) = known else { return KeptItem::None };
            let kept = stored.kept.as_ref();
            let kept = kept.and_then(|kept| kept.body(call, inflater).ok().flatten());
            let kept = kept.filter(|body| is_it(body, digest));
            let received = || {
                let body = &received.filter(|_| call == Call::Detail)?.body;
                Some(body.to_vec()).filter(|body| is_it(body, digest))
            };
            kept.or_else(received).map_or(KeptItem::Lost, |body| KeptItem::Found(body, read))
        };
        let (list, detail) = (read(Call::List, stored.list), read(Call::Detail, stored.detail));
        let mut lost =
            Lost { list: matches!(list, KeptItem::Lost), detail: matches!(detail, KeptItem::Lost) };
        // If no item is known, only a detail call can return the record's content.
        lost.detail |= matches!((&list, &detail), (KeptItem::None, KeptItem::None));
        // A list item followed by a newer detail no longer contributes.
        let is_list_needed = match (stored.list, stored.detail) {
            (Some(list), Some(detail)) => list.read >= detail.read,
            (list, None) => list.is_some(),
            (None, Some(_)) => false,
        };
        if lost.detail || lost.list && is_list_needed {
            return Self { texts: None, lost };
        }
        let mut texts = ItemTexts::default();
        for (call, item) in [(Call::List, list), (Call::Detail, detail)] {
            if let KeptItem::Found(body, number) = item {
                texts.add(call, &body, number);
            }
        }
        Self { texts: Some(texts), lost }
    }
}
