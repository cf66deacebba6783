//! The outcome of a project's work: failures become outcomes, and a rejected project is blocked.

use tracing::{error, warn};

use super::{
    binding::NotBound,
    outcome::{Failure, ProjectOutcome},
    project::Project,
    world::World,
};
use crate::{
    client::CallRemedy,
    warehouse::{self, WarehouseError},
};

/// Turns the result of a project's work into an outcome with a message for the operator.
pub(super) async fn conclude(
    world: &World,
    project: &Project,
    result: Result<(ProjectOutcome, Option<String>), Failure>,
) -> Result<(ProjectOutcome, Option<String>), WarehouseError> {
    match result {
        Ok(end) => {
            world.warehouse.unblock(project.name()).await?;
            world.warehouse.note_account(&project.scope).await?;
            Ok(end)
        }
        Err(failure) => conclude_failure(world, project, failure).await,
    }
}

/// Turns a failure into an outcome with a message for the operator.
pub(super) async fn conclude_failure(
    world: &World,
    project: &Project,
    failure: Failure,
) -> Result<(ProjectOutcome, Option<String>), WarehouseError> {
    match failure {
        Failure::Interrupted | Failure::Warehouse(WarehouseError::NoTime) => {
            Ok((ProjectOutcome::Interrupted, None))
        }
        Failure::Warehouse(fault) if fault.remedy() != warehouse::WarehouseRemedy::CallPerson => {
            warn!(
                project = %project.name(), error = %fault, advice = fault.advice(),
                "the project stopped"
            );
            Ok((ProjectOutcome::Partial, Some(format!("{fault}; {}", fault.advice()))))
        }
        Failure::Warehouse(fault) => {
            error!(
                project = %project.name(), error = %fault, advice = fault.advice(),
                "the project failed"
            );
            let outcome = if fault.is_of_setup() {
                ProjectOutcome::Misconfigured
            } else {
                ProjectOutcome::Failed
            };
            Ok((outcome, Some(format!("{fault}; {}", fault.advice()))))
        }
        Failure::NotBound(fault) => {
            let why = fault.in_words(project.name());
            error!(project = %project.name(), error = why, "the project stopped");
            match fault {
                NotBound::Other(_) => {
                    world.warehouse.block(project.name(), &why).await?;
                    Ok((ProjectOutcome::Blocked, Some(why)))
                }
                NotBound::OtherFirst => Ok((ProjectOutcome::Partial, Some(why))),
            }
        }
        Failure::Client(fault) => {
            let why = format!("{fault}; {}", fault.advice());
            error!(
                project = %project.name(), error = %fault, advice = fault.advice(),
                "the project stopped"
            );
            if fault.remedy() == CallRemedy::BlockProject {
                let reason = fault.to_string();
                world.warehouse.block(project.name(), &reason).await?;
                return Ok((ProjectOutcome::Blocked, Some(why)));
            }
            Ok((ProjectOutcome::Partial, Some(why)))
        }
    }
}
