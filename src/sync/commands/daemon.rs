//! The daemon: schedules ring bells, and one loop per project does the work.
//!
//! Rings while a loop works cause one more round, however many there are. Two rounds of a project
//! never run at once.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{maintenance, round::run_due_until};
use crate::{
    domain::Bells,
    metrics,
    sync::{
        clocks::host_time,
        each_minute::seconds,
        outcome::{Ended, ProjectOutcome},
        project::Project,
        stop::pause,
        told::tell,
        world::World,
    },
    warehouse::{self, Outcome, RunId, Tally},
};

/// Wakes the loop of a project. Any number of rings during a round causes one more round, and makes
/// the current one yield.
#[derive(Default)]
struct Bell {
    rung: Notify,
    /// Cancelled when the bell rings during a round.
    next_round: Mutex<CancellationToken>,
}

impl Bell {
    fn ring(&self) {
        self.next_round.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        self.rung.notify_one();
    }

    /// Begins a round. Returns the token by which it learns that the next one is due.
    fn begin_round(&self) -> CancellationToken {
        let token = CancellationToken::new();
        *self.next_round.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
        token
    }
}

/// Interval between two reads of the secrets after one was refused.
const REREAD_EVERY: Duration = Duration::from_secs(5);

/// Runs until the program has to end, with one loop per project, so that no project waits for
/// another.
///
/// Also ends after a secret was refused, once `has_new_secret` returns true. The caller then starts
/// the daemon again with the new secret.
pub async fn run_daemon(world: &World, has_new_secret: &(dyn Fn() -> bool + Sync)) {
    let world = world.of_daemon();
    let bells: Vec<_> = world.projects.iter().map(|_| Bell::default()).collect();
    for project in &world.projects {
        for outcome in Outcome::ALL {
            metrics::begin_rounds(project.name(), project.stream(), outcome.as_str());
        }
    }
    let is_refused = AtomicBool::new(false);
    let loops = world.projects.iter().zip(&bells).map(|(project, bell)| {
        // Work missed while the daemon was down is due at once.
        bell.ring();
        work_on_bells(&world, project, bell, &is_refused)
    });
    let rereading = reread_what_was_refused(&world, &is_refused, has_new_secret);
    tokio::join!(ring_on_schedule(&world, &bells), join_all(loops), rereading);
}

/// Stops all loops once a secret was refused and another one is available.
async fn reread_what_was_refused(
    world: &World,
    is_refused: &AtomicBool,
    has_new_secret: &(dyn Fn() -> bool + Sync),
) {
    while pause(&world.stop, REREAD_EVERY).await {
        if warehouse::take_refusal() {
            is_refused.store(true, Relaxed);
        }
        if is_refused.load(Relaxed) && has_new_secret() {
            info!("a refused secret has changed: continuing with the new one");
            world.stop.cancel();
        }
    }
}

/// Rings all bells at each occurrence of a schedule. Polls the clock, because it may be set forward
/// or back.
async fn ring_on_schedule(world: &World, bells: &[Bell]) {
    let mut schedules = Bells::new(world.settings.schedules.clone(), host_time());
    loop {
        let (has_rung, sleep) = schedules.listen(host_time());
        if has_rung {
            bells.iter().for_each(Bell::ring);
        }
        if !pause(&world.stop, sleep.to_std().unwrap_or_default()).await {
            return;
        }
    }
}

/// Does the work that is due whenever the bell has rung. Pauses a project for a while if the vendor
/// refused its key.
async fn work_on_bells(world: &World, project: &Project, bell: &Bell, is_refused: &AtomicBool) {
    let mut resting_until = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = world.stop.cancelled() => return,
            () = project.pulse().wait(bell.rung.notified()) => {}
        }
        if Instant::now() < resting_until {
            continue;
        }
        let next_round = bell.begin_round();
        let began = Instant::now();
        match run_due_until(world, std::iter::once(project), &next_round).await {
            Ok((run, ended)) => {
                let outcome = ended.worst();
                log_round(world, project, run, &ended, began.elapsed()).await;
                count_round(project, outcome.into());
                if outcome == ProjectOutcome::Blocked {
                    is_refused.store(true, Relaxed);
                    resting_until = Instant::now() + world.settings.blocked_retry;
                }
            }
            Err(fault) => {
                let advice = fault.advice();
                count_round(project, Outcome::Failed);
                tell!(
                    error, project, "round", fault;
                    project = %project.name(), error = %fault, advice,
                    "the round failed; the next one retries"
                );
            }
        }
        project.told.end_round();
        project.pulse().step();
        maintenance::after_round(world, project, &next_round).await;
    }
}

/// Logs the end of a round with its counts.
async fn log_round(world: &World, project: &Project, run: RunId, ended: &Ended, took: Duration) {
    let name = project.name();
    // The counts are stored as well: a failure to read them is not worth a line.
    let tally = world.warehouse.clone().without_retries().run_tally(run, project.scope()).await;
    let Tally { received, inserted, updated, quarantined, .. } = tally.unwrap_or_default();
    let outcome = Outcome::from(ended.worst()).as_str();
    let rest = ended.projects.first().and_then(|(_, conclusion)| {
        let is_news = conclusion.outcome == ProjectOutcome::InProgress;
        conclusion.reason.as_deref().filter(|_| is_news)
    });
    let seconds = seconds(took);
    info!(
        project = %name, run = run.0, outcome, received, inserted, updated, quarantined, seconds,
        rest, "round ended"
    );
}

fn count_round(project: &Project, outcome: Outcome) {
    metrics::count_round(project.name(), project.stream(), outcome.as_str());
}
