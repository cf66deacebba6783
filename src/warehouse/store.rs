//! Stores observed items: compares digests, merges and normalizes what changed, and writes only that.
//!
//! List pages and detail batches both end here. Runs inside the caller's transaction.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Scope, Tally, WarehouseError,
    body::{self, Compressor, RawStorage},
    due::{self, Rank},
    held::{self, Held},
    history::Sight,
    notes, quarantine, raw,
    tables::{self, Stored},
};
use crate::{
    domain::{Call, Day, Digest, Lane, ReadNumber, Reading},
    json::{self, Json, Malformed, Parsed},
    normalize::{self, Glance, Merged, Refusal},
};

/// Records that are merged, normalized and written at a time; bounds the memory of their trees.
const CHUNK: usize = 500;

/// An item as it was received, already looked at.
#[derive(Debug)]
pub struct Observation {
    /// Orders it among the observations of its record.
    pub read: ReadNumber,
    /// The item's bytes.
    pub body: Bytes,
    /// What was seen in it, or why it can be stored in no table.
    pub glance: Result<Glance, Refusal>,
}

impl Observation {
    /// Looks at an item's bytes.
    pub fn of(scope: &Scope, read: ReadNumber, body: Bytes) -> Self {
        let glance = normalize::glance(scope.stream, &scope.volatile, &body);
        Self { read, body, glance }
    }
}

/// Where the items came from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// A list answer, read under a claim by this pass.
    List { reading: Reading, lane: Lane, pass_id: i64 },
    /// Single calls.
    Detail,
    /// Quarantine: read long ago by such a call, in a window that began on this day.
    Quarantine { call: Call, day: Day },
}

impl Origin {
    pub(super) fn call(self) -> Call {
        match self {
            Self::List { .. } => Call::List,
            Self::Detail => Call::Detail,
            Self::Quarantine { call, .. } => call,
        }
    }

    /// The lane that brought the items.
    pub(super) fn lane(self) -> Lane {
        match self {
            Self::List { lane, .. } => lane,
            Self::Detail | Self::Quarantine { .. } => Lane::Detail,
        }
    }
}

/// What to do with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// No record of that id yet.
    New,
    /// Another digest, or an observation that decides between list and detail.
    Changed,
    /// Nothing to do.
    Unchanged,
    /// Known, and from outside the claimed window: another pass stores it (I6).
    Foreign,
}

/// One item that has to be written.
struct Work {
    id: String,
    digest: Digest,
    read: ReadNumber,
    created_at: Option<DateTime<Utc>>,
    body: Bytes,
    /// What is stored of the record; `None`: it is new.
    held: Option<Held>,
}

impl Work {
    /// Whether the list item says something new. One that only outvotes an older detail says what is known, and a single
    /// call would be outvoted again at the next pass, for ever.
    fn is_news(&self) -> bool {
        let known = self.held.as_ref().and_then(|held| held.list);
        known.is_none_or(|(digest, _)| digest != self.digest)
    }
}

/// Stores items of one origin; returns how many became what.
pub(super) async fn store(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    observations: &[&Observation],
    now: DateTime<Utc>,
) -> Result<Tally, WarehouseError> {
    let mut tally = Tally { received: count(observations.len()), ..Tally::default() };
    let latest = latest_of_each(observations);
    let refused: Vec<_> = observations
        .iter()
        .filter_map(|observation| Some((*observation, observation.glance.as_ref().err()?)))
        .collect();
    tally.quarantined = count(refused.len());
    tally.duplicate = count(observations.len() - refused.len() - latest.len());
    quarantine::keep(connection, scope, origin, &refused, now).await?;

    let ids: Vec<&str> = latest.keys().copied().collect();
    let known = held::look_up(connection, scope, &ids).await?;
    let mut work = Vec::new();
    let mut also_due = Vec::new();
    for (id, (observation, glance)) in &latest {
        match verdict(origin, observation.read, glance, known.get(*id)) {
            Verdict::New | Verdict::Changed => work.push((*observation, *glance)),
            Verdict::Unchanged => tally.unchanged += 1,
            Verdict::Foreign => tally.duplicate += 1,
        }
        let is_elsewhere = is_changed_elsewhere(origin, glance, known.get(*id));
        if is_elsewhere || (scope.detail.wants_every_sight() && origin.call() == Call::List) {
            also_due.push(*id);
        }
    }
    for chunk in work.chunks(CHUNK) {
        store_chunk(connection, scope, origin, chunk, &known, now, &mut tally).await?;
    }
    due::mark(connection, scope, &also_due, Rank::of(origin.lane()), now).await?;
    Ok(tally)
}

