//! Sample records and items for unit tests of pure decisions.

use bytes::Bytes;

use super::{
    observation::{Observation, Origin},
    stored::{KnownItem, StoredRecord},
};
use crate::{
    domain::{Day, Digest, Lane, ListScope, ReadNumber, Stream, Window},
    json::Paths,
    normalize::{self, Context, catalogue},
    warehouse::scope::{DeletionRules, DetailMode, RawStorage, Scope},
};

pub(in crate::warehouse) fn day(day: u32) -> Day {
    Day::from_ymd_opt(2025, 1, day).unwrap()
}

/// A scope for the submissions of a project.
pub(in crate::warehouse) fn scope(details: DetailMode) -> Scope {
    Scope {
        project: "main".parse().unwrap(),
        stream: Stream::Submission,
        context: Context::default(),
        volatile: Paths::new(catalogue::volatile_paths(Stream::Submission).iter().copied()),
        raw: RawStorage::Zstd,
        details,
        deletion: DeletionRules::default(),
        since: None,
    }
}

/// The origin of a list of January 1 to 9, 2025.
pub(in crate::warehouse) fn list() -> Origin {
    let window = Window::new(day(1), day(10)).unwrap();
    Origin::List { reading: ListScope::Window(window), lane: Lane::Recent, pass_id: 1 }
}

/// The origin of a list without a date filter.
pub(in crate::warehouse) fn unfiltered() -> Origin {
    Origin::List { reading: ListScope::All, lane: Lane::Audit, pass_id: 1 }
}

/// An item of a submission created on this day of January 2025.
pub(in crate::warehouse) fn item(id: &str, created: u32, result: &str, read: i64) -> Observation {
    let body = format!(
        r#"{{"submission_id":"{id}","created_at":"2025-01-{created:02}T08:00:00.000Z",
            "kyc":{{"result":"{result}"}}}}"#
    );
    observe(&body, read)
}

pub(in crate::warehouse) fn observe(body: &str, read: i64) -> Observation {
    let body = Bytes::from(body.to_owned());
    Observation::of(&scope(DetailMode::OnChange), ReadNumber(read), body)
}

/// The digest of an item.
pub(in crate::warehouse) fn digest(observation: &Observation) -> Digest {
    observation.key.as_ref().unwrap().digest
}

/// A live record without items.
pub(in crate::warehouse) fn record() -> StoredRecord {
    StoredRecord {
        list: None,
        detail: None,
        doubted: None,
        newest: ReadNumber(0),
        sources_differ: false,
        window_day: day(5),
        unlisted: false,
        deleted_by_absence: false,
        unsettled: false,
        changed_at: None,
        deleted_at: None,
        normalizer_version: normalize::VERSION,
        kept: None,
    }
}

/// A live record with these stored items.
pub(in crate::warehouse) fn record_of(
    list: Option<&Observation>,
    detail: Option<&Observation>,
) -> StoredRecord {
    let known = |item: &Observation| KnownItem { digest: digest(item), read: item.read };
    let newest = [list, detail].into_iter().flatten().map(|item| item.read).max();
    StoredRecord {
        list: list.map(known),
        detail: detail.map(known),
        newest: newest.unwrap_or(ReadNumber(0)),
        ..record()
    }
}
