//! Turns files, environment and secrets into checked settings.
//!
//! Each module defines its input in its own `Settings`. This module fills them, and does not depend
//! on how they are used. It is the only one that reads the environment.

mod address;
mod effective;
mod exposure;
mod file;
mod numbers;
mod project;
mod reference;
mod rotation;
mod secret;
mod sources;
mod words;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{ConfigError as SourceError, FileFormat};
use secrecy::{ExposeSecret as _, SecretString};

pub use effective::effective;
pub use exposure::is_trusted;
use numbers::seconds;
pub use reference::{DEFAULTS, keys};
use sources::{Sources, defaults, given_by_environment, sources};
pub use sources::{is_given_by_environment, log_format};
pub use words::{LogFormat, Migrate};

use crate::{
    domain::{ByLane, Lane, Schedule},
    planner, sync, warehouse,
};

/// The whole configuration; checked here, so that no other module checks it again.
#[derive(Debug, Clone)]
pub struct Config {
    /// Data directory of the embedded PostgreSQL; `None` if no default exists and `database.url` is
    /// set.
    pub data_dir: Option<PathBuf>,
    /// The warehouse; without a URL, the embedded PostgreSQL is used.
    pub database: Database,
    /// How to sync.
    pub sync: sync::SyncSettings,
    /// The projects, by name.
    pub projects: Vec<sync::ProjectSettings>,
    /// The daemon's HTTP service.
    pub http: Http,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// The log filter.
    pub log_filter: String,
    /// The command line overrides the configured log filter.
    pub is_log_filter_fixed: bool,
    /// The configuration file, if it contains a secret and every user of the machine may read it.
    pub readable_by_all: Option<PathBuf>,
    has_secret_inside: bool,
    path: Option<PathBuf>,
}

/// How to reach the warehouse.
#[derive(Debug, Clone)]
pub struct Database {
    /// The URL; `None` means the embedded PostgreSQL.
    pub url: Option<SecretString>,
    /// Whether a run may migrate the schema.
    pub migrate: Migrate,
    connections_max: u32,
    connect_timeout: Duration,
    statement_cache: usize,
}

impl Config {
    /// The path of the configuration file; `None` if there is none.
    pub fn file(&self) -> Option<String> {
        self.path.as_ref().map(|path| path.display().to_string())
    }

    /// The address of the database without its secrets, for people.
    pub fn database_address(&self) -> String {
        match &self.database.url {
            Some(url) => effective::without_secrets(url.expose_secret()),
            None => "embedded".to_owned(),
        }
    }
}

impl Database {
    fn of(section: &file::DatabaseSection, url: Option<SecretString>) -> Self {
        Self {
            url,
            migrate: section.migrate,
            connections_max: section.connections_max.get(),
            connect_timeout: seconds(section.connect_timeout_seconds),
            statement_cache: section.statement_cache.get(),
        }
    }

    /// The settings of the warehouse at this URL.
    pub fn at(&self, url: SecretString) -> warehouse::WarehouseSettings {
        warehouse::WarehouseSettings {
            url,
            connections_max: self.connections_max,
            connect_timeout: self.connect_timeout,
            statement_cache: self.statement_cache,
        }
    }
}

/// The daemon's HTTP service.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where it listens; `None`: it is off.
    pub listen: Option<SocketAddr>,
    /// The accepted host names, besides IP addresses and localhost.
    pub hosts: Vec<String>,
}

/// Why the configuration is not valid: every problem that was found.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is invalid:\n  {}", problems.join("\n  "))]
pub struct ConfigError {
    /// One sentence each, without values of secrets.
    pub problems: Vec<String>,
}

impl Config {
    /// Reads defaults, the file and the environment, and checks everything.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let mut config = read(sources(path), &given_by_environment())?;
        config.readable_by_all = path
            .filter(|path| config.has_secret_inside && exposure::is_readable_by_all(path))
            .map(Into::into);
        config.path = path.map(Into::into);
        Ok(config)
    }

    /// Whether a project of this name is configured.
    pub fn has_project(&self, name: &str) -> bool {
        self.projects.iter().any(|project| project.name.as_str() == name)
    }

    /// Reads defaults and the given text, and checks everything.
    pub fn of_text(text: &str) -> Result<Self, ConfigError> {
        let sources = defaults().add_source(config::File::from_str(text, FileFormat::Toml));
        read(sources, &BTreeSet::new())
    }
}

