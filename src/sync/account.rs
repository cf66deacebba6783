//! Binds a project to the vendor account from which it was first read (I12).
//!
//! Before anything is written with an unverified API key, detail calls request the records known
//! longest. If one is found, it proves the account; if none is found, the project is rejected.
//! Answers that wrap face authentications also name the vendor's own project.

use std::sync::Arc;

use tracing::{info, warn};

use super::{
    binding::{Account, KeyStanding, NotBound, OtherAccount},
    conclude::conclude_failure,
    outcome::{Conclusion, Failure},
    patience::Patience,
    probe::ProbeError,
    project::Project,
    world::World,
};
use crate::{
    client::{CallLimiter, CallRemedy, Client, ClientError, DetailResponse},
    domain::Lane,
    normalize,
    warehouse::{Binding, FirstKey, KeyProof, WarehouseError},
};

/// Most known records requested to verify a key.
const RECORDS_ASKED: i64 = 3;

/// An id that the vendor never assigns. The answer may still name the vendor project.
const NO_ID: &str = "argos-sync-check";

/// Verifies a project's key before any page is stored.
///
/// An API failure decides nothing: it is retried until patience ends, and then the project is left
/// for later.
pub(super) async fn verify(world: &World, project: &Project) -> Result<(), Failure> {
    let patience = Patience::of(world);
    let client = project.client(Lane::Detail);
    let mut failures = 0;
    loop {
        let asking = async {
            let binding = world.warehouse.binding(project.name()).await?;
            let records = async || {
                world
                    .warehouse
                    .longest_known(&project.scope, RECORDS_ASKED)
                    .await
                    .map_err(Failure::from)
            };
            let standing = standing(project, client, &binding, records).await?;
            Ok((binding, standing))
        };
        let asked = tokio::select! {
            biased;
            () = world.stop.cancelled() => return Err(Failure::Interrupted),
            asked = asking => asked,
        };
        let error = match asked {
            Ok((binding, standing)) => return settle(world, project, binding, standing).await,
            Err(Failure::Client(error)) => error,
            Err(failure) => return Err(failure),
        };
        let not_before = match error.remedy() {
            CallRemedy::Later { not_before } => not_before,
            CallRemedy::Stop => return Err(Failure::Interrupted),
            CallRemedy::FailPass
            | CallRemedy::RestartWindow
            | CallRemedy::SplitWindow
            | CallRemedy::BlockProject => return Err(Failure::Client(error)),
        };
        failures += 1;
        warn!(project = %project.name(), %error, "the API key could not be verified yet");
        if !patience.wait(world, failures, not_before).await {
            let is_ending = world.stop.is_cancelled();
            return Err(if is_ending { Failure::Interrupted } else { Failure::Client(error) });
        }
    }
}

/// Verifies an unbound key again if records that could verify it have become known since.
pub(super) async fn confirm(world: &World, project: &Project) -> Result<(), Failure> {
    let is_bound = project.account().is_bound;
    if is_bound { Ok(()) } else { verify(world, project).await }
}

/// Acts on the result of a verification.
async fn settle(
    world: &World,
    project: &Project,
    binding: Binding,
    standing: KeyStanding,
) -> Result<(), Failure> {
    let name = project.name();
    let is_bound = match standing {
        KeyStanding::Verified => true,
        KeyStanding::Proven(proof, read) => {
            let key = project.pace.key_under(&binding.secret);
            world.warehouse.bind_key(name, key, proof, read).await?;
            info!(project = %name, "the API key was verified: it opens the bound account");
            true
        }
        // The first answer binds it: a key that opens nothing is not worth storing.
        KeyStanding::First => false,
        KeyStanding::Other(other) => return Err(Failure::NotBound(NotBound::Other(other))),
    };
    *project.account() = Account { is_bound, vendor_project: binding.vendor_project };
    Ok(())
}

/// Admits an answer for storing: binds the first key of an account, and rejects any vendor project
/// other than the bound one.
pub(super) async fn admit(
    world: &World,
    project: &Project,
    vendor_project: Option<&str>,
) -> Result<(), Failure> {
    if !project.account().is_bound {
        bind_first(world, project).await?;
    }
    let Some(named) = vendor_project else { return Ok(()) };
    if project.account().vendor_project.is_none() {
        let bound = world.warehouse.bind_vendor_project(project.name(), named).await?;
        project.account().vendor_project = Some(bound);
    }
    same_vendor_project(project, vendor_project)
}

/// Rejects an answer that names a vendor project other than the bound one.
pub(super) fn same_vendor_project(
    project: &Project,
    vendor_project: Option<&str>,
) -> Result<(), Failure> {
    match (project.account().vendor_project.as_deref(), vendor_project) {
        (Some(bound), Some(named)) if bound != named => {
            Err(Failure::NotBound(NotBound::Other(OtherAccount::VendorProject)))
        }
        _ => Ok(()),
    }
}

/// Binds a key that no record could verify. If records have become known meanwhile, verifies the
/// key with them.
async fn bind_first(world: &World, project: &Project) -> Result<(), Failure> {
    let patience = Patience::of(world);
    let mut tries = 0;
    loop {
        let binding = world.warehouse.binding(project.name()).await?;
        let key = project.pace.key_under(&binding.secret);
        match world.warehouse.bind_first_key(&project.scope, key, &world.holder).await? {
            FirstKey::Bound => {
                let mut account = project.account();
                if !std::mem::replace(&mut account.is_bound, true) {
                    info!(
                        project = %project.name(),
                        "no record is known: the project is bound to the account of this API key"
                    );
                }
                return Ok(());
            }
            FirstKey::RecordsKnown => {
                verify(world, project).await?;
                if project.account().is_bound {
                    return Ok(());
                }
            }
            FirstKey::OtherFirst => {}
        }
        tries += 1;
        if !patience.wait(world, tries, None).await {
            let is_ending = world.stop.is_cancelled();
            let undecided = Failure::NotBound(NotBound::OtherFirst);
            return Err(if is_ending { Failure::Interrupted } else { undecided });
        }
    }
}

