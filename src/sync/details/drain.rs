//! Makes due detail calls: many in flight, many answers per transaction.

use std::future::ready;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::workers::{Calls, WantedCalls};
use crate::{
    client::DetailResponse,
    domain::{Lane, ReadNumber},
    metrics::CommitKind,
    normalize::mark_in,
    sync::{
        account, each_minute::EachMinute, job::Job, outcome::Failure, project::Project,
        world::World,
    },
    warehouse::{DetailAnswer, DueDetail, Observation, WarehouseError},
};

/// Most live records tried for a successful control call.
const CONTROLS: i64 = 3;

/// Makes all detail calls that are wanted and due now, or those of some batches if asked to yield.
///
/// Ends early with the first failure that is not specific to a record. Answers received until then
/// are stored, and the remaining calls are given back.
pub(in crate::sync) async fn drain(
    job: Job<'_>,
    mut wanted: WantedCalls,
    yields: &CancellationToken,
) -> Result<(), Failure> {
    let Job { world, project, .. } = job;
    let (mut progress, mut done) = (EachMinute::default(), 0);
    loop {
        if world.stop.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        let mut calls = Calls::new(world, project, wanted.take());
        let ((), mut answers) = calls.gather(ready(())).await;
        let is_done = answers.list.is_empty();
        while !answers.list.is_empty() {
            let claimed: Vec<_> = answers.list.iter().map(|(due, _)| due.clone()).collect();
            // Stored answers release their memory at once, because the calls in flight may wait for
            // it.
            let storing = async { store(job, &std::mem::take(&mut answers).list).await };
            let (stored, next) = calls.gather(storing).await;
            if let Err(failure) = stored {
                let claimed = claimed.into_iter().chain(next.list.into_iter().map(|(due, _)| due));
                let claimed = claimed.chain(calls.give_up().await).collect();
                give_back(job, claimed).await;
                return Err(failure);
            }
            done += claimed.len();
            progress.note(|| info!(done, "detail calls are being made"));
            answers = next;
            if yields.is_cancelled() {
                calls.close();
            }
        }
        if let Some(failure) = calls.into_failure() {
            return Err(failure);
        }
        if is_done || yields.is_cancelled() {
            return Ok(());
        }
    }
}

/// Gives back detail calls whose answers could not be stored.
async fn give_back(job: Job<'_>, claimed: Vec<DueDetail>) {
    let Job { world, project, run } = job;
    let not_made: Vec<_> = claimed.into_iter().map(|due| (due, DetailAnswer::NotAsked)).collect();
    if let Err(error) = world.warehouse.commit_details(&project.scope, run, &not_made, false).await
    {
        warn!(%error, "could not release detail calls; their claims expire after some minutes");
    }
}

/// Stores answers in one transaction while the next ones arrive.
async fn store(job: Job<'_>, answers: &[(DueDetail, DetailAnswer)]) -> Result<(), Failure> {
    let Job { world, project, run } = job;
    account::admit(world, project, None).await?;
    let has_control = has_control(world, project, answers).await?;
    let began = Instant::now();
    let stored = world.warehouse.commit_details(&project.scope, run, answers, has_control);
    let tally = match stored.await {
        Err(WarehouseError::ServerChanged) => return ask_again(job, answers).await,
        stored => stored?,
    };
    project.note_stored(CommitKind::Details, began.elapsed(), tally);
    let made = answers.iter().filter(|(_, answer)| !matches!(answer, DetailAnswer::NotAsked));
    let calls = made.count();
    world.progress.add_details_done(project.name(), calls);
    debug!(calls, received = tally.received, updated = tally.updated, "detail calls stored");
    Ok(())
}

/// Discards answers requested before PostgreSQL was restored or failed over. Their calls stay due.
async fn ask_again(job: Job<'_>, answers: &[(DueDetail, DetailAnswer)]) -> Result<(), Failure> {
    let Job { world, project, run } = job;
    warn!(error = %WarehouseError::ServerChanged, "retrying detail calls");
    world.adopt_server().await?;
    let not_made: Vec<_> =
        answers.iter().map(|(due, _)| (due.clone(), DetailAnswer::NotAsked)).collect();
    world.warehouse.commit_details(&project.scope, run, &not_made, false).await?;
    Ok(())
}

/// Whether a call of this batch found a live record of the bound account.
///
/// If a missed record was not found, makes an additional control call. An API that finds nothing at
/// all, or only records of another account, then deletes nothing (I7, I12).
async fn has_control(
    world: &World,
    project: &Project,
    answers: &[(DueDetail, DetailAnswer)],
) -> Result<bool, Failure> {
    let is_wanted = answers
        .iter()
        .any(|(due, answer)| due.was_missed && matches!(answer, DetailAnswer::NotFound(_)));
    if !is_wanted {
        return Ok(false);
    }
    let stream = project.stream();
    let is_live = |item: &Observation| !item.is_marked(stream);
    let found: Vec<_> = answers
        .iter()
        .filter_map(|(due, answer)| match answer {
            DetailAnswer::Found(item) if !due.is_suspect && is_live(item) => {
                Some((due.id.as_str(), item.read))
            }
            DetailAnswer::Found(_)
            | DetailAnswer::NotFound(_)
            | DetailAnswer::Failed
            | DetailAnswer::NotAsked => None,
        })
        .collect();
    if is_control(world, project, &found).await? {
        return Ok(true);
    }
    for id in world.warehouse.live_records(&project.scope, CONTROLS).await? {
        match project.client(Lane::Detail).detail(&id).await {
            Ok(DetailResponse { item: Some(item), read, .. })
                if mark_in(stream, &item).is_none() =>
            {
                if is_control(world, project, &[(&id, read)]).await? {
                    return Ok(true);
                }
            }
            Ok(_) => {}
            Err(error) => {
                warn!(%error, "a control call failed");
                return Ok(false);
            }
        }
    }
    Ok(false)
}

/// Whether any of the records found belongs to the bound account. A record that another account
/// returned proves nothing.
async fn is_control(
    world: &World,
    project: &Project,
    found: &[(&str, ReadNumber)],
) -> Result<bool, Failure> {
    Ok(world.warehouse.confirm_account(&project.scope, found).await?)
}
