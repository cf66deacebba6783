//! Changes of records while the simulator runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::Stream;

/// A new record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Addition {
    /// Its creation time in milliseconds since 1970; now if absent.
    pub created_at_ms: Option<i64>,
    /// The state of a submission; random if absent. Ignored for face authentications.
    pub result: Option<KycResult>,
}

/// A change of one record. Decisions and edits change `updated_at`; the others do not (contract
/// U32).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A submission gets another state; rejected ones get codes of contract section 11.2.
    Decide {
        /// The new state.
        result: KycResult,
        /// The reasons, for rejected ones.
        #[serde(default)]
        codes: Vec<String>,
    },
    /// AML monitoring flags a submission.
    FlagAml,
    /// AML monitoring finds nothing any more.
    ClearAml,
    /// Texts of `data`, or `email` or `userid`, by name, get other values.
    ///
    /// Only the names that list items contain are visible in lists.
    Edit(BTreeMap<String, String>),
    /// An operator writes a memo.
    Memo(String),
    /// A value changes that only detail calls show.
    Detail,
    /// A submission is deleted: the members of contract section 3.6 stay, with the label.
    Delete,
    /// A face authentication is deleted (`delete_check`).
    DeleteFaceauth {
        /// Whether policy, result and codes stay (Q18).
        keep_result: bool,
    },
    /// The record no longer exists, in lists and by its id.
    Vanish,
    /// A vanished record reappears.
    Return,
    /// The record's creation date is hidden; lists with dates still use it.
    HideDate,
    /// The record's creation date is shown again.
    ShowDate,
    /// Lists with dates omit the record; all other calls show it.
    Unlist,
    /// Lists with dates show the record again.
    Relist,
}

impl Change {
    /// The only stream whose records this change applies to; `None` for any.
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
    /// Waiting for review by a person.
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

/// Why no change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No project has this key.
    #[error("no project has this key")]
    UnknownProject,
    /// The project has no such record.
    #[error("the project has no record of this id")]
    UnknownRecord,
    /// The change does not apply to records of this stream.
    #[error("this cannot happen to a record of this stream")]
    WrongStream,
}
