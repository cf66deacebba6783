//! The daemon: bells ring, one loop works.
//!
//! The scheduler only rings; any number of rings while the loop works means one more round, never two at once.

use std::{collections::HashMap, sync::Arc};

use tokio::{sync::Notify, time::Instant};
use tokio_cron_scheduler::{JobBuilder, JobScheduler, JobSchedulerError};
use tracing::{error, info};

use super::{World, due::run_due, outcome::ProjectOutcome};
use crate::domain::ProjectName;

/// Runs until the program has to end.
pub async fn run_daemon(world: &World) -> Result<(), JobSchedulerError> {
    let bell = Arc::new(Notify::new());
    let mut scheduler = ring_on_schedule(&world.settings.schedules, &bell).await?;
    // What was missed while the daemon was down is due at once.
    bell.notify_one();
    let mut blocked: HashMap<ProjectName, Instant> = HashMap::new();
    loop {
        tokio::select! {
            biased;
            () = world.stop.cancelled() => break,
            () = bell.notified() => work(world, &mut blocked).await,
        }
    }
    scheduler.shutdown().await
}

async fn ring_on_schedule(
    schedules: &[String],
    bell: &Arc<Notify>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for schedule in schedules {
        let bell = Arc::clone(bell);
        let job = JobBuilder::new()
            .with_timezone(chrono::Utc)
            .with_cron_job_type()
            .with_schedule(schedule.as_str())?
            .with_run_async(Box::new(move |_, _| {
                bell.notify_one();
                Box::pin(std::future::ready(()))
            }))
            .build()?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

/// One round over all projects, but those whose key the vendor refused a short while ago.
async fn work(world: &World, blocked: &mut HashMap<ProjectName, Instant>) {
    let now = Instant::now();
    blocked.retain(|_, until| *until > now);
    let projects = world.projects.iter().filter(|project| !blocked.contains_key(project.name()));
    match run_due(world, projects).await {
        Ok((run, ended)) => {
            for (name, outcome, _) in &ended.projects {
                if *outcome == ProjectOutcome::Blocked {
                    blocked.insert(name.clone(), now + world.settings.blocked_retry);
                }
            }
            info!(run = run.0, outcome = ?ended.worst(), "round done");
        }
        Err(fault) => {
            error!(error = %fault, advice = fault.advice(), "the round failed; the next bell tries again");
        }
    }
}
