//! How the process ends: every exit code, once.

use std::{fmt, process::ExitCode};

use crate::{
    client,
    config::ConfigError,
    sync::ProjectOutcome,
    telemetry::InvalidFilter,
    warehouse::{WarehouseError, WarehouseRemedy},
};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// Everything asked for was done.
    Done,
    /// The thing asked about is wrong: `check`, `status`.
    Wrong,
    /// The arguments do not fit together.
    Usage,
    /// A part could not be read, or nothing was proven.
    Partial,
    /// The vendor refuses a project's key, or the key opens another account.
    Blocked,
    /// A fault of ours.
    Fault,
    /// What was to be printed could not be written.
    OutputLost,
    /// Stopped from outside; start again.
    Interrupted,
    /// Configuration or rights.
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
            ProjectOutcome::EmptyUnverified | ProjectOutcome::Partial => Self::Partial,
            ProjectOutcome::Blocked => Self::Blocked,
            ProjectOutcome::Misconfigured => Self::Config,
            ProjectOutcome::Failed => Self::Fault,
            ProjectOutcome::Interrupted => Self::Interrupted,
        }
    }
}

/// Why a command could not do its work, in words for the operator.
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
