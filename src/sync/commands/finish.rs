//! The end of a round or a backfill: waits until its detail calls are made, by whichever process.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    client::{CallRemedy, ClientError},
    domain::Window,
    sync::{
        details::{drain, workers::WantedCalls},
        job::Job,
        outcome::{Conclusion, Failure, ProjectOutcome},
        patience::Patience,
        project::Project,
        stop::pause,
        wait::{Woken, a_moment, wait_for},
        world::World,
    },
    warehouse::{Awaited, DetailsLeft, Priority},
};

/// Most checks for calls that are free and cannot be claimed, because another process is claiming
/// them at that moment.
const LOOKS_MAX: i32 = 20;

/// The next step if calls are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextStep {
    /// Make them now.
    Make,
    /// Check them again after a short wait.
    Look,
    /// Wait for the other processes that make them.
    WaitForOthers,
    /// Retry them later.
    TryLater,
}

impl NextStep {
    /// Decides from the calls that are left, whether a failure stopped this process, and how many
    /// checks in a row found no change.
    fn of(left: &DetailsLeft, has_failed: bool, unchanged: i32) -> Self {
        match left {
            _ if has_failed => Self::TryLater,
            DetailsLeft { free: 1.., .. } if unchanged == 0 => Self::Make,
            DetailsLeft { free: 1.., .. } if unchanged <= LOOKS_MAX => Self::Look,
            DetailsLeft { free: 0, claimed: 1.., .. } => Self::WaitForOthers,
            DetailsLeft { .. } => Self::TryLater,
        }
    }
}

/// Makes the due detail calls, all or those of some days, whatever the outcome of the lists.
///
/// Retries failed calls until patience ends. Waits for calls that another process makes, and counts
/// them as made.
pub(super) async fn finish(
    job: Job<'_>,
    read: Conclusion,
    days: Option<Window>,
    yields: &CancellationToken,
) -> Result<Conclusion, Failure> {
    let Job { world, project, .. } = job;
    let patience = Patience::of(world);
    // Calls scheduled for later on purpose are not waited for.
    let mut left = world.warehouse.details_left(&project.scope, days, patience.time).await?;
    world.progress.set_details_left(project.name(), left.count());
    let (mut rounds, mut unchanged) = (0, 0);
    while left.count() > 0 {
        let wanted = match days {
            None => WantedCalls::UpTo(Priority::Cycle),
            Some(_) => WantedCalls::These(std::mem::take(&mut left.ids).into()),
        };
        let error = match drain::drain(job, wanted, yields).await {
            Ok(()) => None,
            Err(Failure::Client(error)) if matches!(error.remedy(), CallRemedy::Later { .. }) => {
                Some(error)
            }
            Err(failure) => return Err(failure),
        };
        let now_left = world.warehouse.details_left(&project.scope, days, patience.time).await?;
        world.progress.set_details_left(project.name(), now_left.count());
        let before = std::mem::replace(&mut left, now_left);
        if left.count() < before.count() {
            patience.renew();
            (rounds, unchanged) = (0, -1);
        }
        (rounds, unchanged) = (rounds + 1, unchanged + 1);
        let goes_on = match NextStep::of(&left, error.is_some(), unchanged) {
            _ if left.count() == 0 => true,
            _ if yields.is_cancelled() => false,
            NextStep::Make => true,
            NextStep::Look => !world.is_daemon && a_moment(world).await,
            NextStep::WaitForOthers if world.is_daemon && left.later == 0 => return Ok(read),
            NextStep::WaitForOthers => wait_for_others(world, project, &left).await?,
            NextStep::TryLater => {
                wait_for_a_try(job, &patience, &left, error.as_ref(), rounds).await
            }
        };
        if world.stop.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        if !goes_on {
            let outcome = match &error {
                Some(error) => ProjectOutcome::after(error),
                None if yields.is_cancelled() || left.later == 0 => ProjectOutcome::InProgress,
                None => ProjectOutcome::Partial,
            };
            let why = what_is_left(&left, error);
            return Ok(read.or_worse(Conclusion::because(outcome, why)));
        }
    }
    Ok(read)
}

/// Waits for other processes; returns whether there may be work afterwards.
async fn wait_for_others(
    world: &World,
    project: &Project,
    left: &DetailsLeft,
) -> Result<bool, Failure> {
    // All answers of this process are stored, so it does not know of any claim that it still holds.
    if left.held_by.iter().any(|held| held.holder == world.holder) {
        world.warehouse.free_details(&project.scope, &world.holder).await?;
        return Ok(true);
    }
    if world.is_daemon {
        return Ok(false);
    }
    let (name, stream) = (project.name().clone(), project.stream());
    let awaited = Awaited::Details(name, stream, left.held_by.clone());
    Ok(wait_for(world, project, &awaited, left.next).await? == Woken::Ready)
}

/// Waits until calls can be retried; returns whether they can.
async fn wait_for_a_try(
    job: Job<'_>,
    patience: &Patience,
    left: &DetailsLeft,
    error: Option<&ClientError>,
    rounds: i32,
) -> bool {
    let Job { world, .. } = job;
    // Free calls need not wait for those that failed before.
    let next = if left.free > 0 { None } else { left.next };
    let delay = match error {
        Some(error @ ClientError::Limiter(_)) => patience.next_of_limiter(not_before(error)),
        Some(error) => patience.next(rounds, not_before(error).max(next)),
        None => patience.next(rounds, next),
    };
    let Some(delay) = delay else { return false };
    let why = error.map_or("the last attempt failed".to_owned(), ToString::to_string);
    info!(
        calls = left.count(),
        seconds = delay.as_secs(),
        "waiting before retrying detail calls: {why}"
    );
    pause(&world.stop, delay).await
}

fn not_before(error: &ClientError) -> Option<Duration> {
    match error.remedy() {
        CallRemedy::Later { not_before } => not_before,
        _ => None,
    }
}

/// A message for the operator about the calls that are left.
fn what_is_left(left: &DetailsLeft, error: Option<ClientError>) -> String {
    let mut why = match (left.free + left.later, left.claimed) {
        (0, claimed) => {
            format!("{claimed} detail calls are claimed by another process that makes no progress")
        }
        (waiting, _) => format!("{waiting} detail calls wait for a retry"),
    };
    if let Some(error) = error {
        why = format!("{why}: {error}; {}", error.advice());
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_made_is_made_and_what_others_make_is_waited_for() {
        let left =
            |free, claimed, later| DetailsLeft { free, claimed, later, ..DetailsLeft::default() };
        for (left, has_failed, unchanged, next) in [
            (left(3, 2, 1), false, 0, NextStep::Make),
            (left(3, 2, 1), false, 1, NextStep::Look),
            (left(3, 2, 1), false, LOOKS_MAX, NextStep::Look),
            (left(3, 2, 1), false, LOOKS_MAX + 1, NextStep::TryLater),
            (left(0, 2, 1), false, 5, NextStep::WaitForOthers),
            (left(0, 2, 0), false, 0, NextStep::WaitForOthers),
            (left(0, 0, 1), false, 0, NextStep::TryLater),
            (left(3, 0, 0), true, 0, NextStep::TryLater),
            (left(0, 2, 0), true, 0, NextStep::TryLater),
        ] {
            assert_eq!(NextStep::of(&left, has_failed, unchanged), next, "{left:?} {has_failed}");
        }
    }
}
