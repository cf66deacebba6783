//! One window from claim to proof, including the handling of failures.

use std::{ops::ControlFlow, time::Duration};

use tokio::time::Instant;
use tracing::{Instrument as _, debug, error_span, info, warn};

use super::pass;
use crate::{
    client::{CallRemedy, ClientError},
    domain::{Lane, Window},
    planner::{FailureKind, Recovery, recovery},
    sync::{
        each_minute::seconds,
        job::Job,
        outcome::{Conclusion, Failure, ProjectOutcome},
        patience::Patience,
        told::tell,
    },
    warehouse::{
        Backfill, Claim, GivenUp, Pass, Proof, ReadRequest, Tally, WarehouseError, WarehouseRemedy,
    },
};

/// How a window ended.
#[derive(Debug)]
pub(super) enum WindowEnd {
    /// It was read to its end.
    Read(Proof),
    /// It was read to its end since it was requested, under another claim.
    ReadElsewhere,
    /// It was cut in two; read these instead.
    Halved(Window, Window),
    /// Another process has taken over its claim.
    Lost(Conclusion),
    /// It was left for later: what went wrong, and what to do.
    Left(Conclusion),
}

impl WindowEnd {
    /// Whether its days are covered.
    fn is_covered(&self) -> bool {
        match self {
            Self::Read(Proof::Complete | Proof::CompleteEmpty) | Self::ReadElsewhere => true,
            Self::Read(Proof::EmptyUnverified(_))
            | Self::Halved(..)
            | Self::Lost(_)
            | Self::Left(_) => false,
        }
    }
}

/// Reads a claimed window and releases the claim. Removes the window from its backfill once it is
/// covered.
pub(super) async fn read(
    job: Job<'_>,
    lane: Lane,
    backfill: Option<&Backfill>,
    claim: &Claim,
    patience: &Patience,
) -> Result<WindowEnd, Failure> {
    let end = read_claimed(job, lane, backfill, claim, patience).await;
    let is_covered = end.as_ref().is_ok_and(WindowEnd::is_covered);
    release(job, claim, backfill.filter(|_| is_covered)).await;
    end
}

/// Releases a claim. Removes its window from the backfill that it was read for.
pub(super) async fn release(job: Job<'_>, claim: &Claim, read_for: Option<&Backfill>) {
    let Job { world, .. } = job;
    let released = match read_for {
        Some(backfill) => world.warehouse.finish_window(backfill, claim).await,
        None => world.warehouse.release(claim).await,
    };
    // A claim that cannot be released expires.
    if let Err(error) = released {
        warn!(%error, window = %claim.reading,
            "could not release the claim; it expires by itself");
    }
}

async fn read_claimed(
    job: Job<'_>,
    lane: Lane,
    backfill: Option<&Backfill>,
    claim: &Claim,
    patience: &Patience,
) -> Result<WindowEnd, Failure> {
    let Job { world, run, .. } = job;
    let request = backfill.map_or(ReadRequest::Run(run), ReadRequest::Backfill);
    // Another process may have received the same request and been faster.
    if world.warehouse.was_read_since(claim, request).await? {
        info!(window = %claim.reading,
            "another process has read these days in the meantime");
        return Ok(WindowEnd::ReadElsewhere);
    }
    let backfill_id = backfill.map(|backfill| backfill.backfill_id);
    let pass = world.warehouse.open_pass(claim, lane, backfill_id).await?;
    // At this level, so that warnings have the span whatever the log filter is.
    let span = error_span!("pass", id = pass.pass_id, %lane, window = %claim.reading);
    let mut reading = WindowRead { job, claim, pass, patience, tally: Tally::default() };
    let reading = async {
        loop {
            let setback = match reading.attempt().await {
                Ok(proof) => return Ok(WindowEnd::Read(proof)),
                Err(failure) => Setback::from(failure),
            };
            if let ControlFlow::Break(end) = reading.recover(setback).await? {
                return Ok(end);
            }
        }
    };
    reading.instrument(span).await
}

/// Why an attempt did not reach the end of its window.
enum Setback {
    /// The API failed while it read this window.
    Window(ClientError, FailureKind),
    /// The limiter is closed, for every window. Contains the time until it opens.
    LimiterClosed(ClientError, Option<Duration>),
    /// Another process has taken over the window.
    ClaimLost(WarehouseError),
    /// PostgreSQL was restored or failed over, so the received pages are void.
    ServerChanged(WarehouseError),
    /// It concerns the whole project.
    Project(Failure),
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Client(error) => error,
            Failure::Warehouse(
                error @ (WarehouseError::FenceLost | WarehouseError::CheckpointMoved { .. }),
            ) => return Self::ClaimLost(error),
            Failure::Warehouse(error) if error.remedy() == WarehouseRemedy::ReadAgain => {
                return Self::ServerChanged(error);
            }
            other @ (Failure::Warehouse(_) | Failure::NotBound(_) | Failure::Interrupted) => {
                return Self::Project(other);
            }
        };
        match error.remedy() {
            CallRemedy::Later { not_before } if matches!(error, ClientError::Limiter(_)) => {
                Self::LimiterClosed(error, not_before)
            }
            CallRemedy::Later { not_before } => {
                Self::Window(error, FailureKind::Passing { not_before })
            }
            CallRemedy::RestartWindow => Self::Window(error, FailureKind::Cursor),
            CallRemedy::SplitWindow => Self::Window(error, FailureKind::TooLarge),
            CallRemedy::FailPass => Self::Window(error, FailureKind::Permanent),
            CallRemedy::BlockProject => Self::Project(Failure::Client(error)),
            CallRemedy::Stop => Self::Project(Failure::Interrupted),
        }
    }
}