/// Of an id that stands twice in one answer the later element counts.
fn latest_of_each<'a>(
    observations: &[&'a Observation],
) -> BTreeMap<&'a str, (&'a Observation, &'a Glance)> {
    let readable = observations.iter().filter_map(|&observation| {
        let glance = observation.glance.as_ref().ok()?;
        Some((glance.id.as_str(), (observation, glance)))
    });
    readable.collect()
}

/// The decision for one item, from what is held of its record.
fn verdict(origin: Origin, read: ReadNumber, glance: &Glance, held: Option<&Held>) -> Verdict {
    let Some(held) = held else { return Verdict::New };
    if let Origin::List { reading, .. } = origin {
        let claimed = reading.claimed();
        if glance.created_at.is_some_and(|at| !claimed.contains(at.date_naive())) {
            return Verdict::Foreign;
        }
        if held.unlisted && reading.is_filtered() && read > held.newest {
            return Verdict::Changed;
        }
    }
    if held.absent {
        return if read > held.newest { Verdict::Changed } else { Verdict::Unchanged };
    }
    let (own, other) = match origin.call() {
        Call::List => (held.list, held.detail),
        Call::Detail => (held.detail, held.list),
    };
    let Some((digest, number)) = own else { return Verdict::Changed };
    if read <= number {
        return Verdict::Unchanged;
    }
    let outvoted = held.contested && other.is_some_and(|(_, other)| other > number);
    if digest == glance.digest && !outvoted { Verdict::Unchanged } else { Verdict::Changed }
}

/// Whether a walk without a date filter shows something new of a record that walks of its day should have shown. Its day is
/// not claimed, so that a single call has to tell.
fn is_changed_elsewhere(origin: Origin, glance: &Glance, held: Option<&Held>) -> bool {
    let Origin::List { reading: Reading::Everything, .. } = origin else { return false };
    let of_a_day = glance.created_at.is_some();
    held.is_some_and(|held| {
        let known = held.list.is_some_and(|(digest, _)| digest == glance.digest);
        of_a_day && (held.absent || !known)
    })
}

async fn store_chunk(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    chunk: &[(&Observation, &Glance)],
    known: &HashMap<String, Held>,
    now: DateTime<Utc>,
    tally: &mut Tally,
) -> Result<(), WarehouseError> {
    // New records first: who inserts the row of `record` owns the record until the end of the transaction.
    let fresh: Vec<_> =
        chunk.iter().filter(|(_, glance)| !known.contains_key(&glance.id)).copied().collect();
    let inserted = held::insert(connection, scope, origin, &fresh, now).await?;
    // The rest is locked and looked at again: another writer may have been faster.
    let rest: Vec<&str> = chunk
        .iter()
        .map(|(_, glance)| glance.id.as_str())
        .filter(|id| !inserted.contains(*id))
        .collect();
    let mut locked = held::lock(connection, scope, &rest, origin.call()).await?;
    let mut work = Vec::with_capacity(chunk.len());
    for (observation, glance) in chunk {
        let held = locked.remove(&glance.id);
        let settled = match &held {
            Some(held) => verdict(origin, observation.read, glance, Some(held)),
            None if inserted.contains(&glance.id) => Verdict::New,
            // Erased between two statements; the next read finds it if it is still there.
            None => Verdict::Unchanged,
        };
        match settled {
            Verdict::New => tally.inserted += 1,
            Verdict::Changed => tally.updated += 1,
            Verdict::Unchanged => tally.unchanged += 1,
            Verdict::Foreign => tally.duplicate += 1,
        }
        if matches!(settled, Verdict::New | Verdict::Changed) {
            work.push(Work {
                id: glance.id.clone(),
                digest: glance.digest,
                read: observation.read,
                created_at: glance.created_at,
                body: observation.body.clone(),
                held,
            });
        }
    }
    write(connection, scope, origin, &work, now).await
}

