//! The exit codes of all commands, and the failures that lead to them.

use std::{fmt, process::ExitCode};

use crate::{
    client,
    config::ConfigError,
    sync::ProjectOutcome,
    telemetry::InvalidFilter,
    warehouse::{WarehouseError, WarehouseRemedy},
};

/// The exit status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// All requested work was done.
    Done,
    /// A problem was found, or the requested item does not exist.
    Wrong,
    /// The arguments are not valid.
    Usage,
    /// A part of the work was not done, or an empty result is unverified.
    Partial,
    /// The vendor refuses a project's key, or the key opens another account.
    Blocked,
    /// An internal error.
    Fault,
    /// The output could not be written.
    OutputLost,
    /// The work was interrupted; start it again.
    Interrupted,
    /// The configuration is not valid, or privileges are missing.
    Config,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Done => 0,
            ExitStatus::Wrong => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Partial => 65,
            ExitStatus::Blocked => 69,
            ExitStatus::Fault => 70,
            ExitStatus::OutputLost => 74,
            ExitStatus::Interrupted => 75,
            ExitStatus::Config => 78,
        })
    }
}

impl From<ProjectOutcome> for ExitStatus {
    fn from(outcome: ProjectOutcome) -> Self {
        match outcome {
            ProjectOutcome::Complete | ProjectOutcome::CompleteEmpty => Self::Done,
            ProjectOutcome::InProgress
            | ProjectOutcome::EmptyUnverified
            | ProjectOutcome::Partial => Self::Partial,
            ProjectOutcome::Blocked => Self::Blocked,
            ProjectOutcome::Misconfigured => Self::Config,
            ProjectOutcome::Failed => Self::Fault,
            ProjectOutcome::Interrupted => Self::Interrupted,
        }
    }
}

/// The failure of a command, with a message for the operator.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) status: ExitStatus,
    text: String,
}

impl Failed {
    pub(super) fn new(status: ExitStatus, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self::new(ExitStatus::Config, error.to_string())
    }
}

impl From<InvalidFilter> for Failed {
    fn from(error: InvalidFilter) -> Self {
        Self::new(ExitStatus::Config, error.to_string())
    }
}

impl From<client::SettingsError> for Failed {
    fn from(error: client::SettingsError) -> Self {
        Self::new(ExitStatus::Config, error.to_string())
    }
}

impl From<WarehouseError> for Failed {
    fn from(error: WarehouseError) -> Self {
        let status = match error.remedy() {
            WarehouseRemedy::Retry | WarehouseRemedy::ReadAgain | WarehouseRemedy::GiveUp => {
                ExitStatus::Interrupted
            }
            WarehouseRemedy::CallPerson if error.is_of_setup() => ExitStatus::Config,
            WarehouseRemedy::CallPerson => ExitStatus::Fault,
        };
        Self::new(status, format!("{error}\n  {}", error.advice()))
    }
}

#[cfg(feature = "embedded")]
impl From<crate::embedded::EmbeddedError> for Failed {
    fn from(error: crate::embedded::EmbeddedError) -> Self {
        Self::new(ExitStatus::Config, format!("{error}\n  {}", error.advice()))
    }
}
