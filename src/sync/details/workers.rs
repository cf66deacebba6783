//! Detail calls under way: claimed some at a time, many in flight, handed over as they are
//! answered.

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
    client::{ClientError, DetailResponse, Remedy},
    domain::Lane,
    sync::{account, outcome::Failure, project::Project, world::World},
    warehouse::{DetailAnswer, DueDetail, Observation, Priority, WarehouseError},
};

/// Detail calls claimed at a time, and stored at a time at most.
const BATCH: usize = 100;

/// After the first answer others are waited for no longer than this before they are stored.
const GATHERING: Duration = Duration::from_millis(200);

/// Which detail calls are made.
#[derive(Debug)]
pub(in crate::sync) enum Wanted {
    /// All that are due up to some rank, the most urgent first.
    UpTo(Priority),
    /// Those of these records, as far as nobody else makes them.
    These(VecDeque<String>),
}

impl Wanted {
    /// The same calls, as far as none was taken from here before.
    pub(super) fn take(&mut self) -> Self {
        match self {
            Self::UpTo(priority) => Self::UpTo(*priority),
            Self::These(ids) => Self::These(std::mem::take(ids)),
        }
    }
}

/// A call that is made, with what came of it.
type Made<'a> = BoxFuture<'a, (DueDetail, Result<(DetailAnswer, Option<UsedMemory>), Failure>)>;

/// Answers that are stored together, and the memory they occupy until then.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) list: Vec<(DueDetail, DetailAnswer)>,
    memory: Vec<UsedMemory>,
}

/// Calls that are wanted, until none is left or one fails in a way that concerns all.
pub(super) struct Calls<'a> {
    world: &'a World,
    project: &'a Project,
    wanted: Wanted,
    /// Claimed, and not made yet.
    waiting: VecDeque<DueDetail>,
    claiming: Option<LocalBoxFuture<'a, Result<Vec<DueDetail>, WarehouseError>>>,
    in_flight: FuturesUnordered<Made<'a>>,
    /// Whom the calls in flight are about, for when they are given up.
    asked: BTreeSet<DueDetail>,
    failures_in_a_row: usize,
    /// No more calls are claimed or made.
    is_closed: bool,
    trouble: Option<Failure>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(world: &'a World, project: &'a Project, wanted: Wanted) -> Self {
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

    /// Makes no more calls; those in flight are still waited for.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// The first failure that was not a record's own.
    pub(super) fn into_trouble(self) -> Option<Failure> {
        self.trouble
    }

    /// Waits until the answers before are stored, and gathers those to store next meanwhile.
    ///
    /// Behind the last answers come the calls that were claimed and not made after all; then there
    /// are none.
    pub(super) async fn gather<T>(&mut self, storing: impl Future<Output = T>) -> (T, Answers) {
        let memory = &self.world.answer_memory;
        let mut storing = pin!(storing);
        let mut stored = None;
        let mut answers = Answers::default();
        let mut end = Instant::now();
        let stored = loop {
            // The calls in flight are answered too before these are stored.
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
            // All that is under way goes on whatever is waited for: each may hold the connection
            // that another one needs.
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
                // Storing these gives memory back.
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

    /// Adds an answer to `answers`, or notes a failure that is not the record's own.
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
            // When a call of every worker fails, no record is at fault.
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

    /// Makes calls up to as many as may be in flight, and claims more when they run out.
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
            Wanted::UpTo(priority_max) => {
                let (priority_max, count) =
                    (*priority_max, i64::try_from(BATCH).unwrap_or(i64::MAX));
                Box::pin(async move {
                    let claim = async || {
                        world
                            .warehouse
                            .claim_details(scope, &world.holder, priority_max, count)
                            .await
                    };
                    world.db.run(claim).await
                })
            }
            Wanted::These(ids) => {
                let ids: Vec<String> = ids.drain(..BATCH.min(ids.len())).collect();
                Box::pin(async move {
                    if ids.is_empty() {
                        return Ok(Vec::new());
                    }
                    let claim =
                        async || world.warehouse.claim_details_of(scope, &world.holder, &ids).await;
                    world.db.run(claim).await
                })
            }
        };
        self.claiming = Some(claiming);
    }

    /// Whether nothing is left to be claimed, going by a claim that brought nothing.
    fn is_used_up(&self) -> bool {
        match &self.wanted {
            Wanted::UpTo(_) => true,
            Wanted::These(ids) => ids.is_empty(),
        }
    }

    /// Gives up all calls; returns those that are claimed and not handed over.
    pub(super) async fn give_up(&mut self) -> Vec<DueDetail> {
        self.close();
        self.in_flight.clear();
        if let Some(claiming) = self.claiming.take() {
            self.waiting.extend(claiming.await.unwrap_or_default());
        }
        self.waiting.drain(..).chain(std::mem::take(&mut self.asked)).collect()
    }

    /// Takes what was claimed; nothing says that no more are due.
    fn add(&mut self, claimed: Result<Vec<DueDetail>, WarehouseError>) {
        self.claiming = None;
        match claimed {
            Ok(due) if due.is_empty() && self.is_used_up() => self.close(),
            Ok(due) => self.waiting.extend(due),
            Err(error) => self.fail(error.into()),
        }
    }

    /// Gives up the calls in flight.
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

/// Whether a failure says something about this record alone.
fn is_of_the_record(failure: &Failure) -> bool {
    match failure {
        Failure::Client(ClientError::Unavailable { .. }) => true,
        Failure::Client(error) => match error.remedy() {
            Remedy::FailPass | Remedy::SplitWindow | Remedy::RestartWindow => true,
            Remedy::Later { .. } | Remedy::BlockProject | Remedy::Stop => false,
        },
        Failure::Warehouse(_) | Failure::NotBound(_) | Failure::Interrupted => false,
    }
}
