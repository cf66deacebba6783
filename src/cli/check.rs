//! `check`: configuration, database, keys and what the API does with them, one line each, with what
//! to do. It writes nothing but what it finds out about the API.

use std::{ops::BitAnd, sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio_util::sync::CancellationToken;

use super::{
    clocks,
    exit::{ExitStatus, Failed},
    open::{self, Opened},
    print,
    status::{UNCONFIGURED_ADVICE, last_run},
};
use crate::{
    client::{ClientError, Gate, GateClosed},
    config::Config,
    domain::{Lane, ProjectName, ReadNumber},
    sync::{self, Finding, KeyStanding, ProbeError, Project, World, host_time},
    warehouse::{Concern, KnownProject, Obstacle, Protection, SchemaState},
};

/// A project whose last run ended longer ago is reported as not kept current.
const UNSYNCED_MAX: TimeDelta = TimeDelta::days(2);

/// Time limit of one attempt, and of retries after the first failure: ten seconds together.
const CALL_TIME: Duration = Duration::from_secs(6);
const RETRY_TIME: Duration = Duration::from_secs(4);

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
    match &config.readable_by_all {
        None => well("configuration"),
        Some(path) => {
            let advice = format!("chmod o-r '{}': {}", path.display(), open::READABLE_ADVICE);
            warn("configuration", open::READABLE, &advice);
        }
    }
    let mut all_well = check_since(config);
    let config = &bounded(config);
    let opened = match open::unreached(config).await {
        Ok(opened) => opened,
        Err(failed) => {
            wrong("database", &failed.to_string(), "");
            return Ok(ExitStatus::Wrong);
        }
    };
    let (is_well, can_learn) = check_database(&opened, config).await;
    all_well &= is_well;
    let world = open::world(config, &opened.warehouse, &CancellationToken::new());
    if let Ok(world) = &world {
        for project in &world.projects {
            all_well &= check_key(world, project, can_learn).await
                && check_behaviour(world, project, can_learn).await;
            if can_learn {
                all_well &= check_clocks(&opened, project).await;
            }
        }
    }
    opened.close().await?;
    world.map(|_| if all_well { ExitStatus::Done } else { ExitStatus::Wrong })
}

/// Returns whether the daemon has something to read.
fn check_since(config: &Config) -> bool {
    match config.sync.planner.since {
        None => {
            let advice = "write how far back the warehouse reaches, such as since = \"2024-01-01\"";
            warn("sync.since", "missing: the daemon and `run --once` need it", advice);
            true
        }
        Some(since) if since > host_time().date_naive() => {
            let advice = "correct it: until then, the daemon reads nothing but the newest days";
            wrong("sync.since", &format!("{since} is still to come"), advice);
            false
        }
        Some(_) => true,
    }
}

/// The same configuration with short time limits for calls: the operator waits for the result.
fn bounded(config: &Config) -> Config {
    let mut config = config.clone();
    for project in &mut config.projects {
        let client = &mut project.client;
        client.connect_timeout = client.connect_timeout.min(CALL_TIME / 2);
        client.call_timeout = client.call_timeout.min(CALL_TIME);
        client.retry_time = client.retry_time.min(RETRY_TIME);
    }
    config
}

/// Returns whether all is well, and whether findings can be kept.
async fn check_database(opened: &Opened, config: &Config) -> (bool, bool) {
    let obstacles = match opened.warehouse.obstacles(open::REACH_TIME).await {
        Ok(obstacles) => obstacles,
        Err(error) => {
            wrong("database", &error.to_string(), error.advice());
            return (false, false);
        }
    };
    if let Protection::Less(less) = opened.warehouse.protection() {
        warn("database", less.warning(), "");
    }
    for Obstacle { concern, problem, advice } in &obstacles {
        let how = if concern.stops_work() { wrong } else { warn };
        how(&concern.to_string(), problem, advice);
    }
    let has_no_obstacle = !obstacles.iter().any(|obstacle| obstacle.concern.stops_work());
    // Without the connections that are asked for, each question would wait for those that do not
    // come.
    if obstacles.iter().any(|obstacle| obstacle.concern == Concern::Connections) {
        return (false, false);
    }
    let state = match opened.warehouse.schema_state().await {
        Ok(state) => state,
        Err(error) => {
            wrong("database", &error.to_string(), error.advice());
            return (false, false);
        }
    };
    if let Err(error) = opened.warehouse.check_server().await {
        wrong("database", &error.to_string(), error.advice());
        return (false, false);
    }
    well("database");
    match state {
        SchemaState::Current => {}
        SchemaState::Missing => {
            well("schema: not there yet; the first run, or `argos-sync migrate`, makes it");
            return (has_no_obstacle, false);
        }
        SchemaState::Older(count) => {
            let problem = format!("{count} migrations have not run");
            wrong("schema", &problem, "run `argos-sync migrate`; any run does it too");
            return (false, false);
        }
        SchemaState::Newer => {
            wrong("schema", "made by a newer release", "run the newer release of argos-sync");
            return (false, false);
        }
    }
    well("schema");
    if has_no_obstacle {
        well("rights");
    }
    (check_projects(opened, config).await && has_no_obstacle, has_no_obstacle)
}

