//! One window from claim to proof, including the handling of failures.

use tracing::{info, warn};

use super::pass;
use crate::{
    client::{CallRemedy, ClientError},
    domain::{Lane, Window},
    planner::{FailureKind, Recovery, Task, recovery},
    sync::{
        job::Job,
        outcome::{Conclusion, Failure, ProjectOutcome},
        patience::Patience,
        project::Project,
        wait::{Woken, wait_for},
        world::World,
    },
    warehouse::{self, Awaited, Claim, GivenUp, Pass, Proof, WarehouseError},
};

/// How a window ended.
#[derive(Debug)]
pub(super) enum WindowEnd {
    /// It was read to its end.
    Read(Proof),
    /// Another process is reading it.
    Elsewhere,
    /// Another process has read it to its end since this run began.
    ReadElsewhere,
    /// It was cut in two; read these instead.
    Halved(Window, Window),
    /// It was left for later: what went wrong, and what to do.
    Left(Conclusion),
}

/// Reads a window under a claim of its own.
pub(super) async fn read(
    job: Job<'_>,
    task: Task,
    backfill_id: Option<i64>,
    patience: &Patience,
) -> Result<WindowEnd, Failure> {
    let Job { world, project, .. } = job;
    let reading = task.reading;
    let claim = loop {
        let stream = project.stream();
        match world.warehouse.claim(project.name(), stream, reading, &world.holder).await? {
            Some(claim) => break claim,
            None if world.stop.is_cancelled() => return Err(Failure::Interrupted),
            None if world.is_daemon => {
                info!(
                    project = %project.name(), window = %reading,
                    "another process is reading these days"
                );
                return Ok(WindowEnd::Elsewhere);
            }
            None => {}
        }
        let awaited = Awaited::Claims(project.name().clone(), project.stream(), reading);
        match wait_for(world, project.name(), &awaited, None).await? {
            Woken::Ready => {}
            Woken::Stopped => return Err(Failure::Interrupted),
            Woken::InVain => {
                let why =
                    format!("{reading}: another process claims these days and makes no progress");
                return Ok(WindowEnd::Left(Conclusion::because(ProjectOutcome::Partial, why)));
            }
        }
    };
    let end = read_claimed(job, task.lane, backfill_id, &claim, patience).await;
    // A claim that cannot be released expires.
    if let Err(error) = world.warehouse.release(&claim).await {
        warn!(%error, project = %project.name(), window = %reading,
            "could not release the claim; it expires by itself");
    }
    end
}

async fn read_claimed(
    job: Job<'_>,
    lane: Lane,
    backfill_id: Option<i64>,
    claim: &Claim,
    patience: &Patience,
) -> Result<WindowEnd, Failure> {
    let Job { world, project, run } = job;
    // Another process may have received the same request and been faster.
    if world.warehouse.was_read_during(claim, run).await? {
        info!(project = %project.name(), window = %claim.reading,
            "another process has read these days in the meantime");
        return Ok(WindowEnd::ReadElsewhere);
    }
    let mut pass = world.warehouse.open_pass(claim, lane, backfill_id).await?;
    loop {
        let stood_at = pass.checkpoint.clone();
        let walked = pass::walk(job, claim, &mut pass).await;
        if walked.is_ok() || pass.checkpoint != stood_at {
            patience.renew();
        }
        let error = match walked {
            Ok(proof) => return Ok(WindowEnd::Read(proof)),
            Err(Failure::Client(error)) => error,
            Err(Failure::Warehouse(
                error @ (WarehouseError::FenceLost | WarehouseError::CheckpointMoved { .. }),
            )) => {
                return Ok(left(claim, &error, error.advice()));
            }
            Err(Failure::Warehouse(error))
                if error.remedy() == warehouse::WarehouseRemedy::ReadAgain =>
            {
                info!(project = %project.name(), window = %claim.reading, "{error}");
                world.adopt_server().await?;
                continue;
            }
            Err(other) => return Err(other),
        };
        let trouble = match error.remedy() {
            CallRemedy::Later { not_before } => FailureKind::Passing { not_before },
            CallRemedy::RestartWindow => FailureKind::Cursor,
            CallRemedy::SplitWindow => FailureKind::TooLarge,
            CallRemedy::FailPass => FailureKind::Permanent,
            CallRemedy::BlockProject => return Err(Failure::Client(error)),
            CallRemedy::Stop => return Err(Failure::Interrupted),
        };
        // A closed limiter says nothing about the window: its checkpoint and size stay.
        if let (ClientError::Limiter(_), FailureKind::Passing { not_before }) = (&error, trouble) {
            warn!(project = %project.name(), window = %claim.reading, %error, "window postponed");
            if patience.wait_for_limiter(world, not_before).await {
                continue;
            }
            return out_of_patience(world, claim, &error);
        }
        note(world, project, claim, &mut pass, &error).await?;
        let step = recovery(
            claim.reading,
            trouble,
            pass.checkpoint.is_some(),
            pass.failures,
            pass.restarts,
        );
        match step {
            Recovery::Wait { not_before } => {
                if !patience.wait(world, pass.failures, not_before).await {
                    return out_of_patience(world, claim, &error);
                }
            }
            Recovery::Restart => restart(world, claim, &mut pass).await?,
            Recovery::RestartLater => {
                restart(world, claim, &mut pass).await?;
                return Ok(left(claim, &error, error.advice()));
            }
            Recovery::Halve(first, second) => {
                give_up(world, claim, &pass, GivenUp::Split).await?;
                return Ok(WindowEnd::Halved(first, second));
            }
            Recovery::Block => {
                give_up(world, claim, &pass, GivenUp::Blocked).await?;
                return Ok(left(claim, &error, error.advice()));
            }
            Recovery::GiveUp => return Ok(left(claim, &error, error.advice())),
        }
    }
}

async fn note(
    world: &World,
    project: &Project,
    claim: &Claim,
    pass: &mut Pass,
    error: &ClientError,
) -> Result<(), WarehouseError> {
    warn!(
        project = %project.name(), window = %claim.reading, %error, advice = error.advice(),
        "window failed"
    );
    let text = error.to_string();
    world.warehouse.note_failure(claim, pass, &text).await
}

async fn restart(world: &World, claim: &Claim, pass: &mut Pass) -> Result<(), WarehouseError> {
    world.warehouse.restart_pass(claim, pass).await
}

async fn give_up(
    world: &World,
    claim: &Claim,
    pass: &Pass,
    why: GivenUp,
) -> Result<(), WarehouseError> {
    world.warehouse.give_up_pass(claim, pass, why).await
}

/// The end of a window after patience has ended or the program has to end.
fn out_of_patience(
    world: &World,
    claim: &Claim,
    error: &ClientError,
) -> Result<WindowEnd, Failure> {
    if world.stop.is_cancelled() {
        return Err(Failure::Interrupted);
    }
    Ok(left(claim, error, error.advice()))
}

fn left(claim: &Claim, error: &dyn std::error::Error, advice: &str) -> WindowEnd {
    let why = format!("{}: {error}; {advice}", claim.reading);
    WindowEnd::Left(Conclusion::because(ProjectOutcome::Partial, why))
}
