//! Stores observed items: compares digests, adds what is new, merges and normalizes what changed,
//! and writes only that.
//!
//! List pages and detail batches both end here. Runs inside the caller's transaction.

use super::{
    drift, insert,
    marks::{self, Meaning},
    refused,
};
use crate::{
    domain::{Call, Digest, ItemKey},
    normalize::{self, Merged, Normalized},
    warehouse::{
        postgres::error::WarehouseError,
        raw::{
            bodies,
            codec::{Compressor, Inflater},
        },
        record::{
            compare::{
                ItemChange, compare_changed, compare_same, is_news, is_seen_elsewhere, verdict,
            },
            doubt,
            merge::{ItemTexts, MergeInput, MergedItem, merge},
            observation::{ItemToStore, Observation, Origin, Work, is_listed},
            since,
            stored::{self, Known},
            usual::Usual,
        },
        scope::{RawStorage, Scope},
        state::{
            detail_queue::{self, Priority},
            run::Tally,
        },
        tables::{
            diff::RowDiff,
            record_rows::{self, ChangeContext, RecordRows},
            write,
        },
    },
};
use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Records that are merged, normalized and written at a time; bounds the memory of their trees.
const CHUNK: usize = 500;

/// Stores items of one origin; returns how many became what.
pub(in crate::warehouse) async fn store(
    connection: &mut PgConnection,
    scope: &Arc<Scope>,
    origin: Origin,
    observations: &[&Observation],
    now: DateTime<Utc>,
) -> Result<Tally, WarehouseError> {
    let mut tally = Tally { received: count(observations.len()), ..Tally::default() };
    let latest = latest_of_each(observations);
    let refused: Vec<_> = observations
        .iter()
        .filter_map(|observation| Some((*observation, observation.key.as_ref().err()?)))
        .collect();
    tally.quarantined = count(refused.len());
    tally.duplicate = count(observations.len() - refused.len() - latest.len());
    refused::keep(connection, scope, origin, &refused, now).await?;

    let ids: Vec<&str> = latest.keys().copied().collect();
    let digests: Vec<&[u8]> = latest.values().map(|(_, key)| &key.digest.0[..]).collect();
    let others = stored::find_differing(connection, scope, origin.call(), &ids, &digests).await?;
    let special = others.iter().filter(|(_, other)| **other == Known::NeedsLookup);
    let special: Vec<&str> = special.map(|(id, _)| id.as_str()).collect();
    let special = stored::look_up(connection, scope, &special).await?;
    let mut fresh = Vec::new();
    let mut work = Vec::new();
    let mut also_due = Vec::new();
    for (id, (observation, key)) in &latest {
        let stored = special.get(*id);
        let (verdict, is_news) = match (others.get(*id), stored) {
            (None, _) => (Some(compare_same(origin, key)), false),
            (Some(Known::Changed), _) => (Some(compare_changed(origin, key)), true),
            (Some(Known::NeedsLookup), Some(stored)) => {
                let verdict = verdict(origin, observation.read, key, stored);
                (Some(verdict), is_news(key, stored))
            }
            // One that was erased between two statements is new.
            (Some(Known::New | Known::NeedsLookup), _) => (None, false),
        };
        match verdict {
            None => fresh.push((*observation, *key)),
            Some(ItemChange::Changed) => work.push((*observation, *key)),
            Some(ItemChange::Unchanged) if marks::is_evidence(scope, origin, observation) => {
                work.push((*observation, *key));
            }
            Some(ItemChange::Unchanged) => tally.unchanged += 1,
            Some(ItemChange::OtherWindow) => tally.duplicate += 1,
        }
        let is_elsewhere = is_news && is_seen_elsewhere(origin, key);
        if is_elsewhere || (scope.details.wants_every_sight() && origin.call() == Call::List) {
            also_due.push(*id);
        }
    }
    let skipped = since::not_asked_for(connection, scope, origin, &fresh).await?;
    if !skipped.is_empty() {
        fresh.retain(|(_, key)| !skipped.contains(key.id.as_str()));
        also_due.retain(|id| !skipped.contains(id));
        tally.skipped = count(skipped.len());
    }
    if !fresh.is_empty() {
        let items = fresh.iter().map(|(observation, key)| ItemToStore::of(observation, key));
        let inserted = insert::store(connection, scope, origin, items.collect(), now).await?;
        tally.inserted = count(inserted.len());
        // Another writer was faster with these, and what it wrote is looked at as everything that
        // is known.
        work.extend(fresh.into_iter().filter(|(_, key)| !inserted.contains(&key.id)));
        work.sort_unstable_by_key(|(_, key)| key.id.as_str());
    }
    for chunk in work.chunks(CHUNK) {
        store_chunk(connection, scope, origin, chunk, now, &mut tally).await?;
    }
    detail_queue::mark(connection, scope, &also_due, Priority::of(origin.lane()), now).await?;
    Ok(tally)
}

/// Of an id that stands twice in one answer the later element counts.
fn latest_of_each<'a>(
    observations: &[&'a Observation],
) -> BTreeMap<&'a str, (&'a Observation, &'a ItemKey)> {
    let readable = observations.iter().filter_map(|&observation| {
        let key = observation.key.as_ref().ok()?;
        Some((key.id.as_str(), (observation, key)))
    });
    readable.collect()
}

