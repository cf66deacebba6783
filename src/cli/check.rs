//! `check`: configuration, database and keys, one line each, with what to do. It writes nothing.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio_util::sync::CancellationToken;

use super::{
    exit::{ExitStatus, Failed},
    open::{self, Opened},
    print,
};
use crate::{
    client::{Gate, GateClosed},
    config::Config,
    domain::{Lane, ReadNumber},
    sync::Project,
    warehouse::SchemaState,
};

/// No vendor gives such an id, so that the key is tried without reading anybody's data.
const NO_ID: &str = "argos-sync-check";

/// Lets calls through whose answers nobody stores.
struct Unordered;

impl Gate for Unordered {
    fn admit<'a>(
        &'a self,
        _is_held_back: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<ReadNumber>, GateClosed>> {
        ready(Ok(Some(ReadNumber(0)))).boxed()
    }
}

/// Checks all, and says what is wrong.
pub(super) async fn check(config: &Config) -> Result<ExitStatus, Failed> {
    well("configuration");
    let opened = match open::database(config).await {
        Ok(opened) => opened,
        Err(failed) => {
            wrong("database", &failed.to_string(), "");
            return Ok(ExitStatus::Wrong);
        }
    };
    let mut all_well = check_database(&opened).await;
    let world = open::world(config, &opened.warehouse, &CancellationToken::new());
    if let Ok(world) = &world {
        for project in &world.projects {
            all_well &= check_key(project).await;
        }
    }
    opened.close().await?;
    world.map(|_| if all_well { ExitStatus::Done } else { ExitStatus::Wrong })
}

async fn check_database(opened: &Opened) -> bool {
    let state = match opened.warehouse.schema_state().await {
        Ok(state) => state,
        Err(error) => {
            wrong("database", &error.to_string(), error.advice());
            return false;
        }
    };
    well("database");
    match state {
        SchemaState::Current => {}
        SchemaState::Missing => {
            well("schema: not there yet; the first run, or `argos-sync migrate`, makes it");
            return true;
        }
        SchemaState::Older(count) => {
            let problem = format!("{count} migrations have not run");
            wrong("schema", &problem, "run `argos-sync migrate`; any run does it too");
            return false;
        }
        SchemaState::Newer => {
            wrong("schema", "made by a newer release", "run the newer release of argos-sync");
            return false;
        }
    }
    well("schema");
    match opened.warehouse.tables_without_rights().await {
        Ok(tables) if tables.is_empty() => {
            well("rights");
            true
        }
        Ok(tables) => {
            let advice =
                "grant select, insert, update and delete on them to the role of `database.url`";
            wrong("rights", &format!("none to write {}", tables.join(", ")), advice);
            false
        }
        Err(error) => {
            wrong("rights", &error.to_string(), error.advice());
            false
        }
    }
}

async fn check_key(project: &Project) -> bool {
    let name = format!("project {}", project.name());
    match project.client(Lane::Detail).through(Arc::new(Unordered)).detail(NO_ID).await {
        Ok(_) => {
            well(&format!("{name}: the API answers to this key"));
            true
        }
        Err(error) => {
            wrong(&name, &error.to_string(), error.advice());
            false
        }
    }
}

fn well(what: &str) {
    print::data(&format!("ok     {what}\n"));
}

fn wrong(what: &str, problem: &str, advice: &str) {
    let advice = if advice.is_empty() { String::new() } else { format!("       {advice}\n") };
    print::data(&format!("wrong  {what}: {problem}\n{advice}"));
}
