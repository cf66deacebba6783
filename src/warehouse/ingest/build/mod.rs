//! Builds the changes of known records: merges, normalizes and compares their items. Pure work, on
//! a blocking thread.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Call, Digest},
    normalize::{self, Merged, Normalized},
    warehouse::{
        postgres::error::WarehouseError,
        raw::{
            bodies::Bodies,
            codec::{Compressor, Inflater},
        },
        record::{
            merge::{ItemTexts, MergeInput, MergedItem, merge},
            observation::{Origin, Work, is_listed},
            stored::Update,
            usual::Usual,
        },
        scope::{RawStorage, Scope},
        tables::{
            diff::RowDiff,
            record_rows::{ChangeContext, RecordRows},
        },
    },
};

/// All changes to write for some known records.
pub(super) struct ChangeSet {
    /// Their rows in the data tables, with the differences from the stored ones.
    pub(super) records: Vec<RecordRows<'static>>,
    /// Their rows in `argos_sync.record`.
    pub(super) updates: Vec<Update>,
    /// Their raw items, compressed.
    pub(super) bodies: Bodies,
    /// Records that need a detail call.
    pub(super) due: Vec<String>,
    /// The objects that details usually contain, including those of these items.
    pub(super) usual: Usual,
}

/// Builds the changes of locked records. Fails only if the codec cannot allocate memory.
pub(super) fn build(
    scope: &Scope,
    origin: Origin,
    work: &[Work],
    usual: Usual,
    now: DateTime<Utc>,
) -> Result<ChangeSet, WarehouseError> {
    let mut inflater = Inflater::new()?;
    let mut compressor = match scope.raw {
        RawStorage::Zstd => Some(Compressor::new()?),
        RawStorage::None => None,
    };
    let mut changes = ChangeSet {
        records: Vec::with_capacity(work.len()),
        updates: Vec::with_capacity(work.len()),
        bodies: Bodies::new(),
        due: Vec::new(),
        usual,
    };
    for work in work {
        let input = MergeInput::of(origin.call(), work, &mut inflater);
        let merged = merge(scope, origin.call(), work, &input)?;
        if gets_detail_call(scope, origin, work, merged.as_ref()) {
            changes.due.push(work.item.id.clone());
        }
        let normalized = merged.as_ref().map(|merged| rows_of(scope, &merged.item, merged.damaged));
        let mut update = update_of(origin, work, merged.as_ref(), normalized.as_ref(), now);
        if let (Some(merged), Some(normalized)) = (&merged, &normalized) {
            update.sparse = changes.usual.priority(scope.stream, merged, normalized);
        }
        if let Some(compressor) = compressor.as_mut().filter(|_| update.deleted_at.is_none()) {
            changes.bodies.add(&work.item.id, compressor.compress(&work.item.body)?);
        }
        changes.updates.push(update);
        if let Some(normalized) = normalized {
            changes.records.push(RecordRows {
                id: work.item.id.clone(),
                change_context: Some(ChangeContext::of(origin, &work.stored)),
                diff: diff(scope, work, &normalized, &mut inflater),
                normalized: normalized.into_owned(),
            });
        }
    }
    Ok(changes)
}

/// Compares the new rows with those of the stored items if these are known for certain.
fn diff(
    scope: &Scope,
    work: &Work,
    normalized: &Normalized<'_>,
    inflater: &mut Inflater,
) -> RowDiff {
    let texts = ItemTexts::kept(&work.stored, inflater);
    let before = texts.as_ref().and_then(|texts| texts.merge_kept(scope, &work.stored));
    before.map_or(RowDiff::Unknown, |(item, damaged)| {
        RowDiff::between(scope.stream, &rows_of(scope, &item, damaged), normalized)
    })
}

fn rows_of<'a>(scope: &Scope, item: &'a Merged<'_>, damaged: bool) -> Normalized<'a> {
    normalize::normalize(scope.stream, &scope.context, item, damaged)
}

/// Whether a record needs a detail call: its items could not be merged, or its list item is new.
fn gets_detail_call(
    scope: &Scope,
    origin: Origin,
    work: &Work,
    merged: Option<&MergedItem<'_>>,
) -> bool {
    let is_news = origin.call() == Call::List && work.is_news();
    // If lists are sufficient, only another detail call can replace an older one (I5).
    let has_detail = work.stored.detail.is_some();
    merged.is_none() || (is_news && (scope.details.wants_changed() || has_detail))
}

fn update_of(
    origin: Origin,
    work: &Work,
    merged: Option<&MergedItem<'_>>,
    normalized: Option<&Normalized<'_>>,
    now: DateTime<Utc>,
) -> Update {
    let Work { item, stored } = work;
    let created_at = normalized.map_or(item.created_at, |normalized| normalized.created_at);
    Update {
        id: item.id.clone(),
        digest: item.digest,
        read: item.read,
        sources_differ: merged.is_some_and(|merged| merged.sources_differ),
        window_day: created_at.map_or(stored.window_day, |at| at.date_naive()),
        undated: created_at.is_none(),
        unlisted: stored.unlisted && !is_listed(origin),
        // A record whose items cannot be merged keeps its state until its detail call.
        deleted_by_absence: merged.is_none() && stored.deleted_by_absence,
        unsettled: normalized.map_or(stored.unsettled, |row| row.unsettled),
        changed_at: if is_change(origin, work) { Some(now) } else { stored.changed_at },
        // A record whose facts are stored is not deleted.
        deleted_at: if normalized.is_none() { stored.deleted_at } else { None },
        sparse: None,
    }
}

/// Whether a known record changed at the vendor. Its first detail call changes nothing, and neither
/// does the first item after a lost one.
fn is_change(origin: Origin, work: &Work) -> bool {
    let known = match origin.call() {
        Call::List => work.stored.list,
        Call::Detail => work.stored.detail,
    };
    known.is_some_and(|known| known.digest != work.item.digest && known.digest != Digest::LOST)
}

#[cfg(test)]
mod tests;