async fn store_chunk(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    chunk: &[(&Observation, &ItemKey)],
    now: DateTime<Utc>,
    tally: &mut Tally,
) -> Result<(), WarehouseError> {
    // Locked and looked at again: another writer may have been faster.
    let ids: Vec<&str> = chunk.iter().map(|(_, key)| key.id.as_str()).collect();
    let mut locked = stored::lock(connection, scope, &ids).await?;
    let mut work = Vec::with_capacity(chunk.len());
    let mut special = Vec::new();
    for (observation, key) in chunk {
        // One that was erased between two statements is found by the next read if it is still
        // there.
        let Some(stored) = locked.remove(&key.id) else {
            tally.unchanged += 1;
            continue;
        };
        let verdict = verdict(origin, observation.read, key, &stored);
        let item = ItemToStore::of(observation, key);
        let meaning = match verdict {
            ItemChange::OtherWindow => {
                tally.duplicate += 1;
                continue;
            }
            ItemChange::Unchanged if !marks::is_evidence(scope, origin, observation) => {
                tally.unchanged += 1;
                continue;
            }
            ItemChange::Changed | ItemChange::Unchanged => {
                marks::meaning(scope, origin, &item, &stored)
            }
        };
        if meaning == Meaning::Facts {
            work.push(Work { item, stored });
        } else {
            special.push((Work { item, stored }, meaning));
        }
    }
    let (work, aside) = doubt::split(scope, origin, work)?;
    tally.updated += count(work.len());
    tally.unchanged += count(aside.len());
    doubt::set_aside(connection, scope, origin, &aside, now).await?;
    write(connection, scope, origin, &work, now).await?;
    let deleted = marks::store(connection, scope, origin, &special, now).await?;
    tally.updated += deleted;
    tally.unchanged += count(special.len()) - deleted;
    Ok(())
}

/// Merges, normalizes and writes known records whose rows this transaction holds.
async fn write(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    work: &[Work],
    now: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    let mut inflater = Inflater::new()?;
    let both: Vec<MergeInput> = work
        .iter()
        .map(|work| MergeInput::of(origin.call(), work, &mut inflater))
        .collect::<Result<_, _>>()?;
    let merged: Vec<Option<MergedItem<'_>>> = work
        .iter()
        .zip(&both)
        .map(|(work, both)| merge(scope, origin.call(), work, both))
        .collect::<Result<_, _>>()?;
    let mut stored = Vec::with_capacity(work.len());
    let mut updates = Vec::with_capacity(work.len());
    let mut usual = Usual::read(connection, scope, &merged).await?;
    for (work, merged) in work.iter().zip(&merged) {
        let normalized = merged.as_ref().map(|merged| rows_of(scope, &merged.item, merged.damaged));
        let mut update = update_of(origin, work, merged.as_ref(), normalized.as_ref(), now);
        if let (Some(merged), Some(normalized)) = (merged, &normalized) {
            update.sparse = usual.rank(scope.stream, merged, normalized);
        }
        updates.push(update);
        if let Some(normalized) = normalized {
            let change_context = Some(ChangeContext::of(origin, &work.stored));
            let texts = ItemTexts::kept(&work.stored, &mut inflater);
            let before = texts.as_ref().and_then(|texts| texts.merge_kept(scope, &work.stored));
            let diff = before.map_or(RowDiff::Unknown, |(item, damaged)| {
                RowDiff::between(scope.stream, &rows_of(scope, &item, damaged), &normalized)
            });
            stored.push(RecordRows { id: &work.item.id, change_context, diff, normalized });
        }
    }
    write::write(connection, &scope.project, scope.stream, &stored).await?;
    stored::update(connection, scope, origin.call(), &updates).await?;
    if scope.raw == RawStorage::Zstd {
        let mut compressor = Compressor::new()?;
        let mut bodies = bodies::Bodies::new();
        for (work, update) in work.iter().zip(&updates) {
            if update.deleted_at.is_none() {
                bodies.add(&work.item.id, compressor.compress(&work.item.body)?);
            }
        }
        bodies::keep(connection, scope, origin.call(), &bodies).await?;
    }
    drift::replace(connection, scope, &record_rows::noted(&stored), now).await?;
    let due: Vec<&str> = work
        .iter()
        .zip(&merged)
        .filter(|(work, merged)| {
            let is_news = origin.call() == Call::List && work.is_news();
            // What an older detail call brought, no list takes back (I5): where lists are enough,
            // nobody else would ask.
            let has_detail = work.stored.detail.is_some();
            merged.is_none() || (is_news && (scope.details.wants_changed() || has_detail))
        })
        .map(|(work, _)| work.item.id.as_str())
        .collect();
    detail_queue::mark(connection, scope, &due, Priority::of(origin.lane()), now).await?;
    if origin.call() == Call::Detail {
        usual.count(connection, scope).await?;
    }
    Ok(())
}

fn rows_of<'a>(scope: &Scope, item: &'a Merged<'_>, damaged: bool) -> Normalized<'a> {
    normalize::normalize(scope.stream, &scope.context, item, damaged)
}

fn update_of(
    origin: Origin,
    work: &Work,
    merged: Option<&MergedItem<'_>>,
    normalized: Option<&Normalized<'_>>,
    now: DateTime<Utc>,
) -> stored::Update {
    let Work { item, stored } = work;
    let created_at = normalized.map_or(item.created_at, |normalized| normalized.created_at);
    stored::Update {
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
        // A record whose facts are stored is there.
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
    known.is_some_and(|(digest, _)| digest != work.item.digest && digest != Digest::LOST)
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