/// Merges, normalizes and writes records whose rows this transaction holds.
async fn write(
    connection: &mut PgConnection,
    scope: &Scope,
    origin: Origin,
    work: &[Work],
    now: DateTime<Utc>,
) -> Result<(), WarehouseError> {
    let texts: Vec<Texts> =
        work.iter().map(|work| Texts::of(origin.call(), work)).collect::<Result<_, _>>()?;
    let merged: Vec<Option<MergedWork<'_>>> = work
        .iter()
        .zip(&texts)
        .map(|(work, texts)| merge(scope, origin.call(), work, texts))
        .collect::<Result<_, _>>()?;
    let mut stored = Vec::with_capacity(work.len());
    let mut updates = Vec::with_capacity(work.len());
    for (work, merged) in work.iter().zip(&merged) {
        let normalized = merged.as_ref().map(|merged| {
            normalize::normalize(scope.stream, &scope.context, &merged.item, merged.damaged)
        });
        updates.push(update_of(origin, work, merged.as_ref(), normalized.as_ref(), now));
        if let Some(mut normalized) = normalized {
            let deleted_at = updates.last().and_then(|update| update.deleted_at);
            if let Some(deleted_at) = deleted_at {
                mark_deleted(scope, &mut normalized, deleted_at);
            }
            let sight = Sight::of(origin, work.held.as_ref(), deleted_at.is_some());
            stored.push(Stored { id: &work.id, is_new: work.held.is_none(), sight, normalized });
        }
    }
    let touched = tables::write(connection, &scope.project, scope.stream, &stored).await?;
    held::touch(connection, scope, &touched, now).await?;
    held::update(connection, scope, origin.call(), &updates).await?;
    if scope.raw == RawStorage::Zstd {
        let (gone, kept): (Vec<_>, Vec<_>) = work
            .iter()
            .zip(&updates)
            .partition(|(_, update)| update.deleted_at.is_some() && !scope.deletion.keep_personal);
        let mut compressor = Compressor::new()?;
        let bodies: Vec<_> = kept
            .iter()
            .map(|(work, _)| Ok((work.id.as_str(), compressor.compress(&work.body)?)))
            .collect::<Result<_, WarehouseError>>()?;
        raw::keep(connection, scope, origin.call(), &bodies).await?;
        let gone: Vec<&str> = gone.iter().map(|(work, _)| work.id.as_str()).collect();
        raw::drop_bodies(connection, scope, &gone).await?;
    }
    notes::keep(connection, scope, &stored, now).await?;
    let due: Vec<&str> = work
        .iter()
        .zip(&merged)
        .filter(|(work, merged)| {
            let is_news = origin.call() == Call::List && work.is_news();
            // What an older single call brought, no list takes back (I5): where lists are enough, nobody else would ask.
            let has_detail = work.held.as_ref().is_some_and(|held| held.detail.is_some());
            merged.is_none() || (is_news && (scope.detail.wants_changed() || has_detail))
        })
        .map(|(work, _)| work.id.as_str())
        .collect();
    due::mark(connection, scope, &due, Rank::of(origin.lane()), now).await
}

