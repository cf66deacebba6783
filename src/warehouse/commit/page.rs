//! One page, one transaction: its rows, what is due, the checkpoint and the counters, or nothing
//! (I1).

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
        },
        record::observation::{Observation, Origin},
        scope::{Count, Scope},
        state::{
            claim::{self, Claim},
            numbers::Drawn,
            pass::{self, Pass, Proof},
            project,
            run::{self, RunId, Tally},
        },
    },
};
use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use chrono::NaiveDate;

/// A page that is ready to be written.
#[derive(Debug)]
pub struct PageToStore {
    /// Its number in the walk, from 1.
    pub number: u32,
    /// Drawn just before the attempt that answered.
    pub read: ReadNumber,
    /// Its items, already looked at.
    pub observations: Vec<Observation>,
    /// Where the walk goes on; `None`: this was the last page.
    pub next: Option<(Cursor, CycleDetector)>,
    /// The walk brought nothing at all, and that is not believed: it covers no day and misses no
    /// record.
    pub is_doubted: bool,
    /// The members of the answer that the contract does not name.
    pub unknown: BTreeSet<Note>,
    /// With this page it became known that lists which go on have a next-page key.
    pub has_shown_end_mark: bool,
}

impl PageToStore {
    /// The ids of its items, as far as they have one.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.observations.iter().filter_map(|it| Some(it.key.as_ref().ok()?.id.as_str()))
    }
}

/// What storing a page came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageStored {
    /// How many items became what.
    pub tally: Tally,
    /// What the walk has proven, if it has come to its end.
    pub proof: Option<Proof>,
    /// The walk missed more records than can be believed.
    pub alarm: Option<Count>,
}

impl PageToStore {
    /// Reads the keys of those items whose key was not read while the page was cut, on a blocking
    /// thread.
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

    /// A page of these items, whose answer showed nothing else.
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
    /// Writes one page and where the walk goes on, or nothing.
    ///
    /// `seen` is what this walk saw from its first page to this one, if nothing interrupted it.
    ///
    /// A page that turns out to be stored already, because an earlier answer of PostgreSQL was
    /// lost, changes nothing.
    pub async fn commit_page(
        &self,
        scope: &Arc<Scope>,
        claim: &Claim,
        pass: &Pass,
        run: RunId,
        page: &PageToStore,
        seen: Option<&SeenIds>,
    ) -> Result<PageStored, WarehouseError> {
        let mut transaction = self.begin_writing("storing a page").await?;
        let now = claim::hold(&mut transaction, claim).await?;
        let drawn = Drawn::of(std::iter::once(page.read), claim.fence);
        self.check_numbers(&mut transaction, &drawn).await?;
        let origin =
            Origin::List { reading: claim.reading, lane: pass.lane, pass_id: pass.pass_id };
        let (asked, in_window) =
            (claim.window.asked(), count_days(page, |day| claim.window.contains(day)));
        let received = i64::try_from(page.observations.len()).unwrap_or(i64::MAX);
        let next = page.next.as_ref().map(|(cursor, cycle)| (cursor, cycle));
        let arrived = Tally { received, ..Tally::default() };
        pass::advance(
            &mut transaction,
            claim,
            pass.pass_id,
            page.number,
            next,
            &arrived,
            in_window,
        )
        .await?;
        let items: Vec<&Observation> = page.observations.iter().collect();
        let tally = store::store(&mut transaction, scope, origin, &items, now).await?;
        if page.next.is_none() {
            plan_settings::choose_again(&mut transaction).await?;
        }
        let mut alarm = None;
        if let (None, Some(seen), false) = (&page.next, seen, page.is_doubted) {
            alarm =
                absence::compare(&mut transaction, scope, claim, pass.pass_id, seen, now).await?;
        }
        if !page.unknown.is_empty() {
            let unknown = page.unknown.iter().collect();
            drift::keep_drift(&mut transaction, scope, &unknown, now).await?;
        }
        // A walk without a date filter asks for no days.
        let proves_filter =
            claim.reading.is_filtered() && count_days(page, |day| asked.contains(day)) > 0;
        // Late: all first pages of a project note it in one row, and wait for who holds it.
        if proves_filter || page.has_shown_end_mark {
            let project = &scope.project;
            project::note_seen(&mut transaction, project, proves_filter, page.has_shown_end_mark)
                .await?;
        }
        let proof = if page.next.is_none() {
            let proof =
                pass::conclude(&mut transaction, claim, pass.pass_id, page.is_doubted).await?;
            Some(proof)
        } else {
            None
        };
        // Last: all windows of a run count in one row, which this transaction now holds until its
        // end.
        run::count(&mut transaction, run, scope, &tally, run::Source::Page, drawn).await?;
        transaction.commit().await.doing("committing a page")?;
        Ok(PageStored { tally, proof, alarm })
    }

    /// Whether a page was stored after all, when the answer to its commit was lost.
    pub async fn page_is_stored(
        &self,
        claim: &Claim,
        pass: &Pass,
        page: &PageToStore,
    ) -> Result<Option<PageStored>, WarehouseError> {
        let row = sqlx::query!(
            "select state, unverified from argos_sync.pass where pass_id = $1 and fence = $2 and page = $3",
            pass.pass_id,
            claim.fence,
            i32::try_from(page.number).unwrap_or(i32::MAX),
        )
        .fetch_optional(&self.pool)
        .await
        .doing("asking for a checkpoint")?;
        Ok(row.map(|row| {
            let proof = Proof::of_state(&row.state, row.unverified.as_deref());
            PageStored { tally: Tally::default(), proof, alarm: None }
        }))
    }
}

/// How many items of a page were created on such a day.
fn count_days(page: &PageToStore, such: impl Fn(NaiveDate) -> bool) -> i64 {
    let days = page
        .observations
        .iter()
        .filter_map(|observation| Some(observation.key.as_ref().ok()?.created_at?.date_naive()));
    i64::try_from(days.filter(|day| such(*day)).count()).unwrap_or(i64::MAX)
}
