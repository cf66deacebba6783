//! Detail calls in progress: claims them in batches, keeps many in flight, and hands over their
//! answers.

use std::{
    collections::{BTreeSet, VecDeque},
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::answer_memory::{AnswerMemory, UsedMemory};
use crate::{
    client::{CallRemedy, ClientError, DetailResponse},
    domain::Lane,
    sync::{account, outcome::Failure, project::Project, told::tell, world::World},
    warehouse::{DetailAnswer, DueDetail, Observation, Priority},
};

/// Detail calls claimed at a time, and most answers stored at a time.
const BATCH: usize = 100;

/// Calls that fail in a row, each as if because of its record, until they are stopped.
const FAILURES_MAX: usize = 8;

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
type Made = (DueDetail, Result<(DetailAnswer, Option<UsedMemory>), Failure>);

/// Answers that are stored together, and the memory they use until then.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) list: Vec<(DueDetail, DetailAnswer)>,
    memory: Vec<UsedMemory>,
}

impl Answers {
    fn add(&mut self, due: DueDetail, answer: DetailAnswer, memory: Option<UsedMemory>) {
        self.list.push((due, answer));
        self.memory.extend(memory);
    }
}

/// Wanted calls, until none is left or one fails in a way that concerns all.
pub(super) struct Calls<'a> {
    world: &'a World,
    project: &'a Project,
    wanted: WantedCalls,
    /// Claimed calls that were not made yet.
    waiting: VecDeque<DueDetail>,
    /// Each call is a task of its own, so that none waits for the code that takes the answers.
    in_flight: JoinSet<Made>,
    caller: Arc<DetailCaller>,
    /// The calls in flight, for the case that they are cancelled.
    asked: BTreeSet<DueDetail>,
    failures_in_a_row: usize,
    /// No more calls are claimed or made.
    is_closed: bool,
    failure: Option<Failure>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(world: &'a World, project: &'a Project, wanted: WantedCalls) -> Self {
        Self {
            world,
            project,
            wanted,
            waiting: VecDeque::new(),
            in_flight: JoinSet::new(),
            caller: Arc::new(DetailCaller::new(world, project)),
            asked: BTreeSet::new(),
            failures_in_a_row: 0,
            is_closed: false,
            failure: None,
        }
    }

    /// Starts no more calls; those in flight are still waited for.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// The first failure that was not specific to a record.
    pub(super) fn into_failure(self) -> Option<Failure> {
        self.failure
    }

    /// Waits until the previous answers are stored, and meanwhile gathers those to store next.
    ///
    /// After the last answers it returns the calls that were claimed but not made, and then none.
    pub(super) async fn gather<T>(&mut self, storing: impl Future<Output = T>) -> (T, Answers) {
        let is_stored = CancellationToken::new();
        let storing = async {
            let stored = storing.await;
            is_stored.cancel();
            stored
        };
        let (stored, mut answers) = tokio::join!(storing, self.next_batch(&is_stored));
        if answers.list.is_empty() {
            let asked = std::mem::take(&mut self.asked);
            let not_made = self.waiting.drain(..).chain(asked);
            answers.list.extend(not_made.map(|due| (due, DetailAnswer::NotAsked)));
        }
        (stored, answers)
    }

    /// Gathers answers until the previous ones are stored and a batch is full, no more can come, or
    /// the first one has waited long enough.
    async fn next_batch(&mut self, is_stored: &CancellationToken) -> Answers {
        let mut answers = Answers::default();
        let mut end = Instant::now();
        loop {
            // Leaves space in the batch for the answers of the calls in flight.
            let is_full = answers.list.len() + self.workers().min(BATCH / 2) >= BATCH;
            let is_late = !answers.list.is_empty() && Instant::now() >= end;
            if is_stored.is_cancelled() && (is_full || is_late) {
                return answers;
            }
            if !is_full {
                self.start_calls(&mut answers).await;
            }
            if is_stored.is_cancelled() && self.in_flight.is_empty() {
                return answers;
            }
            let has_answers = !answers.list.is_empty();
            tokio::select! {
                () = is_stored.cancelled(), if !is_stored.is_cancelled() => {}
                Some(made) = self.in_flight.join_next() => {
                    if !has_answers {
                        end = Instant::now() + GATHERING;
                    }
                    self.take(made, &mut answers).await;
                }
                () = sleep_until(end), if is_stored.is_cancelled() && has_answers => {}
                // Storing these answers frees memory.
                () = self.caller.memory.shortage(), if is_stored.is_cancelled() && has_answers => {
                    end = Instant::now();
                }
                else => {}
            }
        }
    }

    /// Adds an answer to `answers`, or records a failure that is not specific to a record.
    async fn take(&mut self, made: Result<Made, JoinError>, answers: &mut Answers) {
        let Some((due, answer)) = result_of(made) else { return };
        self.asked.remove(&due);
        match answer {
            Ok((answer, memory)) => {
                self.failures_in_a_row = 0;
                answers.add(due, answer, memory);
            }
            // If this number of calls fail in a row, the cause is not a record.
            Err(failure) if is_of_the_record(&failure) && self.failures_in_a_row < FAILURES_MAX => {
                report(self.project, &failure);
                self.failures_in_a_row += 1;
                answers.list.push((due, DetailAnswer::Failed));
            }
            Err(failure) => {
                self.waiting.push_back(due);
                self.fail(failure, answers).await;
            }
        }
    }

    /// Starts calls up to the limit in flight, and claims more when none is waiting.
    async fn start_calls(&mut self, answers: &mut Answers) {
        while !self.is_closed && self.in_flight.len() < self.workers() {
            let Some(due) = self.waiting.pop_front() else {
                self.claim(answers).await;
                continue;
            };
            self.asked.insert(due.clone());
            let caller = Arc::clone(&self.caller);
            self.in_flight.spawn(async move {
                let answer = caller.call(&due.id).await;
                (due, answer)
            });
        }
    }

    /// Claims the next calls. A claim that returns some does not show whether more are due.
    async fn claim(&mut self, answers: &mut Answers) {
        let (world, scope) = (self.world, &self.project.scope);
        let claimed = match &mut self.wanted {
            WantedCalls::UpTo(priority_max) => {
                let count = i64::try_from(BATCH).unwrap_or(i64::MAX);
                world.warehouse.claim_details(scope, &world.holder, *priority_max, count).await
            }
            WantedCalls::These(ids) if ids.is_empty() => Ok(Vec::new()),
            WantedCalls::These(ids) => {
                let ids: Vec<String> = ids.drain(..BATCH.min(ids.len())).collect();
                world.warehouse.claim_details_of(scope, &world.holder, &ids).await
            }
        };
        match claimed {
            Ok(due) if due.is_empty() && self.is_used_up() => self.close(),
            Ok(due) => self.waiting.extend(due),
            Err(error) => self.fail(error.into(), answers).await,
        }
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
        self.in_flight.shutdown().await;
        self.waiting.drain(..).chain(std::mem::take(&mut self.asked)).collect()
    }

    /// Cancels the calls in flight. Adds the answers that have arrived to `answers`.
    async fn fail(&mut self, failure: Failure, answers: &mut Answers) {
        self.close();
        self.failure.get_or_insert(failure);
        self.in_flight.abort_all();
        while let Some(made) = self.in_flight.join_next().await {
            if let Some((due, Ok((answer, memory)))) = result_of(made) {
                self.asked.remove(&due);
                answers.add(due, answer, memory);
            }
        }
    }

    fn workers(&self) -> usize {
        self.project.pace.in_flight()
    }
}

