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

/// What to do with a project.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ProjectCommand {
    /// Delete every row of a project that is no longer configured.
    ///
    /// Without --yes it shows how many rows each table has, and deletes nothing.
    Forget(ForgetOptions),
    /// Give the rows of a project the name that its section has now, in one transaction.
    ///
    /// Stop the processes that sync it first. Face authentications that refer to the project
    /// follow.
    Rename(RenameOptions),
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

/// Which project.
#[derive(Debug, clap::Args)]
pub(super) struct ForgetOptions {
    /// The project's name in the warehouse.
    #[arg(value_name = "NAME")]
    name: ProjectName,
    /// Delete the rows.
    #[arg(long)]
    yes: bool,
}

/// Which names.
#[derive(Debug, clap::Args)]
pub(super) struct RenameOptions {
    /// The project's name in the warehouse.
    #[arg(value_name = "OLD")]
    old: ProjectName,
    /// Its new name.
    #[arg(value_name = "NEW")]
    new: ProjectName,
}

/// Runs the command against the warehouse.
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
        let unknown = format!("no project `{name}` was ever synced");
        return Err(Failed::new(ExitStatus::Wrong, unknown));
    }
    print::stdout(&format!(
        "{name}: the bound API keys are forgotten; the next key is bound without a comparison\n\
         \x20 records stored before stay: if the key opens another account, this project will hold\n\
         \x20 the records of both; a [project.NAME] section of its own for that account avoids this\n\
         \x20 a running daemon that was refused tries again after `sync.blocked_retry_minutes`\n"
    ));
    Ok(ExitStatus::Done)
}

/// Why nothing was done, and what to do.
fn refused(hindrance: Hindrance, name: &ProjectName, new: &ProjectName) -> Failed {
    match hindrance {
        Hindrance::Unknown => {
            Failed::new(ExitStatus::Wrong, format!("the warehouse has no rows of project `{name}`"))
        }
        Hindrance::Claimed => Failed::new(
            ExitStatus::Interrupted,
            format!(
                "a process is reading project `{name}`: stop it and try again; the claims of a \
                 killed process on another machine end after five minutes"
            ),
        ),
        Hindrance::NameTaken => Failed::new(
            ExitStatus::Usage,
            format!(
                "project `{new}` has records of its own: keep them and delete the others with \
                 `argos-sync project forget {name}`; or remove the section [project.{new}] \
                 from the configuration, run `argos-sync project forget {new}`, and rename again"
            ),
        ),
        Hindrance::OtherKind => Failed::new(
            ExitStatus::Usage,
            format!("projects `{name}` and `{new}` are not of the same kind: choose another name"),
        ),
    }
}

fn as_text(rows: &[ProjectRows]) -> String {
    let row = |rows: &ProjectRows| vec![rows.table.clone(), rows.rows.to_string()];
    print::table(&["table", "rows"], &rows.iter().map(row).collect::<Vec<_>>())
}
