//! Opens the warehouse: the configured one, or the embedded PostgreSQL.

use std::time::Duration;

use super::exit::{ExitStatus, Failed};
use crate::{
    config::{Config, Migrate},
    sync::{Project, World},
    warehouse::{Protection, SchemaState, Warehouse, WarehouseError},
};
use tokio_util::sync::CancellationToken;

/// Time limit for the first connection.
pub(super) const REACH_TIME: Duration = Duration::from_secs(10);

/// Time limit for closing the connections.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// An open warehouse, with its embedded server if it has one.
pub(super) struct Opened {
    pub(super) warehouse: Warehouse,
    #[cfg(feature = "embedded")]
    server: Option<crate::embedded::Server>,
}

impl Opened {
    /// Returns a psql command for the embedded PostgreSQL; `None` if another server is used.
    #[cfg(feature = "embedded")]
    pub(super) fn how_to_connect(&self) -> Option<String> {
        self.server.as_ref().map(crate::embedded::Server::how_to_connect)
    }

    /// Closes the connections. Stops the embedded server unless other processes use it.
    pub(super) async fn close(self) -> Result<(), Failed> {
        // A connection that still waits for PostgreSQL after `CLOSE_TIME` is abandoned.
        let _left = tokio::time::timeout(CLOSE_TIME, self.warehouse.close()).await;
        #[cfg(feature = "embedded")]
        if let Some(server) = self.server {
            server.stop().await?;
        }
        Ok(())
    }
}

/// The warning about a configuration file that contains a secret and is readable by every user.
pub(super) const READABLE: &str =
    "the file contains a secret, and every user of this machine may read it";
/// The advice about [`READABLE`].
pub(super) const READABLE_ADVICE: &str =
    "restrict it to the user of argos-sync, or keep secrets in separate files (KEY_file)";

/// Opens the database without checking its schema. Fails if a connection is not established within
/// [`REACH_TIME`].
pub(super) async fn database(config: &Config) -> Result<Opened, Failed> {
    let opened = unreached(config).await?;
    if let Some(path) = &config.readable_by_all {
        tracing::warn!(path = %path.display(), advice = READABLE_ADVICE, "{READABLE}");
    }
    if let Protection::Less(less) = opened.warehouse.protection() {
        tracing::warn!("{}", less.warning());
    }
    match opened.warehouse.reach(REACH_TIME).await {
        Ok(()) => Ok(opened),
        Err(error) => {
            opened.close().await?;
            Err(error.into())
        }
    }
}

/// Opens the database without connecting to it. Starts the embedded PostgreSQL if it is used.
pub(super) async fn unreached(config: &Config) -> Result<Opened, Failed> {
    match &config.database.url {
        None => embedded(config).await,
        Some(url) => Ok(Opened {
            warehouse: Warehouse::new(&config.database.at(url.clone()))?,
            #[cfg(feature = "embedded")]
            server: None,
        }),
    }
}

#[cfg(feature = "embedded")]
async fn embedded(config: &Config) -> Result<Opened, Failed> {
    let data_dir = config.data_dir.clone().ok_or_else(|| {
        Failed::new(ExitStatus::Config, "`data_dir` is needed for the embedded PostgreSQL")
    })?;
    let options = crate::embedded::Options::new(data_dir)?;
    let server = crate::embedded::start(&options).await?;
    tracing::info!(connect = server.how_to_connect(), "the embedded PostgreSQL is running");
    let warehouse = Warehouse::new(&config.database.at(server.url().clone()))?;
    Ok(Opened { warehouse, server: Some(server) })
}

#[cfg(not(feature = "embedded"))]
#[expect(clippy::unused_async, reason = "called like the one that starts a server")]
async fn embedded(_config: &Config) -> Result<Opened, Failed> {
    Err(Failed::new(
        ExitStatus::Config,
        "`database.url` is missing, and this program was built without the embedded PostgreSQL",
    ))
}

/// Opens the warehouse and brings its schema up to date, unless `database.migrate` forbids it.
pub(super) async fn migrated(config: &Config) -> Result<Opened, Failed> {
    ready(config, config.database.migrate).await
}

/// Opens the warehouse if its schema is up to date. For commands that do not migrate.
pub(super) async fn current(config: &Config) -> Result<Opened, Failed> {
    ready(config, Migrate::Check).await
}

async fn ready(config: &Config, migrate: Migrate) -> Result<Opened, Failed> {
    let opened = database(config).await?;
    let ready = async {
        let state = opened.warehouse.schema_state().await?;
        opened.warehouse.check_server().await?;
        match (state, migrate) {
            (SchemaState::Current, _) => Ok(()),
            (SchemaState::Newer, _) => Err(WarehouseError::NewerSchema),
            (SchemaState::Unreleased, _) => Err(WarehouseError::UnreleasedSchema),
            (SchemaState::Missing | SchemaState::Older(_), Migrate::Auto) => {
                opened.warehouse.migrate().await
            }
            (SchemaState::Missing | SchemaState::Older(_), Migrate::Check) => {
                Err(WarehouseError::OlderSchema)
            }
        }
    };
    let ready: Result<(), WarehouseError> = ready.await;
    match ready {
        Ok(()) => Ok(opened),
        Err(error) => {
            opened.close().await?;
            Err(error.into())
        }
    }
}

/// Returns the context of a run. Fails if no project is configured, or if the settings of one are
/// not valid.
pub(super) fn world(
    config: &Config,
    warehouse: &Warehouse,
    stop: &CancellationToken,
) -> Result<World, Failed> {
    if config.projects.is_empty() {
        return Err(Failed::new(
            ExitStatus::Config,
            "no project is configured: add a [project.NAME] section with kind, base_url and \
             api_key_file",
        ));
    }
    let projects = config
        .projects
        .iter()
        .map(|settings| Project::new(settings.clone(), warehouse, stop))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(World::new(warehouse.clone(), projects, config.sync.clone(), stop.clone()))
}

/// Returns the project with this stream and name; without a name, the only project with this
/// stream. Fails with `Usage` if there is none, or if there are several.
pub(super) fn project<'w>(
    world: &'w World,
    name: Option<&str>,
    stream: crate::domain::Stream,
) -> Result<&'w Project, Failed> {
    let mut fitting = world.projects.iter().filter(|project| {
        project.stream() == stream && name.is_none_or(|name| name == project.name().as_str())
    });
    match (fitting.next(), fitting.next()) {
        (Some(project), None) => Ok(project),
        (None, _) => Err(Failed::new(
            ExitStatus::Usage,
            format!(
                "no configured project {}has the stream {stream}",
                name.map(|name| format!("`{name}` ")).unwrap_or_default()
            ),
        )),
        (Some(_), Some(_)) => Err(Failed::new(
            ExitStatus::Usage,
            format!("several projects have the stream {stream}: choose one with --project"),
        )),
    }
}

/// Returns the project with this name; without a name, the only project. Fails with `Usage` if
/// there is none, or if there are several.
pub(super) fn project_named<'w>(
    world: &'w World,
    name: Option<&str>,
) -> Result<&'w Project, Failed> {
    match (name, world.projects.as_slice()) {
        (None, [project]) => Ok(project),
        (None, _) => Err(Failed::new(
            ExitStatus::Usage,
            "there are several projects: choose one with --project",
        )),
        (Some(name), projects) => projects
            .iter()
            .find(|project| project.name().as_str() == name)
            .ok_or_else(|| Failed::new(ExitStatus::Usage, format!("there is no [project.{name}]"))),
    }
}
