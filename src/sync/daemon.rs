//! The daemon: bells ring, one loop a project works.
//!
//! The scheduler only rings; any number of rings while a loop works means one more round, never two at once.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use futures_util::future::join_all;

use tokio::{sync::Notify, time::Instant};
use tokio_cron_scheduler::{JobBuilder, JobScheduler, JobSchedulerError};
use tracing::{error, info};

use super::{Project, World, due::run_due_until, outcome::ProjectOutcome, upkeep};

/// Any number of rings while its loop works means one more round; the loop hears that it rang.
#[derive(Default)]
struct Bell {
    rung: Notify,
    count: AtomicU64,
}

impl Bell {
    fn ring(&self) {
        self.count.fetch_add(1, Relaxed);
        self.rung.notify_one();
    }
}

/// Runs until the program has to end: one loop for each project, so that none waits for another.
pub async fn run_daemon(world: &World) -> Result<(), JobSchedulerError> {
    let world = World { is_daemon: true, ..world.clone() };
    let bells: Vec<_> = world.projects.iter().map(|_| Arc::new(Bell::default())).collect();
    let mut scheduler = ring_on_schedule(&world.settings.schedules, &bells).await?;
    let loops = world.projects.iter().zip(&bells).map(|(project, bell)| {
        // What was missed while the daemon was down is due at once.
        bell.ring();
        work_on_bells(&world, project, bell)
    });
    join_all(loops).await;
    scheduler.shutdown().await
}

async fn ring_on_schedule(
    schedules: &[String],
    bells: &[Arc<Bell>],
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for schedule in schedules {
        let bells = bells.to_vec();
        let job = JobBuilder::new()
            .with_timezone(chrono::Utc)
            .with_cron_job_type()
            .with_schedule(schedule.as_str())?
            .with_run_async(Box::new(move |_, _| {
                for bell in &bells {
                    bell.ring();
                }
                Box::pin(std::future::ready(()))
            }))
            .build()?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

/// Does what is due whenever the bell rang. A project whose key the vendor refused rests for a while.
async fn work_on_bells(world: &World, project: &Project, bell: &Bell) {
    let mut resting_until = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = world.stop.cancelled() => return,
            () = bell.rung.notified() => {}
        }
        if Instant::now() < resting_until {
            continue;
        }
        let heard = bell.count.load(Relaxed);
        let rang_again = || bell.count.load(Relaxed) != heard;
        match run_due_until(world, std::iter::once(project), &rang_again).await {
            Ok((run, ended)) => {
                let outcome = ended.worst();
                if outcome == ProjectOutcome::Blocked {
                    resting_until = Instant::now() + world.settings.blocked_retry;
                }
                info!(project = %project.name(), run = run.0, ?outcome, "round done");
            }
            Err(fault) => {
                let advice = fault.advice();
                error!(project = %project.name(), error = %fault, advice, "the round failed; the next bell tries again");
            }
        }
        upkeep::after_round(world, project, &rang_again).await;
    }
}