/// Shows projects that no process has synced for days, and those that the configuration has not:
/// another one may have them, so that this is not a fault. Returns whether all is well.
async fn check_projects(opened: &Opened, config: &Config) -> bool {
    let known = match opened.warehouse.known_projects().await {
        Ok(known) => known,
        Err(error) => {
            wrong("projects", &error.to_string(), error.advice());
            return false;
        }
    };
    let mut all_well = true;
    for KnownProject { project, last_ended_at } in known {
        let oldest = host_time() - UNSYNCED_MAX;
        if config.has_project(&project) && last_ended_at.is_some_and(|ended| ended < oldest) {
            let problem =
                format!("nothing has kept it current for days: {}", last_run(last_ended_at));
            wrong(&format!("project {project}"), &problem, "start the daemon, or read its log");
            all_well = false;
        }
        if !config.has_project(&project) {
            print::data(&format!(
                "warn   project {project}: in the warehouse, not in this configuration; {}\n       \
                 {UNCONFIGURED_ADVICE}\n",
                last_run(last_ended_at),
            ));
        }
    }
    all_well
}

/// Tries the key, and compares what it opens with what its project is bound to. Without a schema of
/// this release nothing is known of that.
async fn check_key(world: &World, project: &Project, has_schema: bool) -> bool {
    let name = format!("project {}", project.name());
    let answer = project.client(Lane::Detail).through(Arc::new(Unordered)).detail(NO_ID).await;
    if let Err(error) = answer {
        wrong(&name, &error.to_string(), error.advice());
        return false;
    }
    if !has_schema {
        well(&format!("{name}: the API answers to this key"));
        return true;
    }
    let standing = match sync::key_standing(world, project, Arc::new(Unordered)).await {
        Ok(KeyStanding::Verified) => "which is verified",
        Ok(KeyStanding::Proven(..)) => {
            "which opens the bound account; the next run notes it as verified"
        }
        Ok(KeyStanding::First) => "which the next run binds the project to: no record is known yet",
        Ok(KeyStanding::Other(other)) => {
            wrong(&name, &other.to_string(), &other.advice(project.name()));
            return false;
        }
        Err(error) => {
            wrong(&name, &error.to_string(), error.advice());
            return false;
        }
    };
    well(&format!("{name}: the API answers to this key, {standing}"));
    true
}

/// Compares the clocks; the vendor's is known once it has answered.
async fn check_clocks(opened: &Opened, project: &Project) -> bool {
    let vendor = project.client(Lane::Detail).vendor_time();
    let clocks = opened.warehouse.clocks(project.name(), host_time, vendor).await;
    let skews = match clocks {
        Ok(clocks) => clocks.skews(),
        Err(error) => {
            wrong("clocks", &error.to_string(), error.advice());
            return false;
        }
    };
    for skew in &skews {
        wrong(&format!("clocks of project {}", project.name()), &skew.to_string(), clocks::ADVICE);
    }
    skews.is_empty()
}

/// Shows what the API does, and whether it did otherwise before.
async fn check_behaviour(world: &World, project: &Project, can_learn: bool) -> bool {
    let name = project.name();
    let found = if can_learn {
        sync::probe_and_learn(world, project).await
    } else {
        sync::probe(project, Arc::new(Unordered)).await.map_err(ProbeError::from)
    };
    match found {
        Ok(findings) => {
            findings.iter().map(|finding| show(name, finding)).fold(true, BitAnd::bitand)
        }
        // Nothing is wrong with the API: there are no calls left, or not yet.
        Err(ProbeError::Client(error @ ClientError::Gate(_))) => {
            well(&format!("{name}: nothing was found out: {error}"));
            true
        }
        Err(error) => {
            wrong(&name.to_string(), &error.to_string(), error.advice());
            false
        }
    }
}

/// Returns whether it is as before, as far as that is known.
fn show(project: &ProjectName, finding: &Finding) -> bool {
    let Finding { fact, words, before } = finding;
    match before {
        None => well(&format!("{project}: {fact}: {words}")),
        Some(before) => print::data(&format!(
            "warn   {project}: {fact}: {words} (changed: was {before})\n       \
             the vendor does otherwise than at the last check; argos-sync needs no change for it\n"
        )),
    }
    before.is_none()
}

fn well(what: &str) {
    print::data(&format!("ok     {what}\n"));
}

fn wrong(what: &str, problem: &str, advice: &str) {
    say("wrong", what, problem, advice);
}

fn warn(what: &str, problem: &str, advice: &str) {
    say("warn", what, problem, advice);
}

fn say(word: &str, what: &str, problem: &str, advice: &str) {
    let advice = if advice.is_empty() { String::new() } else { format!("       {advice}\n") };
    print::data(&format!("{word:<5}  {what}: {problem}\n{advice}"));
}
