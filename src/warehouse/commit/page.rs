//! Stores one page in one transaction (I1): its rows, due detail calls, the checkpoint and the
//! counters, or nothing.

use crate::{
    blocking,
    domain::{Cursor, CycleDetector, ItemKey, ReadNumber},
    normalize::Note,
    warehouse::{
        deletion::{absence, seen_ids::SeenIds},
        ingest::{drift, store},
        postgres::{
            error::{Doing as _, WarehouseError},
            plan_settings,
            pool::Warehouse,
            sql::count,
        },
        record::observation::{Observation, Origin},
        scope::{Count, Scope},
        state::{
            claim::{self, Claim},
            numbers::Drawn,
            pass::{self, Advance, Pass},
            project,
            proof::{self, Proof},
            run::{self, RunId, Tally},
        },
        tx::Tx,
    },
};
use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use chrono::NaiveDate;

/// A page to store.
#[derive(Debug)]
pub struct PageToStore {
    /// Its number in the pass, from 1.
    pub number: u32,
    /// The read number drawn just before the successful attempt.
    pub read: ReadNumber,
    /// Its items with their keys.
    pub observations: Vec<Observation>,
    /// The position of the next page; `None` for the last page.
    pub next: Option<(Cursor, CycleDetector)>,
    /// The pass returned no items, which is not believed: it covers no day and misses no record.
    pub is_doubted: bool,
    /// Members of the answer that are not in the contract.
    pub unknown: BTreeSet<Note>,
    /// This page was the first to show that lists with further pages have a next-page key.
    pub has_shown_end_mark: bool,
}

impl PageToStore {
    /// Returns the ids of the items that have one.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.observations.iter().filter_map(|it| Some(it.key.as_ref().ok()?.id.as_str()))
    }
}

/// The result of storing a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageStored {
    /// Item counts by outcome.
    pub tally: Tally,
    /// The proof established by the pass, if it has ended.
    pub proof: Option<Proof>,
    /// The counts if the pass missed implausibly many records.
    pub alarm: Option<Count>,
}

impl PageToStore {
    /// Creates a page. Reads the missing keys of items on a blocking thread.
    pub async fn of(
        scope: &Arc<Scope>,
        number: u32,
        read: ReadNumber,
        items: Vec<(Bytes, Option<ItemKey>)>,
        next: Option<(Cursor, CycleDetector)>,
    ) -> Self {
        let scope = Arc::clone(scope);
        let observe = move |(bytes, key): (Bytes, Option<ItemKey>)| match key {
            Some(key) => Observation { read, body: bytes.into(), key: Ok(key) },
            None => Observation::of(&scope, read, bytes),
        };
        let is_seen = items.iter().all(|(_, key)| key.is_some());
        let look = move || items.into_iter().map(observe).collect();
        let observations = if is_seen { look() } else { blocking::run(look).await };
        Self::new(number, read, observations, next)
    }

    /// Creates a page of these items, from an answer without special properties.
    pub fn new(
        number: u32,
        read: ReadNumber,
        observations: Vec<Observation>,
        next: Option<(Cursor, CycleDetector)>,
    ) -> Self {
        let unknown = BTreeSet::new();
        Self {
            number,
            read,
            observations,
            next,
            is_doubted: false,
            unknown,
            has_shown_end_mark: false,
        }
    }
}

