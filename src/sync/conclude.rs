//! The outcome of a project's work: failures become outcomes, and a rejected project is blocked.

use super::{
    binding::NotBound,
    outcome::{Conclusion, Failure, ProjectOutcome},
    project::Project,
    told::tell,
    world::World,
};
use crate::{
    client::CallRemedy,
    warehouse::{self, WarehouseError},
};

/// The topic of the failure that ended a project's work.
const STOPPED: &str = "stopped";

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
            tell!(
                warn, project, STOPPED, fault;
                error = %fault, advice = fault.advice(), "the project stopped"
            );
            let reason = format!("{fault}; {}", fault.advice());
            Ok(Conclusion::because(ProjectOutcome::Partial, reason))
        }
        Failure::Warehouse(fault) => {
            tell!(
                error, project, STOPPED, fault;
                error = %fault, advice = fault.advice(), "the project failed"
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
            tell!(error, project, STOPPED, why; error = why, "the project stopped");
            match fault {
                NotBound::Other(_) => {
                    world.warehouse.block(project.name(), &why).await?;
                    Ok(Conclusion::because(ProjectOutcome::Blocked, why))
                }
                NotBound::OtherFirst => Ok(Conclusion::because(ProjectOutcome::Partial, why)),
            }
        }
        Failure::Client(fault) if fault.is_planned() => {
            tell!(warn, project, STOPPED, fault; reason = %fault, "the project waits");
            Ok(Conclusion::because(ProjectOutcome::InProgress, fault.to_string()))
        }
        Failure::Client(fault) => {
            let why = format!("{fault}; {}", fault.advice());
            tell!(
                error, project, STOPPED, fault;
                error = %fault, advice = fault.advice(), "the project stopped"
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
