//! `check`: configuration, database and keys, one line each, with what to do.

use tokio_util::sync::CancellationToken;

use super::{
    exit::{ExitStatus, Failed},
    open, print,
};
use crate::{config::Config, sync::Project, warehouse::SchemaState};

/// No vendor gives such an id, so that the key is tried without reading anybody's data.
const NO_ID: &str = "argos-sync-check";

/// Checks all, and says what is wrong.
pub(super) async fn check(config: &Config) -> Result<ExitStatus, Failed> {
    print::data("ok     configuration\n");
    let opened = match open::migrated(config).await {
        Ok(opened) => opened,
        Err(failed) => {
            print::data(&format!("wrong  database: {failed}\n"));
            return Ok(ExitStatus::Wrong);
        }
    };
    let mut all_well = opened.warehouse.schema_state().await? == SchemaState::Current;
    print::data(if all_well {
        "ok     database and schema\n"
    } else {
        "wrong  schema: run `argos-sync migrate`\n"
    });
    let world = open::world(config, &opened.warehouse, &CancellationToken::new());
    if let Ok(world) = &world {
        for project in &world.projects {
            all_well &= check_key(project).await;
        }
    }
    opened.close().await?;
    world.map(|_| if all_well { ExitStatus::Done } else { ExitStatus::Wrong })
}

async fn check_key(project: &Project) -> bool {
    let name = project.name();
    match project.client().detail(NO_ID).await {
        Ok(_) => {
            print::data(&format!("ok     project {name}: the API answers to this key\n"));
            true
        }
        Err(error) => {
            print::data(&format!("wrong  project {name}: {error}\n       {}\n", error.advice()));
            false
        }
    }
}
