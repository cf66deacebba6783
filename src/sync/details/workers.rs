//! Detail calls in progress: claims them in batches, keeps many in flight, and hands over their
//! answers.

use std::{
    collections::{BTreeSet, VecDeque},
    pin::pin,
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, LocalBoxFuture, OptionFuture},
    stream::FuturesUnordered,
};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::answer_memory::UsedMemory;
use crate::{
    client::{CallRemedy, ClientError, DetailResponse},
    domain::Lane,
    sync::{account, outcome::Failure, project::Project, world::World},
    warehouse::{DetailAnswer, DueDetail, Observation, Priority, WarehouseError},
};

/// Detail calls claimed at a time, and most answers stored at a time.
const BATCH: usize = 100;

/// Longest wait for further answers after the first one before they are stored.
const GATHERING: Duration = Duration::from_millis(200);

/// The detail calls to make.
#[derive(Debug)]
pub(in crate::sync) enum WantedCalls {
    /// All calls that are due up to this priority, the most urgent first.
    UpTo(Priority),
    /// The calls of these records, unless another process makes them.
    These(VecDeque<String>),
}

impl WantedCalls {
    /// Returns the same calls, without those that were taken from here before.
    pub(super) fn take(&mut self) -> Self {
        match self {
            Self::UpTo(priority) => Self::UpTo(*priority),
            Self::These(ids) => Self::These(std::mem::take(ids)),
        }
    }
}

/// A call and its result.
type Made<'a> = BoxFuture<'a, (DueDetail, Result<(DetailAnswer, Option<UsedMemory>), Failure>)>;

/// Answers that are stored together, and the memory they use until then.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) list: Vec<(DueDetail, DetailAnswer)>,
    memory: Vec<UsedMemory>,
}

