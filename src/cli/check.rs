//! `check`: tests the configuration, the database and the keys, and probes the API. Prints one line
//! for each finding, with advice if something is wrong. Writes only findings about the API and the
//! number of calls.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta};
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio_util::sync::CancellationToken;

use super::{
    checklist::{Checklist, Form},
    exit::{ExitStatus, Failed},
    open::{self, Opened},
    status::{UNCONFIGURED_ADVICE, last_run},
};
use crate::{
    client::{Admission, CallLimiter, ClientError, LimiterClosed},
    config::Config,
    domain::{GrantedRate, Lane, ProjectName, ReadNumber},
    status::clocks,
    sync::{self, Finding, KeyStanding, ProbeError, Project, World, host_time},
    warehouse::{Concern, KnownProject, Obstacle, Protection, SchemaState, WarehouseError},
};

/// A project whose last run ended longer ago than this is reported as not synced.
const UNSYNCED_MAX: TimeDelta = TimeDelta::days(2);

/// Time limit of one attempt of a call.
const CALL_TIME: Duration = Duration::from_secs(6);
/// Time limit of the retries of a call, counted from its first failure. Together with
/// [`CALL_TIME`], this is ten seconds.
const RETRY_TIME: Duration = Duration::from_secs(4);

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckOptions {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An id that no record has, so that the call tests the key without reading personal data.
const NO_ID: &str = "argos-sync-check";

/// Admits every call at once. All get the same read number, because their answers are not stored.
struct Unordered;

impl CallLimiter for Unordered {
    fn acquire<'a>(
        &'a self,
        _is_paused: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Admission>, LimiterClosed>> {
        let granted = GrantedRate { at: DateTime::UNIX_EPOCH, rate: f64::INFINITY, cuts: 0 };
        ready(Ok(Some(Admission { read: ReadNumber(0), granted }))).boxed()
    }
}

/// Checks everything and prints the findings.
pub(super) async fn check(config: &Config, options: &CheckOptions) -> Result<ExitStatus, Failed> {
    let mut list = Checklist::new(if options.json { Form::Json } else { Form::Text });
    let checked = check_all(config, &mut list).await;
    let status = list.finish()?;
    checked.map(|()| status)
}

async fn check_all(config: &Config, list: &mut Checklist) -> Result<(), Failed> {
    match &config.readable_by_all {
        None => list.ok("configuration", ""),
        Some(path) => {
            let advice = format!("chmod o-r '{}': {}", path.display(), open::READABLE_ADVICE);
            list.warn("configuration", open::READABLE, &advice);
        }
    }
    check_since(config, list);
    let config = &bounded(config);
    let opened = match open::unreached(config).await {
        Ok(opened) => opened,
        Err(failed) => {
            list.wrong("database", &failed.to_string(), "");
            return Ok(());
        }
    };
    let can_learn = check_database(&opened, config, list).await;
    let world = open::world(config, &opened.warehouse, &CancellationToken::new());
    let world = world.map(World::without_retries);
    if let Ok(world) = &world {
        for project in &world.projects {
            let is_usable = check_key(world, project, can_learn, list).await;
            if can_learn {
                check_clocks(&opened, project, list).await;
            }
            if is_usable {
                check_behaviour(world, project, can_learn, list).await;
            }
        }
    }
    opened.close().await?;
    world.map(drop)
}

fn check_since(config: &Config, list: &mut Checklist) {
    match config.sync.planner.since {
        None => {
            let advice = "set the first day of the warehouse, such as since = \"2024-01-01\"";
            list.warn("sync.since", "missing: the daemon and `run --once` need it", advice);
        }
        Some(since) if since > host_time().date_naive() => {
            let advice = "correct it: until then, the daemon reads the newest days only";
            list.wrong("sync.since", &format!("{since} is in the future"), advice);
        }
        Some(_) => {}
    }
}

/// Returns the configuration with short time limits for calls, because the operator waits for the
/// result.
fn bounded(config: &Config) -> Config {
    let mut config = config.clone();
    for project in &mut config.projects {
        let client = &mut project.client;
        client.connect_timeout = client.connect_timeout.min(CALL_TIME / 2);
        client.request_timeout = client.request_timeout.min(CALL_TIME);
        client.retry_budget = client.retry_budget.min(RETRY_TIME);
    }
    config
}

/// Checks the database and its projects. Returns whether findings about the API can be stored.
async fn check_database(opened: &Opened, config: &Config, list: &mut Checklist) -> bool {
    let obstacles = match opened.warehouse.obstacles(open::REACH_TIME).await {
        Ok(obstacles) => obstacles,
        Err(error) => {
            list.wrong("database", &error.to_string(), error.advice());
            return false;
        }
    };
    if let Protection::Less(less) = opened.warehouse.protection() {
        list.warn("database", less.warning(), "");
    }
    for Obstacle { concern, problem, advice } in &obstacles {
        if concern.stops_work() {
            list.wrong(&concern.to_string(), problem, advice);
        } else {
            list.warn(&concern.to_string(), problem, advice);
        }
    }
    let has_no_obstacle = !obstacles.iter().any(|obstacle| obstacle.concern.stops_work());
    // With too few connections, each of the following queries would wait until its timeout.
    if obstacles.iter().any(|obstacle| obstacle.concern == Concern::Connections) {
        return false;
    }
    let state = match opened.warehouse.schema_state().await {
        Ok(state) => state,
        Err(error) => {
            list.wrong("database", &error.to_string(), error.advice());
            return false;
        }
    };
    if let Err(error) = opened.warehouse.check_server().await {
        list.wrong("database", &error.to_string(), error.advice());
        return false;
    }
    list.ok("database", "");
    match state {
        SchemaState::Current => {}
        SchemaState::Missing => {
            let message = "does not exist yet; the first run or `argos-sync migrate` creates it";
            list.ok("schema", message);
            return false;
        }
        SchemaState::Older(count) => {
            let problem = format!("{count} migrations have not run");
            list.wrong(
                "schema",
                &problem,
                "run `argos-sync migrate`; every run migrates the schema, too",
            );
            return false;
        }
        SchemaState::Newer => {
            let advice = "run the newer release of argos-sync";
            list.wrong("schema", "created by a newer release", advice);
            return false;
        }
        SchemaState::Unreleased => {
            let error = WarehouseError::UnreleasedSchema;
            list.wrong("schema", &error.to_string(), error.advice());
            return false;
        }
    }
    list.ok("schema", "");
    if has_no_obstacle {
        list.ok("rights", "");
    }
    check_projects(opened, config, list).await;
    has_no_obstacle
}

/// Reports projects that no process has synced for days. A project that this configuration does not
/// contain is only a warning, because another configuration may contain it.
async fn check_projects(opened: &Opened, config: &Config, list: &mut Checklist) {
    let known = match opened.warehouse.known_projects().await {
        Ok(known) => known,
        Err(error) => return list.wrong("projects", &error.to_string(), error.advice()),
    };
    for KnownProject { project, last_ended_at } in known {
        let subject = format!("project {project}");
        let oldest = host_time() - UNSYNCED_MAX;
        if !config.has_project(&project) {
            let problem = format!(
                "in the warehouse, but not in this configuration; {}",
                last_run(last_ended_at)
            );
            list.warn(&subject, &problem, UNCONFIGURED_ADVICE);
        } else if last_ended_at.is_some_and(|ended| ended < oldest) {
            let problem = format!("not synced for days: {}", last_run(last_ended_at));
            list.wrong(&subject, &problem, "start the daemon, or read its log");
        }
    }
}

/// Tests the key and compares the account that it opens with the bound one. Skips the comparison if
/// `has_schema` is false, because the bound account is then unknown. Returns whether the key can be
/// used.
async fn check_key(
    world: &World,
    project: &Project,
    has_schema: bool,
    list: &mut Checklist,
) -> bool {
    let subject = format!("project {}", project.name());
    let answer = project.client(Lane::Detail).through(Arc::new(Unordered)).detail(NO_ID).await;
    if let Err(error) = answer {
        list.wrong(&subject, &error.to_string(), error.advice());
        return false;
    }
    if !has_schema {
        list.ok(&subject, "the API accepts this key");
        return true;
    }
    let standing = match sync::key_standing(world, project, Arc::new(Unordered)).await {
        Ok(KeyStanding::Verified) => "which is verified",
        Ok(KeyStanding::Proven(..)) => {
            "which opens the bound account; the next run stores it as verified"
        }
        Ok(KeyStanding::First) => {
            "to which the next run binds the project, because no record is known yet"
        }
        Ok(KeyStanding::Other(other)) => {
            list.wrong(&subject, &other.to_string(), &other.advice(project.name()));
            return false;
        }
        Err(error) => {
            list.wrong(&subject, &error.to_string(), error.advice());
            return false;
        }
    };
    list.ok(&subject, &format!("the API accepts this key, {standing}"));
    true
}

/// Compares the clocks of this machine, PostgreSQL and the vendor. The vendor's time is known only
/// after an answer.
async fn check_clocks(opened: &Opened, project: &Project, list: &mut Checklist) {
    let vendor = project.client(Lane::Detail).vendor_time();
    let clocks = opened.warehouse.clocks(project.name(), host_time, vendor).await;
    let skews = match clocks {
        Ok(clocks) => clocks.skews(),
        Err(error) => return list.wrong("clocks", &error.to_string(), error.advice()),
    };
    let subject = format!("clocks of project {}", project.name());
    for skew in &skews {
        list.wrong(&subject, &skew.to_string(), clocks::ADVICE);
    }
}

/// Probes the API and reports the findings. Stores them if `can_learn` is true.
async fn check_behaviour(world: &World, project: &Project, can_learn: bool, list: &mut Checklist) {
    let name = project.name();
    let found = if can_learn {
        sync::probe_and_learn(world, project).await
    } else {
        sync::probe(project, Arc::new(Unordered)).await
    };
    match found {
        Ok(findings) => findings.iter().for_each(|finding| show(name, finding, list)),
        // The budget admits no calls for now, which is not a fault of the API.
        Err(ProbeError::Client(error @ ClientError::Limiter(_))) => {
            list.ok(name.as_str(), &format!("the probe failed: {error}"));
        }
        Err(error @ ProbeError::Slow) => {
            list.warn(name.as_str(), &error.to_string(), error.advice());
        }
        Err(error) => list.wrong(name.as_str(), &error.to_string(), error.advice()),
    }
}

/// Reports a finding, as a change if it contradicts an earlier one.
fn show(project: &ProjectName, finding: &Finding, list: &mut Checklist) {
    let Finding { fact, words, before } = finding;
    let message = format!("{fact}: {words}");
    match before {
        None => list.ok(project.as_str(), &message),
        Some(before) => list.changed(
            project.as_str(),
            &format!("{message} (changed: was {before})"),
            "the API behaves differently from the last check; argos-sync adapts by itself",
        ),
    }
}