fn read(sources: Sources, environment: &BTreeSet<String>) -> Result<Config, ConfigError> {
    let unreadable = |error| ConfigError { problems: vec![sentence(&error)] };
    let sources = sources.build().map_err(unreadable)?;
    let given = sources.clone().try_deserialize().map_err(unreadable)?;
    let defaults = defaults().build().and_then(config::Config::try_deserialize);
    let problems = numbers::problems(&given, &defaults.map_err(unreadable)?);
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    check(sources.try_deserialize().map_err(unreadable)?, environment)
}

/// Describes the problem without the value that was found, which may be a misplaced secret.
fn sentence(error: &SourceError) -> String {
    match error {
        SourceError::Type { expected, key, origin, .. } => {
            let key = key.as_deref().unwrap_or("a value");
            let origin =
                origin.as_deref().map(|origin| format!(" in {origin}")).unwrap_or_default();
            format!("`{key}`{origin} must be {expected}")
        }
        SourceError::At { error, key, .. } => match key {
            Some(key) => format!("`{key}`: {}", sentence(error)),
            None => sentence(error),
        },
        // The library's message contains the line, and with it possibly a secret.
        SourceError::FileParse { uri, cause } => {
            let file = uri.as_deref().unwrap_or("the configuration");
            let span = cause.downcast_ref::<toml::de::Error>().and_then(toml::de::Error::span);
            match span.and_then(|span| place(file, span.start)) {
                Some((line, column)) => {
                    format!("{file} is not valid TOML: see line {line}, column {column}")
                }
                None => format!("{file} is not valid TOML"),
            }
        }
        other => other.to_string(),
    }
}

/// Line and column of a byte of a file, from 1.
fn place(file: &str, at: usize) -> Option<(usize, usize)> {
    let text = std::fs::read(file).ok()?;
    let before = text.get(..at)?;
    let mut lines = before.split(|byte| *byte == b'\n');
    let column = String::from_utf8_lossy(lines.next_back()?).chars().count() + 1;
    Some((lines.count() + 1, column))
}

fn check(file: file::File, environment: &BTreeSet<String>) -> Result<Config, ConfigError> {
    let mut problems = Vec::new();
    let credentials_dir = variable("CREDENTIALS_DIRECTORY");
    let mut read = |places: secret::Places<'_>| {
        places.read().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        })
    };
    let url = read(secret::Places {
        key: "database.url",
        given: file.database.url.clone(),
        file: file.database.url_file.as_ref(),
        credential: file.database.url_credential.as_ref(),
        credentials_dir: credentials_dir.as_deref(),
        environment,
    });
    let pseudonym_key = read(secret::Places {
        key: "privacy.pseudonym_key",
        given: file.privacy.pseudonym_key.clone(),
        file: file.privacy.pseudonym_key_file.as_ref(),
        credential: file.privacy.pseudonym_key_credential.as_ref(),
        credentials_dir: credentials_dir.as_deref(),
        environment,
    });
    let mut projects = Vec::new();
    for (name, project) in &file.project {
        let api_key = read(secret::Places {
            key: &format!("project.{name}.api_key"),
            given: project.api_key.clone(),
            file: project.api_key_file.as_ref(),
            credential: project.api_key_credential.as_ref(),
            credentials_dir: credentials_dir.as_deref(),
            environment,
        });
        projects.push((name, project, api_key));
    }
    let shares = shares(&file.budget).unwrap_or_else(|problem| {
        problems.push(problem);
        ByLane::default()
    });
    problems.extend(equal_keys(&projects));
    let mut checked = Vec::new();
    for (name, project, api_key) in projects {
        match project::settings(&file, name, project, api_key, pseudonym_key.clone(), shares) {
            Ok(settings) => checked.push(settings),
            Err(problem) => problems.push(problem),
        }
    }
    let data_dir = file.data_dir.clone().or_else(default_data_dir);
    if data_dir.is_none() && url.is_none() {
        problems.push(
            "`database.url` or `data_dir` is required: there is neither a state directory nor a \
             home directory"
                .to_owned(),
        );
    }
    let http = http(file.http.clone()).unwrap_or_else(|problem| {
        problems.push(problem);
        Http { listen: None, hosts: Vec::new() }
    });
    let schedules = schedules(&file.sync.schedules).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    Ok(Config {
        readable_by_all: None,
        path: None,
        has_secret_inside: exposure::has_secret_inside(&file, environment),
        data_dir,
        database: Database::of(&file.database, url),
        sync: sync_settings(&file, schedules),
        projects: checked,
        http,
        log_format: file.log.format,
        log_filter: file.log.filter,
        is_log_filter_fixed: false,
    })
}

