//! What the service shows: the last known state of the warehouse, and whether the work goes on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::trend::Trends;
use crate::{
    config::Config,
    domain::{ProjectName, longest_gap},
    status::report::StatusReport,
    sync::{Pulse, World},
    warehouse::{DayReport, ProjectReport, SchemaState, Warehouse, WindowReport},
};

/// How late a refresh may be before the state no longer shows that PostgreSQL answers.
const LATE: Duration = Duration::from_mins(1);

/// The last known state of the warehouse.
pub(super) struct KnownState {
    pub(super) report: StatusReport,
    /// The days that were read, by project and day.
    pub(super) days: Vec<DayReport>,
    /// The windows that are not read completely.
    pub(super) windows: Vec<WindowReport>,
    /// The recent course of each project.
    pub(super) trends: Trends,
    pub(super) json: String,
    pub(super) schema: SchemaState,
    pub(super) promises: Promises,
    /// When it was read, by the host's clock.
    pub(super) read_at: DateTime<Utc>,
    pub(super) read: Instant,
    /// When it is read again.
    pub(super) next_at: Instant,
}

impl KnownState {
    /// Whether the next refresh is not late.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now < self.next_at + LATE
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.read)
    }
}

/// The ages that data should not exceed, by this configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promises {
    /// Of the newest read of a day: twice the longest time between two scheduled rounds.
    pub(super) newest: TimeDelta,
    /// Of the oldest read of a covered day: the cycle in which all history is read again.
    pub(super) oldest: TimeDelta,
    /// A day is final once it was read this long after its end.
    pub(super) settle: TimeDelta,
}

impl Promises {
    pub(super) fn of(config: &Config, now: DateTime<Utc>) -> Self {
        let planner = &config.sync.planner;
        Self {
            newest: longest_gap(&config.sync.schedules, now) * 2,
            oldest: planner.cycle,
            settle: planner.settle,
        }
    }
}

/// Why the last refresh failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) error: String,
    pub(super) advice: &'static str,
}

/// The state that all requests are answered from.
#[derive(Default)]
pub(super) struct Board {
    /// The work of the daemon; `None` while it waits for PostgreSQL at its start.
    work: Mutex<Option<Work>>,
    known: Mutex<Option<Arc<KnownState>>>,
    outage: Mutex<Option<Outage>>,
}

/// The work of a daemon.
struct Work {
    pulses: Vec<(ProjectName, Arc<Pulse>)>,
    warehouse: Warehouse,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Board").finish_non_exhaustive()
    }
}

/// One condition of readiness or liveness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: String,
    /// The project whose loop is checked; `None` for other checks.
    pub(super) project: Option<ProjectName>,
    /// What is wrong, and the next step; `None` if nothing is.
    pub(super) problem: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>) -> Self {
        Self { name: name.into(), project: None, problem: None }
    }

    fn wrong(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { name: name.into(), project: None, problem: Some(problem.into()) }
    }
}

impl Board {
    /// The work of this world begins.
    pub(super) fn begin(&self, world: &World) {
        let pulses = world
            .projects
            .iter()
            .map(|project| (project.name().clone(), Arc::clone(project.pulse())));
        let (pulses, warehouse) = (pulses.collect(), world.warehouse.clone());
        *lock(&self.work) = Some(Work { pulses, warehouse });
    }

    /// The work has ended, or pauses.
    pub(super) fn end(&self) {
        *lock(&self.work) = None;
    }

    pub(super) fn note_state(&self, state: KnownState) {
        *lock(&self.known) = Some(Arc::new(state));
        *lock(&self.outage) = None;
    }

    pub(super) fn note_outage(&self, outage: Outage) {
        *lock(&self.outage) = Some(outage);
    }

    pub(super) fn known(&self) -> Option<Arc<KnownState>> {
        lock(&self.known).clone()
    }

    pub(super) fn outage(&self) -> Option<Outage> {
        lock(&self.outage).clone()
    }

