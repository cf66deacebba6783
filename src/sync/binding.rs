//! The account that a project is bound to (I12), and why a key is rejected.

use crate::{
    domain::{ProjectName, ReadNumber},
    warehouse::KeyProof,
};

/// The state of the account that a project is bound to, as known to this process.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Whether a key was verified, or a first one bound.
    pub(super) is_bound: bool,
    pub(super) vendor_project: Option<String>,
}

/// The answers come from an account other than the bound one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OtherAccount {
    /// None of the known records was found.
    #[error(
        "the API key opens another account: none of the {asked} requested known records was found"
    )]
    Records {
        /// The number of records requested.
        asked: usize,
    },
    /// The answer names another vendor project.
    #[error("the API key opens another face authentication project than before")]
    VendorProject,
}

impl OtherAccount {
    /// The next step for the operator.
    pub fn advice(self, project: &ProjectName) -> String {
        format!(
            "check `api_key` and `base_url` of [project.{project}]; use a separate section for \
             another account; if this account is correct, run `argos-sync project rebind \
             {project}`"
        )
    }
}

/// Why nothing may be written with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotBound {
    /// The key opens another account.
    #[error(transparent)]
    Other(OtherAccount),
    /// Another process has bound another key, and has not yet stored a record that could verify
    /// this one.
    #[error(
        "another process has just bound another API key, and no record is known yet for a \
         comparison"
    )]
    OtherFirst,
}

impl NotBound {
    /// The message for the operator.
    pub(super) fn in_words(self, project: &ProjectName) -> String {
        match self {
            Self::Other(other) => format!("{other}; {}", other.advice(project)),
            Self::OtherFirst => format!(
                "{self}; check that the keys in all configurations of [project.{project}] belong \
                 to one account, and start again"
            ),
        }
    }
}

/// The account that a key opens, compared with the bound one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// The key was verified earlier.
    Verified,
    /// The key opens the bound account, as of that read number.
    Proven(KeyProof, ReadNumber),
    /// No record is known that could verify the key.
    First,
    /// The key opens another account.
    Other(OtherAccount),
}