/// Returns the result of a task; `None` if it was cancelled. A panic is propagated.
fn result_of(made: Result<Made, JoinError>) -> Option<Made> {
    match made.map_err(JoinError::try_into_panic) {
        Ok(made) => Some(made),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_cancelled)) => None,
    }
}

/// What the task of a call needs.
struct DetailCaller {
    project: Project,
    memory: AnswerMemory,
    stop: CancellationToken,
}

impl DetailCaller {
    fn new(world: &World, project: &Project) -> Self {
        Self {
            project: project.clone(),
            memory: world.answer_memory.clone(),
            stop: world.stop.clone(),
        }
    }

    /// Makes the call of one record, unless the program has to end first.
    async fn call(&self, id: &str) -> Result<(DetailAnswer, Option<UsedMemory>), Failure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Failure::Interrupted),
            answer = self.ask(id) => answer,
        }
    }

    /// Makes the call once memory for its answer is reserved.
    async fn ask(&self, id: &str) -> Result<(DetailAnswer, Option<UsedMemory>), Failure> {
        let project = &self.project;
        let reservation = self.memory.reserve(&project.answer_sizes).await;
        let DetailResponse { read, item, vendor_project, larger } =
            project.client(Lane::Detail).detail_within(id, &reservation).await?;
        account::same_vendor_project(project, vendor_project.as_deref())?;
        let Some(item) = item else { return Ok((DetailAnswer::NotFound(read), None)) };
        let used = reservation.keep(&project.answer_sizes, item.len(), larger);
        Ok((DetailAnswer::Found(Observation::of(&project.scope, read, item)), Some(used)))
    }
}

fn report(project: &Project, failure: &Failure) {
    if let Failure::Client(error) = failure {
        tell!(
            warn, project, "detail call", error;
            %error, advice = error.advice(), "a detail call failed"
        );
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
