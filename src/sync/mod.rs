//! Knows all rooms and joins them: a window becomes pages, pages become rows, and what is due gets done.
//!
//! It decides nothing that the planner could decide, and knows neither HTTP nor SQL nor the command line.

mod account;
mod answer_room;
mod backfill;
mod calls;
mod clocks;
mod daemon;
mod detail;
mod due;
mod empty;
mod fetch;
mod finish;
mod gate;
mod heartbeat;
mod hints;
mod holder;
mod in_flight;
mod outcome;
mod pass;
mod patience;
mod permits;
mod probe;
mod progress;
mod quarantine;
mod renormalize;
mod run;
mod settings;
mod sparse;
mod upkeep;
mod verify;
mod wait;
mod window;
mod windows;
mod writing;

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use account::{KeyStanding, OtherAccount, key_standing, verify_key};
pub use backfill::Backfill;
pub use clocks::host_time;
pub use daemon::run_daemon;
pub use due::{Outlook, run_due};
pub use fetch::{Fetched, Wanted, fetch};
pub use hints::has_aml_lists;
pub use outcome::{Ended, ProjectOutcome};
pub use probe::{Fact, Finding, ProbeError, probe, probe_and_learn};
pub use progress::{Progress, Seen};
pub use quarantine::retry_quarantined;
pub use renormalize::renormalize;
pub use run::free_gone_holders;
pub use settings::{ProjectSettings, Settings};
pub use verify::Verify;

use crate::{
    client::{Client, SettingsError},
    domain::{ByLane, Kind, Lane, ProjectName, Reading, Stream, Window},
    json::Paths,
    normalize::{self, Context, catalogue},
    planner::{self, Task},
    warehouse::{Scope, Warehouse},
};
use account::Account;
use answer_room::{AnswerMemory, AnswerSizes};
use gate::LaneGate;
use in_flight::{InFlight, ItemBytes};
use writing::insist;

/// A project at work: its API, and how its items are stored.
#[derive(Debug, Clone)]
pub struct Project {
    /// What kind of project it is.
    pub kind: Kind,
    lanes: ByLane<(Client, Arc<LaneGate>)>,
    scope: Arc<Scope>,
    /// Windows read at a time.
    workers: usize,
    /// The calls of a day, and how the lanes share them.
    budget: planner::Budget,
    item_bytes: Arc<ItemBytes>,
    answer_sizes: Arc<AnswerSizes>,
    /// The vendor account that it is bound to.
    account: Arc<Mutex<Account>>,
}

impl Project {
    /// Prepares a project; nothing is asked or written yet.
    pub fn new(
        settings: ProjectSettings,
        warehouse: &Warehouse,
        stop: &CancellationToken,
    ) -> Result<Self, SettingsError> {
        let stream = settings.kind.stream();
        let gate = |lane| {
            let (rate, budget) = (settings.rate, settings.budget);
            let (warehouse, stop) = (warehouse.clone(), stop.clone());
            Arc::new(LaneGate::new(warehouse, stop, settings.name.clone(), lane, rate, budget))
        };
        let volatile = catalogue::volatile_paths(stream).iter().copied();
        let volatile =
            Paths::new(volatile.chain(settings.volatile_paths.iter().map(String::as_str)));
        let look = {
            let volatile = volatile.clone();
            move |text: &str| normalize::glance_first(stream, &volatile, text)
        };
        let client_settings = settings.client.clone();
        let client = Client::new(client_settings, stream, gate(Lane::Detail), Arc::new(look))?;
        let lanes = ByLane::of(|lane| {
            let gate = gate(lane);
            (client.through(Arc::clone(&gate) as _), gate)
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
            detail: settings.detail,
            deletion: settings.deletion,
            since: settings.since,
        };
        Ok(Self {
            kind: settings.kind,
            lanes,
            scope: Arc::new(scope),
            workers: settings.workers,
            budget: settings.budget,
            item_bytes: Arc::default(),
            answer_sizes: Arc::default(),
            account: Arc::default(),
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

    /// How its items are stored.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// Items asked for with one list call, at most.
    fn page_size(&self) -> u32 {
        self.client(Lane::Audit).page_size()
    }

    /// The project's API, for calls out of that lane's budget.
    pub fn client(&self, lane: Lane) -> &Client {
        &self.lanes[lane].0
    }

    /// The calls of a day, and how the lanes share them.
    pub fn budget(&self) -> &planner::Budget {
        &self.budget
    }

    /// The walks by which a backfill reads these days, but for those that are done.
    pub fn backfill_tasks(&self, world: &World, whole: Window, done: &[Window]) -> Vec<Task> {
        let days_max = world.settings.planner.window_days;
        let days_max = planner::backfill_days(whole, self.workers, days_max);
        let task = |window| Task { lane: Lane::Backfill, reading: Reading::Window(window) };
        planner::missing(whole, done, days_max).into_iter().map(task).collect()
    }

    /// Gives back the calls that no lane will make; what is left counts as made.
    async fn give_calls_back(&self, world: &World) {
        for (lane, (_, gate)) in self.lanes.iter() {
            if let Err(error) = insist(world, async || gate.give_back().await).await {
                warn!(project = %self.name(), lane = %lane, %error, "calls that were not made stay counted");
            }
        }
    }
}

/// Everything a run works with.
#[derive(Debug, Clone)]
pub struct World {
    /// Where rows go.
    pub warehouse: Warehouse,
    /// The projects of the configuration.
    pub projects: Vec<Project>,
    /// How to work.
    pub settings: Settings,
    /// Whether there is a next bell.
    is_daemon: bool,
    /// Rung when the program has to end.
    pub stop: CancellationToken,
    /// What a progress bar shows.
    pub progress: Arc<Progress>,
    /// Room for pages.
    in_flight: InFlight,
    /// Room for the answers of single calls.
    answer_memory: AnswerMemory,
    /// Names this process in claims.
    holder: String,
    /// Since when PostgreSQL does not answer; shared by all that writes.
    away_since: Arc<Mutex<Option<Instant>>>,
    /// Until when PostgreSQL may take what was received, once the program has to end.
    farewell_end: Arc<OnceLock<Instant>>,
}

impl World {
    /// Everything a run of this process works with.
    pub fn new(
        warehouse: Warehouse,
        projects: Vec<Project>,
        settings: Settings,
        stop: CancellationToken,
    ) -> Self {
        Self {
            warehouse,
            projects,
            in_flight: InFlight::new(settings.bytes_in_flight),
            answer_memory: AnswerMemory::new(settings.bytes_in_flight),
            settings,
            is_daemon: false,
            stop,
            progress: Arc::default(),
            holder: holder::this_process(),
            away_since: Arc::default(),
            farewell_end: Arc::default(),
        }
    }
}

/// Waits, but not longer than until the program has to end. Returns whether it goes on.
async fn pause(stop: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