/// A claimed window that is being read.
struct WindowRead<'a> {
    job: Job<'a>,
    claim: &'a Claim,
    pass: Pass,
    patience: &'a Patience,
    /// The items that were stored, by outcome.
    tally: Tally,
}

impl WindowRead<'_> {
    /// Reads from the checkpoint to the end of the window.
    async fn attempt(&mut self) -> Result<Proof, Failure> {
        let checkpoint = self.pass.checkpoint.clone();
        let began = Instant::now();
        let read = pass::read(self.job, self.claim, &mut self.pass, &mut self.tally).await;
        if let Ok(Proof::Complete | Proof::CompleteEmpty) = &read {
            self.log_end(began.elapsed());
        }
        if read.is_ok() || self.pass.checkpoint != checkpoint {
            self.patience.renew();
        }
        read
    }

    /// Logs a window that was read completely, at `debug` if it did not change anything.
    fn log_end(&self, took: Duration) {
        let Tally { received, inserted, updated, quarantined, .. } = self.tally;
        let seconds = seconds(took);
        if self.pass.lane == Lane::Backfill || inserted + updated + quarantined > 0 {
            info!(received, inserted, updated, quarantined, seconds, "window read");
        } else {
            debug!(received, seconds, "window read; nothing has changed");
        }
    }

    /// Prepares the next attempt, or ends the window.
    async fn recover(&mut self, setback: Setback) -> Result<ControlFlow<WindowEnd>, Failure> {
        let Job { world, project, .. } = self.job;
        match setback {
            Setback::Window(error, kind) => self.recover_window(&error, kind).await,
            // The checkpoint and size of the window stay.
            Setback::LimiterClosed(error, not_before) => {
                tell!(warn, project, "postponed", error; %error, "window postponed");
                let may_continue = self.patience.wait_for_limiter(world, not_before).await;
                self.continue_if(may_continue, &error)
            }
            Setback::ClaimLost(error) => {
                let lost = self.postponed(ProjectOutcome::InProgress, &error, error.advice());
                Ok(ControlFlow::Break(WindowEnd::Lost(lost)))
            }
            Setback::ServerChanged(error) => {
                info!("{error}");
                world.adopt_server().await?;
                Ok(ControlFlow::Continue(()))
            }
            Setback::Project(failure) => Err(failure),
        }
    }

    /// Records a failure of the API and takes the step that the planner decides.
    async fn recover_window(
        &mut self,
        error: &ClientError,
        kind: FailureKind,
    ) -> Result<ControlFlow<WindowEnd>, Failure> {
        let Self { job: Job { world, project, .. }, claim, pass, patience, .. } = self;
        let topic = claim.reading.to_string();
        tell!(warn, project, &topic, error; %error, advice = error.advice(), "window failed");
        let warehouse = &world.warehouse;
        warehouse.note_failure(claim, pass, &error.to_string()).await?;
        let has_checkpoint = pass.checkpoint.is_some();
        match recovery(claim.reading, kind, has_checkpoint, pass.failures, pass.restarts) {
            Recovery::Wait { not_before } => {
                let may_continue = patience.wait(world, pass.failures, not_before).await;
                self.continue_if(may_continue, error)
            }
            Recovery::Restart => {
                warehouse.restart_pass(claim, pass).await?;
                Ok(ControlFlow::Continue(()))
            }
            Recovery::RestartLater => {
                warehouse.restart_pass(claim, pass).await?;
                Ok(self.left(error))
            }
            Recovery::Halve(first, second) => {
                warehouse.give_up_pass(claim, pass, GivenUp::Split(second.from())).await?;
                Ok(ControlFlow::Break(WindowEnd::Halved(first, second)))
            }
            Recovery::Block => {
                warehouse.give_up_pass(claim, pass, GivenUp::Blocked).await?;
                Ok(self.left(error))
            }
            Recovery::GiveUp => Ok(self.left(error)),
        }
    }

    /// Continues, or leaves the window once patience or the program has ended.
    fn continue_if(
        &self,
        may_continue: bool,
        error: &ClientError,
    ) -> Result<ControlFlow<WindowEnd>, Failure> {
        if may_continue {
            Ok(ControlFlow::Continue(()))
        } else if self.job.world.stop.is_cancelled() {
            Err(Failure::Interrupted)
        } else {
            Ok(self.left(error))
        }
    }

    /// Leaves the window for a later run.
    fn left(&self, error: &ClientError) -> ControlFlow<WindowEnd> {
        let outcome = ProjectOutcome::after(error);
        ControlFlow::Break(WindowEnd::Left(self.postponed(outcome, error, error.advice())))
    }

    fn postponed(
        &self,
        outcome: ProjectOutcome,
        error: &dyn std::error::Error,
        advice: &str,
    ) -> Conclusion {
        let why = format!("{}: {error}; {advice}", self.claim.reading);
        Conclusion::because(outcome, why)
    }
}
