//! `project`: what a project of the warehouse is bound to.

use super::{
    exit::{ExitStatus, Failed},
    open, print,
};
use crate::{config::Config, domain::ProjectName};

/// What to do with a project.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ProjectCommand {
    /// Accept a changed account: the next API key of the project is bound without a comparison.
    ///
    /// Use it where a run refuses a key that is right: the vendor moved the account, or no longer
    /// has the records that have been known longest. Keys bound until now are forgotten and have to
    /// open the new account too. Records stay; those that the new account does not list show in
    /// `argos-sync deletions list`.
    Rebind {
        /// The project.
        #[arg(value_name = "NAME")]
        name: ProjectName,
    },
}

/// Does it.
pub(super) async fn project(
    config: &Config,
    command: &ProjectCommand,
) -> Result<ExitStatus, Failed> {
    let ProjectCommand::Rebind { name } = command;
    let opened = open::migrated(config).await?;
    let rebound = opened.warehouse.rebind(name).await;
    opened.close().await?;
    if !rebound? {
        let unknown = format!("no project `{name}` was ever synced");
        return Err(Failed::new(ExitStatus::Wrong, unknown));
    }
    print::data(&format!(
        "{name}: the bound API keys are forgotten; the next key is bound without a comparison\n\
         \x20 records stored before stay: if the key opens another account, this project will hold\n\
         \x20 the records of both; a [project.NAME] section of its own for that account avoids this\n\
         \x20 a running daemon that was refused tries again after `sync.blocked_retry_minutes`\n"
    ));
    Ok(ExitStatus::Done)
}
