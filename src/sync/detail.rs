//! Single calls that are due: many in flight, many answers a transaction.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use tracing::{debug, warn};

use super::{Project, World, outcome::Failure, writing::insist};
use crate::{
    client::{Answer, ClientError, Remedy},
    domain::Lane,
    warehouse::{DetailAnswer, DueDetail, Observation, Rank, RunId},
};

/// Single calls claimed, and stored, at a time.
const BATCH: i64 = 100;

/// Live records that are tried, at most, for a control call that succeeds.
const CONTROLS: i64 = 3;

/// Makes all single calls up to that rank that are due now, or those of some batches when it is asked to yield.
///
/// Ends early with the first failure that is not the record's own; what was answered until then is stored.
pub(super) async fn drain(
    world: &World,
    project: &Project,
    run: RunId,
    rank_max: Rank,
    yields: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    loop {
        if world.stop.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        let claim = async || {
            world.warehouse.claim_details(&project.scope, &world.holder, rank_max, BATCH).await
        };
        let due = insist(world, claim).await?;
        if due.is_empty() {
            return Ok(());
        }
        let (answers, trouble) = ask(world, project, due).await;
        let has_control = has_control(world, project, &answers).await?;
        let count = answers.len();
        let tally = insist(world, async || {
            world.warehouse.commit_details(&project.scope, run, &answers, has_control).await
        })
        .await?;
        world.progress.add_details_done(count);
        debug!(
            project = %project.name(), calls = count, received = tally.received,
            updated = tally.updated, "single calls stored"
        );
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        if yields() {
            return Ok(());
        }
    }
}

/// Asks for each record; the first failure that concerns all of them keeps the rest from being asked.
async fn ask(
    world: &World,
    project: &Project,
    due: Vec<DueDetail>,
) -> (Vec<(DueDetail, DetailAnswer)>, Option<Failure>) {
    let mut trouble = None;
    let workers = world.settings.detail_workers.max(1);
    let mut failures_in_a_row = 0;
    let mut answers: HashMap<usize, DetailAnswer> = HashMap::with_capacity(due.len());
    {
        let calls = due.iter().enumerate().map(|(position, due)| async move {
            let answer = tokio::select! {
                biased;
                () = world.stop.cancelled() => Err(Failure::Interrupted),
                answer = project.client(Lane::Detail).detail(&due.id) => answer.map_err(Failure::Client),
            };
            (position, answer)
        });
        let mut waiting = stream::iter(calls).buffer_unordered(workers);
        while let Some((position, answer)) = waiting.next().await {
            match answer {
                Ok(answer) => {
                    failures_in_a_row = 0;
                    answers.insert(position, answer_of(project, answer));
                }
                // When a call of every worker fails, no record is at fault.
                Err(failure) if is_of_the_record(&failure) && failures_in_a_row < workers => {
                    report(project, &failure);
                    answers.insert(position, DetailAnswer::Failed);
                    failures_in_a_row += 1;
                }
                Err(failure) => {
                    trouble = Some(failure);
                    break;
                }
            }
        }
    }
    let answered = due
        .into_iter()
        .enumerate()
        .map(|(position, due)| (due, answers.remove(&position).unwrap_or(DetailAnswer::NotAsked)));
    (answered.collect(), trouble)
}

/// Whether a call of this batch found a record that is known to live; one is made for it where a suspect was not found, so
/// that an API that finds nothing at all deletes nothing (I7).
async fn has_control(
    world: &World,
    project: &Project,
    answers: &[(DueDetail, DetailAnswer)],
) -> Result<bool, Failure> {
    let is_wanted = answers
        .iter()
        .any(|(due, answer)| due.is_suspect && matches!(answer, DetailAnswer::NotFound(_)));
    let is_there = |(due, answer): &(DueDetail, DetailAnswer)| {
        !due.is_suspect && matches!(answer, DetailAnswer::Found(_))
    };
    if !is_wanted || answers.iter().any(is_there) {
        return Ok(is_wanted);
    }
    let asking = async || world.warehouse.live_records(&project.scope, CONTROLS).await;
    for id in insist(world, asking).await? {
        match project.client(Lane::Detail).detail(&id).await {
            Ok(answer) if answer.item.is_some() => return Ok(true),
            Ok(_) => {}
            Err(error) => {
                warn!(project = %project.name(), %error, "a control call failed");
                return Ok(false);
            }
        }
    }
    Ok(false)
}

fn answer_of(project: &Project, answer: Answer) -> DetailAnswer {
    match answer.item {
        None => DetailAnswer::NotFound(answer.read),
        Some(item) => DetailAnswer::Found(Observation::of(&project.scope, answer.read, item)),
    }
}

fn report(project: &Project, failure: &Failure) {
    if let Failure::Client(error) = failure {
        warn!(project = %project.name(), %error, advice = error.advice(), "a single call failed");
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
        Failure::Warehouse(_) | Failure::Interrupted => false,
    }
}
