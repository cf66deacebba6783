//! `pause`, `resume` and `resync`: steer the work on one project, whichever process does it.

use tokio_util::sync::CancellationToken;

use super::{
    exit::{ExitStatus, Failed},
    fetch::Given,
    open, print, run,
};
use crate::{
    config::Config,
    domain::Window,
    sync::{self, Project, ResyncScope, World},
};

/// The project of `pause` and `resume`.
#[derive(Debug, clap::Args)]
pub(super) struct ProjectArgument {
    /// The project.
    #[arg(value_name = "PROJECT")]
    project: String,
}

/// Arguments of `resync`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("scope").required(true))]
pub(super) struct ResyncOptions {
    /// The project.
    #[arg(value_name = "PROJECT")]
    project: String,
    /// All records of these days (inclusive), such as 2024-01-01..2024-01-31.
    #[arg(value_name = "FROM..TO", value_parser = run::backfill_days, group = "scope")]
    days: Option<Window>,
    /// The record with this id; `-` reads it from standard input, `@FILE` from a file.
    #[arg(long, value_name = "ID", group = "scope")]
    id: Option<Given>,
}

/// Stops all calls of a project, in every process, until it is resumed.
pub(super) async fn pause(
    config: &Config,
    argument: &ProjectArgument,
) -> Result<ExitStatus, Failed> {
    with_project(config, &argument.project, async |world, project| {
        let name = project.name();
        world.warehouse.register(name, &project.kind).await?;
        let is_new = world.warehouse.pause_project(name).await?;
        Ok(if is_new {
            format!("{name} is paused; `argos-sync resume {name}` continues\n")
        } else {
            format!("{name} was already paused\n")
        })
    })
    .await
}

/// Lets a paused project continue.
pub(super) async fn resume(
    config: &Config,
    argument: &ProjectArgument,
) -> Result<ExitStatus, Failed> {
    with_project(config, &argument.project, async |world, project| {
        let name = project.name();
        let was_paused = world.warehouse.resume_project(name).await?;
        Ok(if was_paused {
            format!("{name} continues with the next round\n")
        } else {
            format!("{name} was not paused\n")
        })
    })
    .await
}

/// Requests that records are read again by the daemon.
pub(super) async fn resync(config: &Config, options: &ResyncOptions) -> Result<ExitStatus, Failed> {
    let scope = match (options.days, &options.id) {
        (Some(days), _) => ResyncScope::Days(days),
        (None, Some(id)) => ResyncScope::Id(id.0.clone()),
        (None, None) => {
            return Err(Failed::new(ExitStatus::Usage, "give days or --id"));
        }
    };
    let unknown = "no record with this id is known; `argos-sync fetch` reads a record by its id";
    with_project(config, &options.project, async |world, project| {
        let calls = sync::resync(world, project, &scope).await?;
        match scope {
            ResyncScope::Id(_) if calls == 0 => Err(Failed::new(ExitStatus::Wrong, unknown)),
            ResyncScope::Id(_) => Ok("the daemon reads the record in its next round\n".to_owned()),
            ResyncScope::Days(days) => Ok(format!(
                "the daemon reads {days} in its next round, with {calls} detail calls for known \
                 records\n"
            )),
        }
    })
    .await
}

/// Runs an action on a project of this configuration, and prints its text.
async fn with_project(
    config: &Config,
    name: &str,
    action: impl AsyncFnOnce(&World, &Project) -> Result<String, Failed>,
) -> Result<ExitStatus, Failed> {
    let opened = open::current(config).await?;
    let done = async {
        let world = open::world(config, &opened.warehouse, &CancellationToken::new())?;
        let project = open::project_named(&world, Some(name))?;
        action(&world, project).await
    };
    let done = done.await;
    opened.close().await?;
    print::stdout(&done?);
    Ok(ExitStatus::Done)
}
