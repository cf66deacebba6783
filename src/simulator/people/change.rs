//! What happens to records while the simulator runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::Stream;

/// A new record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Addition {
    /// When it was made, in milliseconds since 1970; now when absent.
    pub created_at_ms: Option<i64>,
    /// The state of a submission; drawn when absent. Without meaning for face authentications.
    pub result: Option<KycResult>,
}

/// What happens to one record. Decisions and edits move `updated_at`; the rest does not (contract
/// U32).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A submission gets another state, rejected ones with codes of contract section 11.2.
    Decide {
        /// The new state.
        result: KycResult,
        /// Why; for rejected ones.
        #[serde(default)]
        codes: Vec<String>,
    },
    /// AML monitoring flags a submission.
    FlagAml,
    /// AML monitoring finds nothing any more.
    ClearAml,
    /// Texts of `data`, or `email` or `userid`, by name, get other values.
    ///
    /// Only the names that list items carry are visible in lists.
    Edit(BTreeMap<String, String>),
    /// An operator writes a memo.
    Memo(String),
    /// Something moves that only the detail call shows.
    Detail,
    /// A submission is deleted: what contract section 3.6 keeps stays, with the label.
    Delete,
    /// A face authentication is deleted (`delete_check`).
    DeleteFaceauth {
        /// Whether policy, result and codes stay (Q18).
        keep_result: bool,
    },
    /// The record is no more: in lists, and by its id.
    Vanish,
    /// A record that vanished is back.
    Return,
    /// The record's creation date is shown no more; lists with dates know it all the same.
    HideDate,
    /// The record's creation date is shown again.
    ShowDate,
    /// Lists with dates leave the record out; all other calls show it.
    Unlist,
    /// Lists with dates show the record again.
    Relist,
}

impl Change {
    /// The only stream whose records this can happen to; `None` for any.
    pub(in crate::simulator) fn stream(&self) -> Option<Stream> {
        match self {
            Self::Decide { .. }
            | Self::FlagAml
            | Self::ClearAml
            | Self::Edit(_)
            | Self::Memo(_)
            | Self::Detail
            | Self::Delete => Some(Stream::Submission),
            Self::DeleteFaceauth { .. } => Some(Stream::Faceauth),
            Self::Vanish
            | Self::Return
            | Self::HideDate
            | Self::ShowDate
            | Self::Unlist
            | Self::Relist => None,
        }
    }
}

/// The states of a submission (contract section 11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KycResult {
    /// Started, not finished.
    Incomplete,
    /// Waits for a person to review it.
    Pending,
    /// Accepted.
    Approved,
    /// Refused.
    Rejected,
}

impl KycResult {
    pub(in crate::simulator) fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// Why nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No project has this key.
    #[error("no project has this key")]
    UnknownProject,
    /// The project has no such record.
    #[error("the project has no record of this id")]
    UnknownRecord,
    /// A change of submissions was asked for a face authentication, or the reverse.
    #[error("this cannot happen to a record of this stream")]
    WrongStream,
}
