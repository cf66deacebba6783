//! Projects and their streams.

use std::{fmt, str::FromStr};

/// The name of a project in the configuration: `[a-z0-9_]+`, at most 63 bytes.
///
/// It is the first column of every key in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectName(String);

/// The text is not a valid project name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid project name: use lower-case letters, digits and `_`, at most 63 \
     characters"
)]
pub struct InvalidProjectName(String);

impl ProjectName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectName {
    type Err = InvalidProjectName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidProjectName(text.to_owned()))
        }
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kind of project that an API key opens. Each kind has exactly one stream (contract section
/// 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An ID Check project: submissions.
    IdCheck,
    /// An add-on project with its own key: face authentications of the parent's submissions.
    FaceAuth {
        /// The ID Check project that `kyc_submission_id` refers to.
        parent: ProjectName,
    },
}

impl Kind {
    /// The stream of a project of this kind.
    pub fn stream(&self) -> Stream {
        match self {
            Self::IdCheck => Stream::Submission,
            Self::FaceAuth { .. } => Stream::Faceauth,
        }
    }
}

/// Identifies an API key without revealing it: its HMAC under a random value that only the
/// warehouse stores.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(pub Vec<u8>);

/// A sequence of records that the API lists by creation date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// ID Check submissions (contract section 3).
    Submission,
    /// Face authentications (contract section 6).
    Faceauth,
}

impl Stream {
    /// Every stream, in display order.
    pub const ALL: [Self; 2] = [Self::Submission, Self::Faceauth];

    /// The name used in tables, in logs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submission => "submission",
            Self::Faceauth => "faceauth",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_names_are_lower_case_words() {
        for good in ["main", "a", "kr_2024", "0"] {
            assert_eq!(good.parse::<ProjectName>().unwrap().as_str(), good);
        }
        for bad in ["", "Main", "a-b", "a.b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<ProjectName>().is_err(), "{bad}");
        }
    }
}
