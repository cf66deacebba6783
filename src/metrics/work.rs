//! Counters and histograms of the work.

use std::{
    sync::{LazyLock, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::names::{self, without_total};
use crate::domain::{Lane, ProjectName, Stream};

/// Upper limits of the buckets for attempts of calls, in seconds.
const CALL_SECONDS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Upper limits of the buckets for transactions, in seconds.
const COMMIT_SECONDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

static WORK: LazyLock<Work> = LazyLock::new(Work::new);

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

struct Work {
    calls: Family<AttemptLabels, Counter>,
    call_retries: Family<LaneLabels, Counter>,
    call_duration: Histograms<LaneLabels>,
    throttle: Family<LaneLabels, Counter<f64, AtomicU64>>,
    items: Family<OutcomeLabels, Counter>,
    rounds: Family<OutcomeLabels, Counter>,
    commit_duration: Histograms<CommitLabels>,
    database_retries: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    project: String,
    lane: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    project: String,
    lane: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    project: String,
    stream: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommitLabels {
    project: String,
    kind: &'static str,
}

/// The content of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitKind {
    /// A page of a list.
    Page,
    /// A batch of detail calls.
    Details,
}

impl Work {
    fn new() -> Self {
        Self {
            calls: Family::default(),
            call_retries: Family::default(),
            call_duration: Family::new_with_constructor(|| Histogram::new(CALL_SECONDS)),
            throttle: Family::default(),
            items: Family::default(),
            rounds: Family::default(),
            commit_duration: Family::new_with_constructor(|| Histogram::new(COMMIT_SECONDS)),
            database_retries: Counter::default(),
        }
    }
}

/// Adds these metrics to a registry.
pub(crate) fn register(registry: &mut Registry) {
    let work = &*WORK;
    let counter = without_total;
    registry.register(counter(names::CALLS), "HTTP attempts by result", work.calls.clone());
    registry.register(
        counter(names::CALL_RETRIES),
        "HTTP attempts after a failed one of the same call",
        work.call_retries.clone(),
    );
    registry.register(
        names::CALL_DURATION,
        "Time from sending a request to the end of its response",
        work.call_duration.clone(),
    );
    registry.register(
        counter(names::THROTTLE),
        "Time that calls waited for the rate limit, after a failure, or for Retry-After",
        work.throttle.clone(),
    );
    registry.register(counter(names::ITEMS), "Received items by outcome", work.items.clone());
    registry.register(
        counter(names::ROUNDS),
        "Rounds of the daemon by outcome",
        work.rounds.clone(),
    );
    registry.register(
        names::COMMIT_DURATION,
        "Time from the decoded page or batch to its commit, retries included",
        work.commit_duration.clone(),
    );
    registry.register(
        counter(names::DATABASE_RETRIES),
        "Failed attempts of transactions that were retried",
        work.database_retries.clone(),
    );
}

/// Counts one HTTP attempt. `status`: the class of its HTTP status, or of the failure.
pub(crate) fn count_attempt(
    project: &ProjectName,
    lane: Lane,
    status: &'static str,
    took: Duration,
    is_retry: bool,
) {
    let labels = LaneLabels::of(project, lane);
    let LaneLabels { project, lane } = labels.clone();
    WORK.calls.get_or_create(&AttemptLabels { project, lane, status }).inc();
    WORK.call_duration.get_or_create(&labels).observe(took.as_secs_f64());
    if is_retry {
        WORK.call_retries.get_or_create(&labels).inc();
    }
}

/// Counts the time that a call waited before it was admitted.
pub(crate) fn count_throttle(project: &ProjectName, lane: Lane, waited: Duration) {
    WORK.throttle.get_or_create(&LaneLabels::of(project, lane)).inc_by(waited.as_secs_f64());
}

/// Counts items with an outcome, such as `inserted`.
pub(crate) fn count_items(
    project: &ProjectName,
    stream: Stream,
    outcome: &'static str,
    count: i64,
) {
    let count = u64::try_from(count).unwrap_or_default();
    WORK.items.get_or_create(&OutcomeLabels::of(project, stream, outcome)).inc_by(count);
}

/// Begins to count the rounds with this outcome, so that the first one is an increase.
pub(crate) fn begin_rounds(project: &ProjectName, stream: Stream, outcome: &'static str) {
    drop(WORK.rounds.get_or_create(&OutcomeLabels::of(project, stream, outcome)));
}

/// Counts a round of the daemon with its outcome, such as `complete`.
pub(crate) fn count_round(project: &ProjectName, stream: Stream, outcome: &'static str) {
    WORK.rounds.get_or_create(&OutcomeLabels::of(project, stream, outcome)).inc();
}

/// Notes how long a transaction took.
pub(crate) fn observe_commit(project: &ProjectName, kind: CommitKind, took: Duration) {
    let kind = match kind {
        CommitKind::Page => "page",
        CommitKind::Details => "details",
    };
    let labels = CommitLabels { project: project.to_string(), kind };
    WORK.commit_duration.get_or_create(&labels).observe(took.as_secs_f64());
}

/// Counts an attempt of a transaction that failed and is retried.
pub(crate) fn count_database_retry() {
    WORK.database_retries.inc();
}

impl LaneLabels {
    fn of(project: &ProjectName, lane: Lane) -> Self {
        Self { project: project.to_string(), lane: lane.as_str() }
    }
}

impl OutcomeLabels {
    fn of(project: &ProjectName, stream: Stream, outcome: &'static str) -> Self {
        Self { project: project.to_string(), stream: stream.as_str(), outcome }
    }
}