/// Reports projects of the same kind that have the same API key. They would store the same records
/// twice, or mix two accounts.
fn equal_keys(projects: &[(&String, &file::ProjectSection, Option<SecretString>)]) -> Vec<String> {
    let keys = projects.iter().filter_map(|(name, project, api_key)| {
        Some((*name, project.kind, api_key.as_ref()?.expose_secret()))
    });
    let keys: Vec<_> = keys.collect();
    let mut problems = Vec::new();
    for (index, (name, kind, key)) in keys.iter().enumerate() {
        let mut earlier = keys.iter().take(index);
        if let Some((other, ..)) = earlier.find(|(_, known, held)| (known, held) == (kind, key)) {
            problems.push(format!(
                "`project.{name}`: `api_key` is the same as that of `project.{other}`; each key \
                 belongs to one project"
            ));
        }
    }
    problems
}

/// The address of the daemon's HTTP service; `None`: it is off. Reads no secret.
pub fn http_listen(path: Option<&Path>) -> Result<Option<SocketAddr>, ConfigError> {
    let listen = sources::http_listen(path)
        .map_err(|problem| ConfigError { problems: vec![sentence(&problem)] })?;
    let section = file::HttpSection { listen, hosts: Vec::new() };
    http(section).map(|http| http.listen).map_err(|problem| ConfigError { problems: vec![problem] })
}

/// The daemon's HTTP service.
fn http(given: file::HttpSection) -> Result<Http, String> {
    let file::HttpSection { listen, hosts } = given;
    if listen == "off" {
        return Ok(Http { listen: None, hosts });
    }
    let listen = listen.parse().map_err(|_no_address| {
        "`http.listen` must be an IP address with a port, such as 127.0.0.1:8642, or \"off\""
    })?;
    Ok(Http { listen: Some(listen), hosts })
}

/// The daemon's schedules, at least one.
fn schedules(given: &[String]) -> Result<Vec<Schedule>, String> {
    let problem = |problem: &dyn std::fmt::Display| format!("`sync.schedules`: {problem}");
    let schedules = given.iter().map(|text| text.parse().map_err(|error| problem(&error)));
    let schedules = schedules.collect::<Result<Vec<_>, _>>()?;
    if schedules.is_empty() {
        return Err(problem(&"without one, the daemon would never start a round"));
    }
    Ok(schedules)
}

fn sync_settings(file: &file::File, schedules: Vec<Schedule>) -> sync::SyncSettings {
    let sync = &file.sync;
    sync::SyncSettings {
        planner: planner::PlanSettings {
            since: sync.since,
            settle: chrono::Duration::minutes(i64::from(sync.settle_minutes)),
            window_days: sync.window_days.get(),
            // Replaced by each project's own page size.
            page_size: file.client.page_size.get(),
            revisit: planner::Revisit::PUBLISHED,
            cycle: chrono::Duration::days(i64::from(file.audit.cycle_days.get())),
            cycle_calls_per_day: file.audit.calls_per_day,
            detail_cycle: chrono::Duration::days(i64::from(file.audit.detail_cycle_days.get())),
        },
        bytes_in_flight: sync.bytes_in_flight.get(),
        give_up_after: seconds(sync.give_up_after_minutes) * 60,
        schedules,
        blocked_retry: seconds(sync.blocked_retry_minutes) * 60,
    }
}

/// What each lane is sure of, in percent.
fn shares(budget: &file::BudgetSection) -> Result<ByLane<u32>, String> {
    let given = budget.shares;
    let shares = ByLane::of(|lane| match lane {
        Lane::Recent => given.recent,
        Lane::Unsettled => given.unsettled,
        Lane::Detail => given.detail,
        Lane::Backfill => given.backfill,
        Lane::Audit => given.audit,
    });
    let sum: u64 = shares.iter().map(|(_, share)| u64::from(*share)).sum();
    if sum > 100 {
        return Err(format!("`budget.shares` must sum to at most 100 percent, not {sum}"));
    }
    Ok(shares)
}

/// Returns the default of `data_dir`.
fn default_data_dir() -> Option<PathBuf> {
    // systemd separates several directories by colons; the first one is used.
    let state = variable("STATE_DIRECTORY");
    let state = state.and_then(|dirs| Some(PathBuf::from(dirs.to_str()?.split(':').next()?)));
    let is_root = || exposure::own_user() == Some(0);
    state
        .or_else(|| is_root().then(|| PathBuf::from("/var/lib/argos-sync")))
        .or_else(|| variable("XDG_STATE_HOME").map(|dir| dir.join("argos-sync")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/state/argos-sync")))
}

/// An environment variable that holds a path; an empty one counts as not set.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
