//! The outcome of a project's work: failures become outcomes, and a rejected project is blocked.

use tracing::{error, warn};

use super::{
    binding::NotBound,
    outcome::{Conclusion, Failure, ProjectOutcome},
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
    result: Result<Conclusion, Failure>,
) -> Result<Conclusion, WarehouseError> {
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
) -> Result<Conclusion, WarehouseError> {
    match failure {
        Failure::Interrupted | Failure::Warehouse(WarehouseError::NoTime) => {
            Ok(Conclusion::of(ProjectOutcome::Interrupted))
        }
        Failure::Warehouse(fault) if fault.remedy() != warehouse::WarehouseRemedy::CallPerson => {
            warn!(
                project = %project.name(), error = %fault, advice = fault.advice(),
                "the project stopped"
            );
            let reason = format!("{fault}; {}", fault.advice());
            Ok(Conclusion::because(ProjectOutcome::Partial, reason))
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
            Ok(Conclusion::because(outcome, format!("{fault}; {}", fault.advice())))
        }
        Failure::NotBound(fault) => {
            let why = fault.in_words(project.name());
            error!(project = %project.name(), error = why, "the project stopped");
            match fault {
                NotBound::Other(_) => {
                    world.warehouse.block(project.name(), &why).await?;
                    Ok(Conclusion::because(ProjectOutcome::Blocked, why))
                }
                NotBound::OtherFirst => Ok(Conclusion::because(ProjectOutcome::Partial, why)),
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
                return Ok(Conclusion::because(ProjectOutcome::Blocked, why));
            }
            Ok(Conclusion::because(ProjectOutcome::Partial, why))
        }
    }
}