    /// Whether the loop of each project continues. A wait for PostgreSQL counts as continuing.
    pub(super) fn liveness(&self, now: Instant) -> Vec<Check> {
        let work = lock(&self.work);
        let Some(Work { pulses, warehouse }) = work.as_ref() else {
            return vec![Check::ok("start")];
        };
        let waits = warehouse.waits_for_postgresql(now);
        let checks = pulses.iter().map(|(name, pulse)| {
            let subject = format!("project {name}");
            let check = if waits || pulse.is_alive(now) {
                Check::ok(subject)
            } else {
                Check::wrong(
                    subject,
                    "its loop neither works nor waits; restart the daemon, and report a bug with \
                     its log",
                )
            };
            Check { project: Some(name.clone()), ..check }
        });
        checks.collect()
    }

    /// Whether each project has taken a step since `since`, or waits.
    pub(super) fn moves_since(&self, since: Instant, now: Instant) -> bool {
        let work = lock(&self.work);
        // Without work, the daemon waits for PostgreSQL.
        let Some(Work { pulses, warehouse }) = work.as_ref() else { return true };
        warehouse.waits_for_postgresql(now)
            || pulses.iter().all(|(_, pulse)| pulse.moves_since(since))
    }

    /// Whether the warehouse is complete.
    pub(super) fn completeness(&self) -> Vec<Check> {
        let Some(known) = self.known() else {
            return vec![Check::wrong("complete", "the state is not known yet")];
        };
        let report = &known.report;
        let work = lock(&self.work);
        let configured = work.iter().flat_map(|work| &work.pulses).map(|(name, _)| name);
        let mut checks: Vec<_> = configured
            .map(|name| {
                let own = report.projects.iter().find(|own| own.project == name.as_str());
                is_complete(name, own)
            })
            .collect();
        checks.push(if report.is_wrong() {
            Check::wrong("status", "an operator must act; see `argos-sync status`")
        } else {
            Check::ok("status")
        });
        checks
    }

    /// Whether PostgreSQL answers.
    pub(super) fn is_database_up(&self, now: Instant) -> bool {
        let known = self.known();
        self.outage().is_none() && known.is_some_and(|known| known.is_fresh(now))
    }

    /// Whether the daemon can work.
    pub(super) fn readiness(&self, now: Instant) -> Vec<Check> {
        readiness(self.known().as_deref(), self.outage().as_ref(), now)
    }
}

/// `project`: its state; `None` before its first round.
fn is_complete(name: &ProjectName, project: Option<&ProjectReport>) -> Check {
    let subject = format!("complete {name}");
    let Some(project) = project else {
        return Check::wrong(subject, "no round has begun yet");
    };
    let days = project.unread_days();
    match (days, project.details_due) {
        (1.., _) => Check::wrong(subject, format!("{days} days are not read yet")),
        (_, 1..) => Check::wrong(subject, format!("{} detail calls are due", project.details_due)),
        _ => Check::ok(subject),
    }
}

fn readiness(known: Option<&KnownState>, outage: Option<&Outage>, now: Instant) -> Vec<Check> {
    let database = match (outage, known) {
        (Some(Outage { error, advice }), _) => {
            Check::wrong("database", format!("{error}; {advice}"))
        }
        (None, Some(known)) if known.is_fresh(now) => Check::ok("database"),
        (None, Some(_)) => Check::wrong("database", "PostgreSQL does not answer"),
        (None, None) => Check::wrong("database", "PostgreSQL has not answered yet"),
    };
    let schema = match known.map(|known| known.schema) {
        Some(SchemaState::Current) => Check::ok("schema"),
        Some(SchemaState::Newer) => {
            Check::wrong("schema", "a newer release has migrated it; install that release")
        }
        Some(SchemaState::Missing | SchemaState::Older(_) | SchemaState::Unreleased) => {
            Check::wrong("schema", "it is not up to date; run `argos-sync migrate`")
        }
        None => Check::wrong("schema", "it is not known yet"),
    };
    let blocked = known.map(|known| {
        let mut configured = known.report.configured_projects().peekable();
        configured.peek().is_some() && configured.all(|(project, _)| project.blocked_at.is_some())
    });
    let projects = match blocked {
        Some(true) => Check::wrong(
            "projects",
            "the vendor refuses the key of every project; correct the keys, see `argos-sync \
             status`",
        ),
        Some(false) | None => Check::ok("projects"),
    };
    vec![database, schema, projects]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
