//! Reads single records immediately, through the same code as all other work.

use std::{collections::BTreeSet, pin::pin};

use futures_util::TryStreamExt as _;

use super::run::run_projects;
use crate::{
    client::Find,
    domain::Lane,
    normalize,
    sync::{
        account,
        job::Job,
        outcome::{Conclusion, Failure, ProjectOutcome},
        project::Project,
        world::World,
    },
    warehouse::{Observation, Tally, WarehouseError},
};

/// Answers are stored once their total size reaches this number of bytes.
const STORED_BYTES: usize = 8 << 20;

/// The records to fetch.
#[derive(Debug, Clone)]
pub enum FetchKey {
    /// The record with this id.
    Id(String),
    /// The records with this `userid`, the company's own name for the applicant.
    Userid(String),
    /// The records with this e-mail address.
    Email(String),
}

/// The result of a fetch.
#[derive(Debug, Clone)]
pub struct FetchResult {
    /// The end of the project's work.
    pub conclusion: Conclusion,
    /// The number of records by result.
    pub tally: Tally,
}

/// Fetches records of one project into the warehouse.
pub async fn fetch(
    world: &World,
    project: &Project,
    wanted: &FetchKey,
) -> Result<FetchResult, WarehouseError> {
    let (run, ended) = run_projects(world, "fetch", std::iter::once(project), async |job| {
        store(job, wanted).await
    })
    .await?;
    let tally = world.warehouse.run_tally(run, project.scope()).await?;
    let end = ended.projects.into_iter().next();
    let conclusion =
        end.map_or(Conclusion::of(ProjectOutcome::Complete), |(_, conclusion)| conclusion);
    Ok(FetchResult { conclusion, tally })
}

async fn store(job: Job<'_>, wanted: &FetchKey) -> Result<Conclusion, Failure> {
    let Job { world, project, .. } = job;
    let ids = match wanted {
        FetchKey::Id(id) => BTreeSet::from([id.clone()]),
        FetchKey::Userid(userid) => found(project, Find::Userid(userid)).await?,
        FetchKey::Email(email) => found(project, Find::Email(email)).await?,
    };
    let found = match ask_and_store(job, &ids).await {
        Err(Failure::Warehouse(WarehouseError::ServerChanged)) => {
            world.adopt_server().await?;
            ask_and_store(job, &ids).await?
        }
        other => other?,
    };
    if found == 0 {
        let why = "the vendor has no such record".to_owned();
        return Ok(Conclusion::because(ProjectOutcome::CompleteEmpty, why));
    }
    Ok(Conclusion::of(ProjectOutcome::Complete))
}

/// Makes the detail calls of these records and stores the answers. Returns how many were found.
async fn ask_and_store(job: Job<'_>, ids: &BTreeSet<String>) -> Result<usize, Failure> {
    let Job { world, project, .. } = job;
    let (mut count, mut bytes, mut observations) = (0, 0, Vec::new());
    for id in ids {
        let answer = project.client(Lane::Detail).detail(id).await?;
        let Some(item) = answer.item else { continue };
        account::admit(world, project, answer.vendor_project.as_deref()).await?;
        (count, bytes) = (count + 1, bytes + item.len());
        observations.push(Observation::of(&project.scope, answer.read, item));
        if bytes >= STORED_BYTES {
            commit(job, &observations).await?;
            (bytes, observations) = (0, Vec::new());
        }
    }
    commit(job, &observations).await?;
    Ok(count)
}

async fn commit(job: Job<'_>, observations: &[Observation]) -> Result<(), WarehouseError> {
    let Job { world, project, run } = job;
    world.warehouse.commit_fetched(&project.scope, run, observations).await?;
    Ok(())
}

/// Returns the ids of the records that a search finds. Nothing else is used, because list answers
/// are sparse.
async fn found(project: &Project, by: Find<'_>) -> Result<BTreeSet<String>, Failure> {
    let mut pages = pin!(project.client(Lane::Detail).find(by)?);
    let (stream, volatile) = (project.stream(), &project.scope.volatile);
    let mut ids = BTreeSet::new();
    while let Some(page) = pages.try_next().await? {
        let keys = page.items.iter().map(|item| normalize::read_key(stream, volatile, &item.body));
        ids.extend(keys.filter_map(|key| Some(key.ok()?.id)));
    }
    Ok(ids)
}