/// Verifies and binds a project's key for a command that is not a run. Returns the outcome of the
/// project if that failed.
pub async fn verify_key(
    world: &World,
    project: &Project,
) -> Result<Option<Conclusion>, WarehouseError> {
    let verifying = async {
        verify(world, project).await?;
        admit(world, project, None).await
    };
    let verified = verifying.await;
    project.give_calls_back(&world.warehouse).await;
    match verified {
        Ok(()) => Ok(None),
        Err(failure) => conclude_failure(world, project, failure).await.map(Some),
    }
}

/// Compares a project's key with the bound account, by calls through the given limiter. Writes
/// nothing.
pub async fn key_standing(
    world: &World,
    project: &Project,
    limiter: Arc<dyn CallLimiter>,
) -> Result<KeyStanding, ProbeError> {
    let binding = world.warehouse.binding(project.name()).await?;
    let client = project.client(Lane::Detail).through(limiter);
    let records = async || {
        let records = world.warehouse.longest_known(&project.scope, RECORDS_ASKED).await;
        records.map_err(ProbeError::from)
    };
    standing(project, &client, &binding, records).await
}

/// Determines which account the key opens. Requests known records if the key is not verified.
async fn standing<E: From<ClientError>>(
    project: &Project,
    client: &Client,
    binding: &Binding,
    known: impl AsyncFnOnce() -> Result<Vec<String>, E>,
) -> Result<KeyStanding, E> {
    let key = project.pace.key_under(&binding.secret);
    if binding.is_verified(key, true) {
        return Ok(KeyStanding::Verified);
    }
    let records = known().await?;
    if binding.is_verified(key, !records.is_empty()) {
        return Ok(KeyStanding::Verified);
    }
    let bound = binding.vendor_project.as_deref();
    // Without a known record, an answer still names the vendor project.
    let nobody = bound.filter(|_| records.is_empty()).map(|_| NO_ID);
    let mut last_error = None;
    for id in records.iter().map(String::as_str).chain(nobody) {
        match client.detail(id).await {
            Ok(answer) => {
                if let Some(standing) = judge(bound, shows(project, &answer, id), &answer) {
                    return Ok(standing);
                }
            }
            Err(error) if is_of_the_record(&error) => last_error = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match (last_error, records.len()) {
        (Some(error), _) => Err(error.into()),
        (None, 0) => Ok(KeyStanding::First),
        (None, asked) => Ok(KeyStanding::Other(OtherAccount::Records { asked })),
    }
}

/// The proof that one answer provides; `None` if it proves nothing.
fn judge(bound: Option<&str>, shows_record: bool, answer: &DetailResponse) -> Option<KeyStanding> {
    match (bound, answer.vendor_project.as_deref()) {
        (Some(bound), Some(named)) if bound == named => {
            Some(KeyStanding::Proven(KeyProof::VendorProject, answer.read))
        }
        (Some(_), Some(_)) => Some(KeyStanding::Other(OtherAccount::VendorProject)),
        (None, _) | (_, None) if shows_record => {
            Some(KeyStanding::Proven(KeyProof::Record, answer.read))
        }
        (None, _) | (_, None) => None,
    }
}

/// Whether an answer contains the requested record.
fn shows(project: &Project, answer: &DetailResponse, id: &str) -> bool {
    let scope = &project.scope;
    let key = |body| normalize::read_key(scope.stream, &scope.volatile, body).ok();
    answer.item.as_ref().and_then(|body| key(body)).is_some_and(|key| key.id == id)
}

/// Whether a failure may be specific to this record, so that another one is tried.
fn is_of_the_record(error: &ClientError) -> bool {
    match (error, error.remedy()) {
        (ClientError::Unavailable { .. }, _)
        | (_, CallRemedy::FailPass | CallRemedy::SplitWindow | CallRemedy::RestartWindow) => true,
        (_, CallRemedy::Later { .. } | CallRemedy::BlockProject | CallRemedy::Stop) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ReadNumber;

    #[test]
    fn the_vendor_project_decides_where_answers_name_it_and_a_record_elsewhere() {
        let read = ReadNumber(7);
        let by = |proof| Some(KeyStanding::Proven(proof, read));
        let other = Some(KeyStanding::Other(OtherAccount::VendorProject));
        for (bound, named, shows_record, expected) in [
            (None, None, true, by(KeyProof::Record)),
            (None, None, false, None),
            (None, Some("a"), true, by(KeyProof::Record)),
            (None, Some("a"), false, None),
            (Some("a"), None, true, by(KeyProof::Record)),
            (Some("a"), None, false, None),
            (Some("a"), Some("a"), false, by(KeyProof::VendorProject)),
            (Some("a"), Some("b"), true, other),
        ] {
            let vendor_project = named.map(str::to_owned);
            let answer = DetailResponse { read, item: None, vendor_project, larger: None };
            assert_eq!(judge(bound, shows_record, &answer), expected, "{bound:?} {named:?}");
        }
    }
}
