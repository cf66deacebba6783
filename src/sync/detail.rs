//! Single calls that are due: many in flight, many answers a transaction.

use std::future::ready;

use tracing::{debug, warn};

use super::{
    Project, World,
    calls::{Calls, Wanted},
    outcome::Failure,
    writing::insist,
};
use crate::{
    domain::Lane,
    warehouse::{DetailAnswer, DueDetail, RunId},
};

/// Live records that are tried, at most, for a control call that succeeds.
const CONTROLS: i64 = 3;

/// Makes all single calls that are wanted and due now, or those of some batches when it is asked to yield.
///
/// Ends early with the first failure that is not the record's own; what was answered until then is stored, and what was not
/// made is given back.
pub(super) async fn drain(
    world: &World,
    project: &Project,
    run: RunId,
    mut wanted: Wanted,
    yields: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    loop {
        if world.stop.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        let mut calls = Calls::new(world, project, wanted.take());
        let ((), mut answers) = calls.gather(ready(())).await;
        let is_done = answers.is_empty();
        while !answers.is_empty() {
            let (stored, next) = calls.gather(store(world, project, run, &answers)).await;
            if let Err(failure) = stored {
                let claimed = answers.into_iter().chain(next).map(|(due, _)| due);
                let claimed = claimed.chain(calls.give_up().await).collect();
                give_back(world, project, run, claimed).await;
                return Err(failure);
            }
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

/// Gives back single calls whose answers could not be stored.
async fn give_back(world: &World, project: &Project, run: RunId, claimed: Vec<DueDetail>) {
    let not_made: Vec<_> = claimed.into_iter().map(|due| (due, DetailAnswer::NotAsked)).collect();
    let giving =
        async || world.warehouse.commit_details(&project.scope, run, &not_made, false).await;
    if let Err(error) = insist(world, giving).await {
        warn!(project = %project.name(), %error, "single calls were not given back and are claimed for some minutes");
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
