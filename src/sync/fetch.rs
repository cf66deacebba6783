//! Reads single records now, through the same path as everything else.

use std::collections::BTreeSet;

use super::{
    Project, World, account,
    outcome::{Failure, ProjectOutcome},
    run::run_projects,
    writing::{adopt_server, insist},
};
use crate::{
    client::Find,
    domain::Lane,
    normalize,
    warehouse::{Observation, RunId, Tally, WarehouseError},
};

/// Which records are wanted.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The one with that id.
    Id(String),
    /// Those of the company's own name for the applicant.
    Userid(String),
    /// Those of an e-mail address.
    Email(String),
}

/// What a fetch came to.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// How the project ended, and why if not well.
    pub outcome: ProjectOutcome,
    /// What went wrong.
    pub why: Option<String>,
    /// How many records became what.
    pub tally: Tally,
}

/// Fetches records of one project into the warehouse.
pub async fn fetch(
    world: &World,
    project: &Project,
    wanted: &Wanted,
) -> Result<Fetched, WarehouseError> {
    let (run, ended) =
        run_projects(world, "fetch", std::iter::once(project), async |project, run| {
            store(world, project, wanted, run).await
        })
        .await?;
    let tally = world.warehouse.run_tally(run, project.scope()).await?;
    let end = ended.projects.into_iter().next();
    let (outcome, why) =
        end.map_or((ProjectOutcome::Complete, None), |(_, outcome, why)| (outcome, why));
    Ok(Fetched { outcome, why, tally })
}

async fn store(
    world: &World,
    project: &Project,
    wanted: &Wanted,
    run: RunId,
) -> Result<(ProjectOutcome, Option<String>), Failure> {
    let ids = match wanted {
        Wanted::Id(id) => BTreeSet::from([id.clone()]),
        Wanted::Userid(userid) => found(project, Find::Userid(userid)).await?,
        Wanted::Email(email) => found(project, Find::Email(email)).await?,
    };
    let found = match ask_and_store(world, project, run, &ids).await {
        Err(Failure::Warehouse(WarehouseError::ServerChanged)) => {
            adopt_server(world).await?;
            ask_and_store(world, project, run, &ids).await?
        }
        other => other?,
    };
    if found == 0 {
        let why = "the vendor knows no such record".to_owned();
        return Ok((ProjectOutcome::CompleteEmpty, Some(why)));
    }
    Ok((ProjectOutcome::Complete, None))
}

/// Makes the single calls of these records and stores what they bring; returns how many were found.
async fn ask_and_store(
    world: &World,
    project: &Project,
    run: RunId,
    ids: &BTreeSet<String>,
) -> Result<usize, Failure> {
    let mut observations = Vec::new();
    for id in ids {
        let answer = project.client(Lane::Detail).detail(id).await?;
        if let Some(item) = answer.item {
            account::admit(world, project, answer.vendor_project.as_deref()).await?;
            observations.push(Observation::of(&project.scope, answer.read, item));
        }
    }
    insist(world, async || {
        world.warehouse.commit_fetched(&project.scope, run, &observations).await
    })
    .await?;
    Ok(observations.len())
}

/// List answers are sparse, so they only tell the ids.
async fn found(project: &Project, by: Find<'_>) -> Result<BTreeSet<String>, Failure> {
    let pages = project.client(Lane::Detail).find(by).await?;
    let items = pages.iter().flat_map(|page| &page.items);
    let scope = &project.scope;
    let glances = items.map(|item| normalize::glance(scope.stream, &scope.volatile, &item.body));
    Ok(glances.filter_map(|glance| Some(glance.ok()?.id)).collect())
}