fn update_of(
    origin: Origin,
    work: &Work,
    merged: Option<&MergedWork<'_>>,
    normalized: Option<&normalize::Normalized<'_>>,
    now: DateTime<Utc>,
) -> held::Update {
    let held = work.held.as_ref();
    let created_at = normalized.map_or(work.created_at, |normalized| normalized.created_at);
    let known_day = held.map(|held| held.window_day);
    let deleted_at = match normalized {
        None => held.and_then(|held| held.deleted_at),
        Some(normalized) => normalized
            .deletion
            .map(|deletion| deletion.at.or(held.and_then(|held| held.deleted_at)).unwrap_or(now)),
    };
    held::Update {
        id: work.id.clone(),
        digest: work.digest,
        read: work.read,
        contested: merged.is_some_and(|merged| merged.contested),
        window_day: created_at
            .map(|at| at.date_naive())
            .or(known_day)
            .unwrap_or_else(|| first_day(origin, now)),
        undated: created_at.is_none(),
        unlisted: held.is_some_and(|held| held.unlisted) && !is_listed(origin),
        // What is merged from nothing but a hint keeps its standing until the single call has told.
        absent: merged.is_none() && held.is_some_and(|held| held.absent),
        unsettled: normalized.map_or(held.is_some_and(|held| held.unsettled), |row| row.unsettled),
        moved_at: held
            .and_then(|held| if is_move(origin, work, held) { Some(now) } else { held.moved_at }),
        deleted_at,
    }
}

fn is_listed(origin: Origin) -> bool {
    matches!(origin, Origin::List { reading: Reading::Window(_), .. })
}

/// Whether a known record changed at the vendor. That its first single call tells more is no change.
fn is_move(origin: Origin, work: &Work, held: &Held) -> bool {
    match origin.call() {
        Call::List => work.is_news() && held.list.is_some(),
        Call::Detail => held.detail.is_some_and(|(digest, _)| digest != work.digest),
    }
}

/// The day that an undated record belongs to.
pub(super) fn first_day(origin: Origin, now: DateTime<Utc>) -> Day {
    match origin {
        Origin::List { reading: Reading::Window(window), .. } => window.from(),
        Origin::List { reading: Reading::Everything, .. } | Origin::Detail => now.date_naive(),
        Origin::Quarantine { day, .. } => day,
    }
}

/// Both items of a record as text, the new one included.
struct Texts {
    list: Option<(String, ReadNumber)>,
    detail: Option<(String, ReadNumber)>,
    /// The other item is known to exist, but its body was not kept.
    other_is_lost: bool,
    damaged: bool,
}

impl Texts {
    fn of(call: Call, work: &Work) -> Result<Self, WarehouseError> {
        let own = json::text(&work.body);
        let mut damaged = matches!(own, std::borrow::Cow::Owned(_));
        let own = Some((own.into_owned(), work.read));
        let mut other = None;
        let mut other_is_lost = false;
        if let Some(held) = &work.held {
            let number = match call {
                Call::List => held.detail,
                Call::Detail => held.list,
            };
            match (number, &held.other_body) {
                (Some((_, number)), Some(packed)) => {
                    let bytes = body::inflate(&held.encoding, packed)?;
                    let text = json::text(&bytes);
                    damaged |= matches!(text, std::borrow::Cow::Owned(_));
                    other = Some((text.into_owned(), number));
                }
                (Some(_), None) => other_is_lost = true,
                (None, _) => {}
            }
        }
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

/// Writes into a record's rows that it is deleted, and forgets whom it was about, unless that is kept.
pub(super) fn mark_deleted(
    scope: &Scope,
    normalized: &mut normalize::Normalized<'_>,
    deleted_at: DateTime<Utc>,
) {
    normalized.set(scope.stream, "deleted_at", normalize::Cell::At(deleted_at));
    if !scope.deletion.keep_personal {
        normalized.forget_person(scope.stream);
    }
}

/// A record made of what is known of it.
struct MergedWork<'a> {
    item: Merged<'a>,
    damaged: bool,
    contested: bool,
}

/// Merges a record; `None` when the other item is needed and lost, so that a new single call has to tell.
fn merge<'a>(
    scope: &Scope,
    call: Call,
    work: &Work,
    texts: &'a Texts,
) -> Result<Option<MergedWork<'a>>, WarehouseError> {
    let detail_is_newest = call == Call::Detail
        && work.held.as_ref().and_then(|held| held.list).is_none_or(|(_, no)| work.read > no);
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

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
