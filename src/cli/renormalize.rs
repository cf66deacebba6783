//! `renormalize`: rebuilds the rows of an older release from the stored raw items.

use super::{
    exit::{ExitStatus, Failed},
    open, print, signal,
};
use crate::{
    config::Config,
    domain::ProjectName,
    sync::{World, renormalize as refill},
};

/// Arguments of `renormalize`.
#[derive(Debug, clap::Args)]
pub(super) struct RenormalizeOptions {
    /// This project only.
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
}

/// Rebuilds all records of an older release and prints their number. Returns `Partial` if some are
/// left because other processes are writing them.
pub(super) async fn renormalize(
    config: &Config,
    options: &RenormalizeOptions,
) -> Result<ExitStatus, Failed> {
    let stop = signal::listen()?;
    let opened = open::current(config).await?;
    let done = async {
        let world = open::world(config, &opened.warehouse, &stop)?;
        refill_all(&world, options.project.as_ref()).await
    };
    let done = done.await;
    opened.close().await?;
    done
}

async fn refill_all(world: &World, only: Option<&ProjectName>) -> Result<ExitStatus, Failed> {
    let mut rows = Vec::new();
    let mut any_left = false;
    for project in &world.projects {
        if only.is_some_and(|only| only != project.name()) {
            continue;
        }
        let (done, left) = refill(world, project).await?;
        any_left |= left;
        let mut row = vec![project.name().to_string()];
        row.extend([done.records, done.changed, done.without_raw].iter().map(i64::to_string));
        rows.push(row);
    }
    if let (Some(name), true) = (only, rows.is_empty()) {
        return Err(Failed::new(ExitStatus::Usage, format!("there is no [project.{name}]")));
    }
    print::stdout(&print::table(&["project", "refilled", "changed", "without raw"], &rows));
    if world.stop.is_cancelled() {
        return Ok(ExitStatus::Interrupted);
    }
    if any_left {
        print::stderr(
            "argos-sync: other processes are writing records of an older version; run this command \
             again",
        );
        return Ok(ExitStatus::Partial);
    }
    Ok(ExitStatus::Done)
}