/// Wanted calls, until none is left or one fails in a way that concerns all.
pub(super) struct Calls<'a> {
    world: &'a World,
    project: &'a Project,
    wanted: WantedCalls,
    /// Claimed calls that were not made yet.
    waiting: VecDeque<DueDetail>,
    claiming: Option<LocalBoxFuture<'a, Result<Vec<DueDetail>, WarehouseError>>>,
    in_flight: FuturesUnordered<Made<'a>>,
    /// The calls in flight, for the case that they are cancelled.
    asked: BTreeSet<DueDetail>,
    failures_in_a_row: usize,
    /// No more calls are claimed or made.
    is_closed: bool,
    trouble: Option<Failure>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(world: &'a World, project: &'a Project, wanted: WantedCalls) -> Self {
        Self {
            world,
            project,
            wanted,
            waiting: VecDeque::new(),
            claiming: None,
            in_flight: FuturesUnordered::new(),
            asked: BTreeSet::new(),
            failures_in_a_row: 0,
            is_closed: false,
            trouble: None,
        }
    }

    /// Starts no more calls; those in flight are still waited for.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// The first failure that was not specific to a record.
    pub(super) fn into_trouble(self) -> Option<Failure> {
        self.trouble
    }

    /// Waits until the previous answers are stored, and meanwhile gathers those to store next.
    ///
    /// After the last answers it returns the calls that were claimed but not made, and then none.
    pub(super) async fn gather<T>(&mut self, storing: impl Future<Output = T>) -> (T, Answers) {
        let memory = &self.world.answer_memory;
        let mut storing = pin!(storing);
        let mut stored = None;
        let mut answers = Answers::default();
        let mut end = Instant::now();
        let stored = loop {
            // Leaves space in the batch for the answers of the calls in flight.
            let is_enough = answers.list.len() + self.workers().min(BATCH / 2) >= BATCH;
            if !is_enough {
                self.ask();
            }
            let is_dry = self.in_flight.is_empty() && self.claiming.is_none();
            let is_late = !answers.list.is_empty() && Instant::now() >= end;
            stored = match stored {
                Some(stored) if is_enough || is_dry || is_late => break stored,
                other => other,
            };
            // Everything in progress continues during any wait, because each part may hold the
            // connection that another one needs.
            tokio::select! {
                result = &mut storing, if stored.is_none() => stored = Some(result),
                Some((due, answer)) = self.in_flight.next() => {
                    if answers.list.is_empty() {
                        end = Instant::now() + GATHERING;
                    }
                    self.take(due, answer, &mut answers);
                }
                Some(claimed) = OptionFuture::from(self.claiming.as_mut()) => self.add(claimed),
                () = sleep_until(end), if stored.is_some() && !answers.list.is_empty() => {}
                // Storing these answers frees memory.
                () = memory.shortage(), if stored.is_some() && !answers.list.is_empty() => {
                    end = Instant::now();
                }
                else => {}
            }
        };
        if answers.list.is_empty() {
            let asked = std::mem::take(&mut self.asked);
            let not_made = self.waiting.drain(..).chain(asked);
            answers.list.extend(not_made.map(|due| (due, DetailAnswer::NotAsked)));
        }
        (stored, answers)
    }

    /// Adds an answer to `answers`, or records a failure that is not specific to a record.
    fn take(
        &mut self,
        due: DueDetail,
        answer: Result<(DetailAnswer, Option<UsedMemory>), Failure>,
        answers: &mut Answers,
    ) {
        self.asked.remove(&due);
        match answer {
            Ok((answer, memory)) => {
                self.failures_in_a_row = 0;
                answers.list.push((due, answer));
                answers.memory.extend(memory);
            }
            // If as many calls in a row fail as there are workers, the cause is not a record.
            Err(failure)
                if is_of_the_record(&failure) && self.failures_in_a_row < self.workers() =>
            {
                report(self.project, &failure);
                self.failures_in_a_row += 1;
                answers.list.push((due, DetailAnswer::Failed));
            }
            Err(failure) => {
                self.waiting.push_back(due);
                self.fail(failure);
            }
        }
    }

    /// Starts calls up to the limit in flight, and claims more when none is waiting.
    fn ask(&mut self) {
        while !self.is_closed && self.in_flight.len() < self.workers() {
            let Some(due) = self.waiting.pop_front() else {
                if self.claiming.is_none() {
                    self.claim();
                }
                return;
            };
            self.asked.insert(due.clone());
            let (world, project) = (self.world, self.project);
            self.in_flight.push(Box::pin(async move {
                let answer = tokio::select! {
                    biased;
                    () = world.stop.cancelled() => Err(Failure::Interrupted),
                    answer = ask(world, project, &due.id) => answer,
                };
                (due, answer)
            }));
        }
    }

    fn claim(&mut self) {
        let world = self.world;
        let scope = &self.project.scope;
        let claiming: LocalBoxFuture<'a, _> = match &mut self.wanted {
            WantedCalls::UpTo(priority_max) => {
                let (priority_max, count) =
                    (*priority_max, i64::try_from(BATCH).unwrap_or(i64::MAX));
                Box::pin(async move {
                    world.warehouse.claim_details(scope, &world.holder, priority_max, count).await
                })
            }
            WantedCalls::These(ids) => {
                let ids: Vec<String> = ids.drain(..BATCH.min(ids.len())).collect();
                Box::pin(async move {
                    if ids.is_empty() {
                        return Ok(Vec::new());
                    }
                    world.warehouse.claim_details_of(scope, &world.holder, &ids).await
                })
            }
        };
        self.claiming = Some(claiming);
    }

    /// Whether nothing is left to claim, after a claim that returned nothing.
    fn is_used_up(&self) -> bool {
        match &self.wanted {
            WantedCalls::UpTo(_) => true,
            WantedCalls::These(ids) => ids.is_empty(),
        }
    }

    /// Cancels all calls; returns those that are claimed and not handed over.
    pub(super) async fn give_up(&mut self) -> Vec<DueDetail> {
        self.close();
        self.in_flight.clear();
        if let Some(claiming) = self.claiming.take() {
            self.waiting.extend(claiming.await.unwrap_or_default());
        }
        self.waiting.drain(..).chain(std::mem::take(&mut self.asked)).collect()
    }

    /// Adds claimed calls. A claim that returns some does not show whether more are due.
    fn add(&mut self, claimed: Result<Vec<DueDetail>, WarehouseError>) {
        self.claiming = None;
        match claimed {
            Ok(due) if due.is_empty() && self.is_used_up() => self.close(),
            Ok(due) => self.waiting.extend(due),
            Err(error) => self.fail(error.into()),
        }
    }

    /// Cancels the calls in flight.
    fn fail(&mut self, failure: Failure) {
        self.close();
        self.in_flight.clear();
        self.trouble.get_or_insert(failure);
    }

    fn workers(&self) -> usize {
        self.world.settings.detail_workers.max(1)
    }
}

/// Makes the call of one record once memory for its answer is reserved.
async fn ask(
    world: &World,
    project: &Project,
    id: &str,
) -> Result<(DetailAnswer, Option<UsedMemory>), Failure> {
    let reservation = world.answer_memory.reserve(&project.answer_sizes).await;
    let DetailResponse { read, item, vendor_project, larger } =
        project.client(Lane::Detail).detail_within(id, &reservation).await?;
    account::same_vendor_project(project, vendor_project.as_deref())?;
    let Some(item) = item else { return Ok((DetailAnswer::NotFound(read), None)) };
    let used = reservation.keep(&project.answer_sizes, item.len(), larger);
    Ok((DetailAnswer::Found(Observation::of(&project.scope, read, item)), Some(used)))
}

fn report(project: &Project, failure: &Failure) {
    if let Failure::Client(error) = failure {
        warn!(project = %project.name(), %error, advice = error.advice(), "a detail call failed");
    }
}

/// Whether a failure concerns this record only.
fn is_of_the_record(failure: &Failure) -> bool {
    match failure {
        Failure::Client(ClientError::Unavailable { .. }) => true,
        Failure::Client(error) => match error.remedy() {
            CallRemedy::FailPass | CallRemedy::SplitWindow | CallRemedy::RestartWindow => true,
            CallRemedy::Later { .. } | CallRemedy::BlockProject | CallRemedy::Stop => false,
        },
        Failure::Warehouse(_) | Failure::NotBound(_) | Failure::Interrupted => false,
    }
}
