//! A project at work.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    binding::Account,
    details::answer_memory::AnswerSizes,
    lists::memory::ItemBytes,
    pulse::{Pauses, Pulse},
    rate::{key_pace::KeyPace, lane_limiter::LaneLimiter},
    settings::ProjectSettings,
    told::Told,
};
use crate::{
    client::{Client, SettingsError},
    domain::{ByLane, Kind, Lane, ProjectName, Stream, Window},
    json::Paths,
    metrics::{self, CommitKind},
    normalize::{self, Context, catalogue},
    planner,
    warehouse::{Scope, Tally, Warehouse},
};

/// The access of a lane to the API.
#[derive(Debug, Clone)]
struct LaneAccess {
    /// Its calls pass the limiter.
    client: Client,
    limiter: Arc<LaneLimiter>,
}

/// A project at work: its API, and how its items are stored.
#[derive(Debug, Clone)]
pub struct Project {
    /// The kind of project.
    pub kind: Kind,
    lanes: ByLane<LaneAccess>,
    /// How the calls of its key are paced.
    pub(super) pace: Arc<KeyPace>,
    pub(super) scope: Arc<Scope>,
    /// Windows read at a time.
    pub(super) workers: usize,
    /// The calls per day, and how the lanes share them.
    budget: planner::Budget,
    pub(super) item_bytes: Arc<ItemBytes>,
    pub(super) answer_sizes: Arc<AnswerSizes>,
    /// The vendor account that the project is bound to.
    account: Arc<Mutex<Account>>,
    pulse: Arc<Pulse>,
    /// The problems that were logged.
    pub(super) told: Arc<Told>,
    /// The schedule that the last round computed.
    detail_schedule: Arc<Mutex<Option<planner::DetailSchedule>>>,
}

impl Project {
    /// Prepares a project without calls or writes.
    pub fn new(
        settings: ProjectSettings,
        warehouse: &Warehouse,
        stop: &CancellationToken,
    ) -> Result<Self, SettingsError> {
        let stream = settings.kind.stream();
        let pace = Arc::new(KeyPace::new(&settings));
        let pulse = Arc::new(Pulse::new(settings.client.request_timeout));
        let limiter = |lane| {
            let pauses = Pauses { stop: stop.clone(), pulse: Arc::clone(&pulse) };
            let (warehouse, pace) = (warehouse.clone(), Arc::clone(&pace));
            Arc::new(LaneLimiter::new(warehouse, pauses, pace, lane, settings.budget))
        };
        let volatile = catalogue::volatile_paths(stream).iter().copied();
        let volatile =
            Paths::new(volatile.chain(settings.volatile_paths.iter().map(String::as_str)));
        let look = {
            let volatile = volatile.clone();
            move |text: &str| normalize::read_key_prefix(stream, &volatile, text)
        };
        let client_settings = settings.client.clone();
        let client = Client::new(client_settings, stream, limiter(Lane::Detail), Arc::new(look))?;
        let lanes = ByLane::of(|lane| {
            let limiter = limiter(lane);
            LaneAccess { client: client.through(Arc::clone(&limiter) as _), limiter }
        });
        let parent = match &settings.kind {
            Kind::IdCheck => None,
            Kind::FaceAuth { parent } => Some(parent.clone()),
        };
        let scope = Scope {
            project: settings.name,
            stream,
            context: Context { pseudonym_key: settings.pseudonym_key, parent },
            volatile,
            raw: settings.raw,
            details: settings.details,
            deletion: settings.deletion,
            since: settings.since,
        };
        Ok(Self {
            kind: settings.kind,
            lanes,
            pace,
            scope: Arc::new(scope),
            workers: settings.workers,
            budget: settings.budget,
            item_bytes: Arc::default(),
            answer_sizes: Arc::default(),
            account: Arc::default(),
            pulse,
            told: Arc::default(),
            detail_schedule: Arc::default(),
        })
    }

    /// The project's name.
    pub fn name(&self) -> &ProjectName {
        &self.scope.project
    }

    /// The project's stream.
    pub fn stream(&self) -> Stream {
        self.scope.stream
    }

    /// Whether its work continues.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// How its items are stored.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// Most items requested with one list call.
    pub(super) fn page_size(&self) -> u32 {
        self.client(Lane::Audit).page_size()
    }

    /// The project's API, for calls that count against this lane's budget.
    pub fn client(&self, lane: Lane) -> &Client {
        &self.lanes[lane].client
    }

    /// The calls per day, and how the lanes share them.
    pub fn budget(&self) -> &planner::Budget {
        &self.budget
    }

    /// The windows in which a backfill reads these days, the newest first.
    ///
    /// `days_max`: the most days of a window.
    pub fn backfill_windows(&self, whole: Window, days_max: u32) -> Vec<Window> {
        planner::backfill_windows(whole, self.workers, days_max)
    }

    /// Gives back the calls that no lane will make. Calls that cannot be given back count as made.
    pub(super) async fn give_calls_back(&self, warehouse: &Warehouse) {
        for (lane, LaneAccess { limiter, .. }) in self.lanes.iter() {
            if let Err(error) = limiter.give_back(warehouse).await {
                warn!(project = %self.name(), lane = %lane, %error,
                    "could not return unused calls to the budget");
            }
        }
    }

    /// Notes a transaction that stored items.
    pub(super) fn note_stored(&self, kind: CommitKind, took: Duration, tally: Tally) {
        self.pulse.step();
        metrics::observe_commit(self.name(), kind, took);
        for (outcome, count) in tally.by_outcome() {
            metrics::count_items(self.name(), self.stream(), outcome, count);
        }
    }

    /// The schedule of detail calls that the last round computed; `None` if there was none.
    pub fn detail_schedule(&self) -> Option<planner::DetailSchedule> {
        *self.detail_schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the schedule of a round.
    pub(super) fn set_detail_schedule(&self, schedule: planner::DetailSchedule) {
        *self.detail_schedule.lock().unwrap_or_else(PoisonError::into_inner) = Some(schedule);
    }

    /// The vendor account that the project is bound to, as known to this process.
    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
