//! Single calls that are due: many in flight, many answers a transaction.

use std::future::ready;

use tracing::{debug, warn};

use super::{Project, World, calls::Calls, outcome::Failure, writing::insist};
use crate::{
    client::Answer,
    domain::Lane,
    normalize::mark_in,
    warehouse::{DetailAnswer, DueDetail, Rank, RunId},
};

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
        let mut calls = Calls::new(world, project, rank_max);
        let ((), mut answers) = calls.gather(ready(())).await;
        let is_done = answers.is_empty();
        while !answers.is_empty() {
            let (stored, next) = calls.gather(store(world, project, run, &answers)).await;
            stored?;
            answers = next;
            if yields() {
                calls.close();
            }
        }
        if let Some(trouble) = calls.into_trouble() {
            return Err(trouble);
        }
        if is_done || yields() {
            return Ok(());
        }
    }
}

/// Stores answers in one transaction; the next ones come in meanwhile.
async fn store(
    world: &World,
    project: &Project,
    run: RunId,
    answers: &[(DueDetail, DetailAnswer)],
) -> Result<(), Failure> {
    let has_control = has_control(world, project, answers).await?;
    let tally = insist(world, async || {
        world.warehouse.commit_details(&project.scope, run, answers, has_control).await
    })
    .await?;
    let made = answers.iter().filter(|(_, answer)| !matches!(answer, DetailAnswer::NotAsked));
    let calls = made.count();
    world.progress.add_details_done(calls);
    debug!(
        project = %project.name(), calls, received = tally.received,
        updated = tally.updated, "single calls stored"
    );
    Ok(())
}

/// Whether a call of this batch found a record that is known to live; one is made for it where a missed record was not found,
/// so that an API that finds nothing at all deletes nothing (I7).
async fn has_control(
    world: &World,
    project: &Project,
    answers: &[(DueDetail, DetailAnswer)],
) -> Result<bool, Failure> {
    let is_wanted = answers
        .iter()
        .any(|(due, answer)| due.was_missed && matches!(answer, DetailAnswer::NotFound(_)));
    let stream = project.stream();
    let is_there = |(due, answer): &(DueDetail, DetailAnswer)| match answer {
        DetailAnswer::Found(item) => !due.is_suspect && item.is_marked(stream).is_ok_and(|is| !is),
        DetailAnswer::NotFound(_) | DetailAnswer::Failed | DetailAnswer::NotAsked => false,
    };
    if !is_wanted || answers.iter().any(is_there) {
        return Ok(is_wanted);
    }
    let asking = async || world.warehouse.live_records(&project.scope, CONTROLS).await;
    for id in insist(world, asking).await? {
        match project.client(Lane::Detail).detail(&id).await {
            Ok(Answer { item: Some(item), .. }) if mark_in(stream, &item).is_none() => {
                return Ok(true);
            }
            Ok(_) => {}
            Err(error) => {
                warn!(project = %project.name(), %error, "a control call failed");
                return Ok(false);
            }
        }
    }
    Ok(false)
}
