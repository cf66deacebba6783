//! `project`: accepts a changed account, and deletes or renames the rows of a project whose section
//! in the configuration was removed or renamed.

use super::{
    exit::{ExitStatus, Failed},
    open::{self, Opened},
    print,
};
use crate::{
    config::Config,
    domain::ProjectName,
    sync,
    warehouse::{Hindrance, ProjectRows},
};

/// The actions of `project`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ProjectCommand {
    /// Delete all rows of a project that is no longer configured.
    ///
    /// Without --yes, prints the number of rows of each table and deletes nothing.
    Forget(ForgetOptions),
    /// Rename a project in the warehouse, in one transaction.
    ///
    /// Stop all processes that sync it first. References of face authentications are renamed too.
    Rename(RenameOptions),
    /// Accept another account: bind the project's next API key without verification.
    ///
    /// For a correct key that a run refuses, because the vendor moved the account or no longer has
    /// the oldest known records. All bound keys are removed and must open the new account, too.
    /// Records stay; those that the new account does not list raise an alarm in `argos-sync
    /// deletions list`.
    Rebind {
        /// The project.
        #[arg(value_name = "NAME")]
        name: ProjectName,
    },
}

/// Arguments of `project forget`.
#[derive(Debug, clap::Args)]
pub(super) struct ForgetOptions {
    /// The project's name in the warehouse.
    #[arg(value_name = "NAME")]
    name: ProjectName,
    /// Delete the rows.
    #[arg(long)]
    yes: bool,
}

/// Arguments of `project rename`.
#[derive(Debug, clap::Args)]
pub(super) struct RenameOptions {
    /// The project's name in the warehouse.
    #[arg(value_name = "OLD")]
    old: ProjectName,
    /// Its new name.
    #[arg(value_name = "NEW")]
    new: ProjectName,
}

/// Runs the action and prints its result.
pub(super) async fn project(
    config: &Config,
    command: &ProjectCommand,
) -> Result<ExitStatus, Failed> {
    let opened = open::current(config).await?;
    let done = match command {
        ProjectCommand::Forget(options) => forget(config, &opened, options).await,
        ProjectCommand::Rename(options) => rename(config, &opened, options).await,
        ProjectCommand::Rebind { name } => rebind(&opened, name).await,
    };
    opened.close().await?;
    done
}

async fn forget(
    config: &Config,
    opened: &Opened,
    options: &ForgetOptions,
) -> Result<ExitStatus, Failed> {
    let name = &options.name;
    if config.projects.iter().any(|project| project.name == *name) {
        return Err(Failed::new(
            ExitStatus::Usage,
            format!(
                "project `{name}` is still configured: remove the section [project.{name}] first"
            ),
        ));
    }
    if !options.yes {
        let rows = opened.warehouse.project_rows(name).await?;
        if rows.is_empty() {
            return Err(refused(Hindrance::Unknown, name, name));
        }
        print::stdout(&as_text(&rows));
        print::stdout("nothing was deleted; repeat with --yes to delete these rows\n");
        return Ok(ExitStatus::Done);
    }
    sync::free_gone_holders(&opened.warehouse).await?;
    let deleted = opened.warehouse.forget_project(name).await?;
    let deleted = deleted.map_err(|hindrance| refused(hindrance, name, name))?;
    print::stdout(&as_text(&deleted));
    print::stdout(&format!("all rows of project `{name}` were deleted\n"));
    Ok(ExitStatus::Done)
}

async fn rename(
    config: &Config,
    opened: &Opened,
    options: &RenameOptions,
) -> Result<ExitStatus, Failed> {
    let RenameOptions { old, new } = options;
    let configured =
        |name: &ProjectName| config.projects.iter().find(|project| project.name == *name);
    let kind = configured(new).map(|project| &project.kind);
    sync::free_gone_holders(&opened.warehouse).await?;
    let renamed = opened.warehouse.rename_project(old, new, kind).await?;
    let renamed = renamed.map_err(|hindrance| refused(hindrance, old, new))?;
    print::stdout(&as_text(&renamed));
    print::stdout(&format!("project `{old}` is now `{new}`\n"));
    if configured(old).is_some() || kind.is_none() {
        print::stderr(&format!(
            "rename the section [project.{old}] to [project.{new}] before the next run, \
             and `parent` where it names it"
        ));
    }
    Ok(ExitStatus::Done)
}

async fn rebind(opened: &Opened, name: &ProjectName) -> Result<ExitStatus, Failed> {
    if !opened.warehouse.rebind(name).await? {
        let unknown = format!("project `{name}` has never been synced");
        return Err(Failed::new(ExitStatus::Wrong, unknown));
    }
    print::stdout(&format!(
        "{name}: the bound API keys were removed; the next key is bound without verification\n\
         \x20 stored records stay: if the key opens another account, this project will hold\n\
         \x20 the records of both accounts; use a separate [project.NAME] section to avoid this\n\
         \x20 a running daemon retries a refused key after `sync.blocked_retry_minutes`\n"
    ));
    Ok(ExitStatus::Done)
}

/// Returns the reason why nothing was done, with advice.
fn refused(hindrance: Hindrance, name: &ProjectName, new: &ProjectName) -> Failed {
    match hindrance {
        Hindrance::Unknown => {
            Failed::new(ExitStatus::Wrong, format!("the warehouse has no rows of project `{name}`"))
        }
        Hindrance::Claimed => Failed::new(
            ExitStatus::Interrupted,
            format!(
                "a process is reading project `{name}`: stop it and try again; the leases of a \
                 killed process on another machine expire after five minutes"
            ),
        ),
        Hindrance::NameTaken => Failed::new(
            ExitStatus::Usage,
            format!(
                "project `{new}` already has records: keep them and delete the others with \
                 `argos-sync project forget {name}`; or remove the section [project.{new}] from \
                 the configuration, run `argos-sync project forget {new}`, and rename again"
            ),
        ),
        Hindrance::OtherKind => Failed::new(
            ExitStatus::Usage,
            format!("projects `{name}` and `{new}` are of different kinds: choose another name"),
        ),
    }
}

fn as_text(rows: &[ProjectRows]) -> String {
    let row = |rows: &ProjectRows| vec![rows.table.clone(), rows.rows.to_string()];
    print::table(&["table", "rows"], &rows.iter().map(row).collect::<Vec<_>>())
}