impl Warehouse {
    /// Stores one page and the next position, or nothing.
    ///
    /// `seen` contains the ids from the first page of the pass to this one; `None` if the pass was
    /// interrupted.
    ///
    /// A page that is already stored, because PostgreSQL's answer to an earlier commit was lost,
    /// changes nothing.
    pub async fn commit_page(
        &self,
        scope: &Arc<Scope>,
        claim: &Claim,
        pass: &Pass,
        run: RunId,
        page: &PageToStore,
        seen: Option<&SeenIds>,
    ) -> Result<PageStored, WarehouseError> {
        let mut attempts = 0;
        let stored = self.retry(async || {
            attempts += 1;
            if attempts > 1
                && let Some(stored) = self.stored_page(claim, pass, page).await?
            {
                return Ok(stored);
            }
            let mut transaction = self.begin_writing("storing a page").await?;
            let now = claim::hold(&mut transaction, claim).await?;
            let drawn = Drawn::of(std::iter::once(page.read), claim.fence);
            self.check_numbers(&mut transaction, &drawn).await?;
            let origin =
                Origin::List { reading: claim.reading, lane: pass.lane, pass_id: pass.pass_id };
            let (asked, in_window) =
                (claim.window.asked(), count_days(page, |day| claim.window.contains(day)));
            let advance = Advance {
                page: page.number,
                next: page.next.as_ref().map(|(cursor, cycle)| (cursor, cycle)),
                received: count(page.observations.len()),
                in_window,
            };
            pass::advance(&mut transaction, claim, pass.pass_id, advance).await?;
            let items: Vec<&Observation> = page.observations.iter().collect();
            let mut tx = Tx::new(&mut transaction, scope, now);
            let tally = store::store(&mut tx, origin, &items).await?;
            if page.next.is_none() {
                plan_settings::choose_again(tx.connection).await?;
            }
            let mut alarm = None;
            if let (None, Some(seen), false) = (&page.next, seen, page.is_doubted) {
                alarm = absence::compare(&mut tx, claim, pass.pass_id, seen).await?;
            }
            if !page.unknown.is_empty() {
                let unknown = page.unknown.iter().collect();
                drift::keep_drift(&mut tx, &unknown).await?;
            }
            // A pass without a date filter requests no days.
            let proves_filter =
                claim.reading.is_filtered() && count_days(page, |day| asked.contains(day)) > 0;
            // Late: all first pages of a project update the same row and wait for its lock.
            if proves_filter || page.has_shown_end_mark {
                let project = &scope.project;
                project::note_seen(tx.connection, project, proves_filter, page.has_shown_end_mark)
                    .await?;
            }
            let proof = if page.next.is_none() {
                let proof =
                    proof::conclude(tx.connection, claim, pass.pass_id, page.is_doubted).await?;
                Some(proof)
            } else {
                None
            };
            // Last: all windows of a run update the same row, which this transaction locks until
            // its end.
            let counted = run::CountedItems { tally, source: run::CountSource::Page, drawn };
            run::count(&mut transaction, scope, run, counted).await?;
            transaction.commit().await.doing("committing a page")?;
            Ok(PageStored { tally, proof, alarm })
        });
        match stored.await {
            // A commit whose answer was lost may have completed only after that check. A first
            // attempt has no such commit before it.
            Err(WarehouseError::CheckpointMoved { page: number }) if attempts > 1 => {
                let stored = self.retry(async || self.stored_page(claim, pass, page).await);
                stored.await?.ok_or(WarehouseError::CheckpointMoved { page: number })
            }
            other => other,
        }
    }

    /// The result of a commit whose answer was lost, if that commit stored the page.
    async fn stored_page(
        &self,
        claim: &Claim,
        pass: &Pass,
        page: &PageToStore,
    ) -> Result<Option<PageStored>, WarehouseError> {
        let row = sqlx::query!(
            "select state, unverified from argos_sync.pass
             where pass_id = $1 and fence = $2 and page = $3",
            pass.pass_id,
            claim.fence,
            i32::try_from(page.number).unwrap_or(i32::MAX),
        )
        .fetch_optional(&self.pool)
        .await
        .doing("reading a checkpoint")?;
        Ok(row.map(|row| {
            let proof = Proof::of_state(&row.state, row.unverified.as_deref());
            PageStored { tally: Tally::default(), proof, alarm: None }
        }))
    }
}

/// Returns the number of items of a page whose creation day satisfies `such`.
fn count_days(page: &PageToStore, such: impl Fn(NaiveDate) -> bool) -> i64 {
    let days = page
        .observations
        .iter()
        .filter_map(|observation| Some(observation.key.as_ref().ok()?.created_at?.date_naive()));
    count(days.filter(|day| such(*day)).count())
}
