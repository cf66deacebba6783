//! Records made of the items that are kept of them, where these are the items whose digests are
//! known.

use crate::{
    domain::{Call, Digest, ReadNumber},
    normalize,
    warehouse::{
        raw::codec::Inflater,
        record::{merge::ItemTexts, observation::Observation, stored::StoredRecord},
        scope::Scope,
    },
};

/// The kept items of a record that are lost: missing, unreadable, or not those whose digests are
/// known.
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

/// A record's kept items after they were compared with their digests.
pub(super) struct Sound {
    /// The items that the record's rows are made of; `None` where one of these is lost.
    pub(super) texts: Option<ItemTexts>,
    pub(super) lost: Lost,
}

/// One kept item.
enum KeptItem {
    /// No such item was ever stored.
    None,
    Found(Vec<u8>, ReadNumber),
    Lost,
}

impl Sound {
    /// Reads the kept items of a record. An item that was just received takes the place of a lost
    /// one with its digest.
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
        let mut read = |call, known: Option<(Digest, ReadNumber)>| {
            let Some((digest, number)) = known else { return KeptItem::None };
            let kept = stored.kept.as_ref();
            let kept = kept.and_then(|kept| kept.body(call, inflater).ok().flatten());
            let kept = kept.filter(|body| is_it(body, digest));
            let received = || {
                let body = &received.filter(|_| call == Call::Detail)?.body;
                Some(body.to_vec()).filter(|body| is_it(body, digest))
            };
            kept.or_else(received).map_or(KeptItem::Lost, |body| KeptItem::Found(body, number))
        };
        let (list, detail) = (read(Call::List, stored.list), read(Call::Detail, stored.detail));
        let mut lost =
            Lost { list: matches!(list, KeptItem::Lost), detail: matches!(detail, KeptItem::Lost) };
        // Where nothing is known to have been stored, only a detail call can tell what the record
        // is.
        lost.detail |= matches!((&list, &detail), (KeptItem::None, KeptItem::None));
        // A list item that a newer detail follows says nothing any more.
        let is_list_needed = match (stored.list, stored.detail) {
            (Some((_, list)), Some((_, detail))) => list >= detail,
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
