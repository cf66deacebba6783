//! The configuration as it is written: one struct for each section of `config/default.toml`.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// All sections.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) database: Database,
    pub(super) sync: Sync,
    pub(super) plan: Plan,
    pub(super) audit: Audit,
    pub(super) deletion: Deletion,
    pub(super) client: Client,
    pub(super) budget: Budget,
    pub(super) raw: Raw,
    pub(super) privacy: Privacy,
    pub(super) log: Log,
    #[serde(default)]
    pub(super) project: BTreeMap<String, Project>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Database {
    pub(super) url: Option<SecretString>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) url_credential: Option<String>,
    pub(super) migrate: Migrate,
    pub(super) connections_max: NonZeroU32,
    pub(super) connect_timeout_seconds: u32,
    pub(super) statement_cache: NonZeroUsize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sync {
    pub(super) since: Option<chrono::NaiveDate>,
    #[serde(deserialize_with = "list")]
    pub(super) schedules: Vec<String>,
    pub(super) window_days: NonZeroU32,
    pub(super) settle_minutes: u32,
    pub(super) detail: Detail,
    pub(super) detail_workers: NonZeroU32,
    pub(super) workers: Option<NonZeroU32>,
    pub(super) bytes_in_flight: NonZeroUsize,
    pub(super) patience_minutes: u32,
    pub(super) blocked_retry_minutes: u32,
    #[serde(deserialize_with = "list")]
    pub(super) volatile_paths: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) unsettled_part: NonZeroU32,
    pub(super) unsettled_minutes_min: u32,
    pub(super) unsettled_hours_max: u32,
    pub(super) recent_days: u32,
    pub(super) recent_hours: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audit {
    pub(super) cycle_days: NonZeroU32,
    pub(super) daily_calls: u32,
    pub(super) detail_cycle_days: NonZeroU32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    pub(super) keep: Keep,
    pub(super) missing_percent: f64,
    pub(super) missing_min: u32,
    pub(super) confirm_minutes: NonZeroU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Keep {
    Facts,
    Everything,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Detail {
    Changed,
    Always,
    Never,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    pub(super) connect_timeout_seconds: u32,
    pub(super) call_timeout_seconds: u32,
    pub(super) retry_time_seconds: u32,
    pub(super) retry_delay_min_milliseconds: u32,
    pub(super) retry_delay_max_seconds: u32,
    pub(super) calls_per_second: f64,
    pub(super) page_size: NonZeroU32,
    pub(super) answer_bytes_max: usize,
    pub(super) pages_max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    pub(super) calls_per_day: u32,
    pub(super) shares: Shares,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shares {
    pub(super) recent: u32,
    pub(super) unsettled: u32,
    pub(super) detail: u32,
    pub(super) backfill: u32,
    pub(super) audit: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) storage: Storage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Storage {
    Zstd,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "named like the keys in the file")]
pub(super) struct Privacy {
    pub(super) pseudonym_key: Option<SecretString>,
    pub(super) pseudonym_key_file: Option<PathBuf>,
    pub(super) pseudonym_key_credential: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: LogFormat,
    pub(super) filter: String,
}

/// Whether a run or `fetch` may bring the schema up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Migrate {
    /// They do.
    Auto,
    /// They refuse to work until `argos-sync migrate` has.
    Check,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Project {
    pub(super) kind: Kind,
    pub(super) parent: Option<String>,
    pub(super) base_url: String,
    pub(super) api_key: Option<SecretString>,
    pub(super) api_key_file: Option<PathBuf>,
    pub(super) api_key_credential: Option<String>,
    pub(super) calls_per_second: Option<f64>,
    pub(super) calls_per_day: Option<u32>,
    pub(super) page_size: Option<NonZeroU32>,
    pub(super) detail: Option<Detail>,
    pub(super) encryption: Option<Encryption>,
    pub(super) encrypted_paging: Option<EncryptedPaging>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Encryption {
    None,
    Base64,
    Hex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum EncryptedPaging {
    Clear,
    Inside,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Kind {
    IdCheck,
    FaceAuth,
}

impl TryFrom<String> for Keep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words =
            [("facts", Self::Facts), ("everything", Self::Everything), ("nothing", Self::Nothing)];
        one_of(&words, &text)
    }
}

impl TryFrom<String> for Detail {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words = [("changed", Self::Changed), ("always", Self::Always), ("never", Self::Never)];
        one_of(&words, &text)
    }
}

impl TryFrom<String> for Storage {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        one_of(&[("zstd", Self::Zstd), ("none", Self::None)], &text)
    }
}

impl TryFrom<String> for Migrate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        one_of(&[("auto", Self::Auto), ("check", Self::Check)], &text)
    }
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        one_of(&[("text", Self::Text), ("json", Self::Json)], &text)
    }
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        one_of(&[("idcheck", Self::IdCheck), ("faceauth", Self::FaceAuth)], &text)
    }
}

impl TryFrom<String> for Encryption {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        one_of(&[("none", Self::None), ("base64", Self::Base64), ("hex", Self::Hex)], &text)
    }
}

impl TryFrom<String> for EncryptedPaging {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        one_of(&[("clear", Self::Clear), ("inside", Self::Inside), ("both", Self::Both)], &text)
    }
}

/// What the word stands for. A word that stands for nothing is not repeated: it may be a secret at
/// the wrong place.
fn one_of<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("must be {}", words.join(" or "))
    })
}

/// A list; in one text, as the environment gives it, the elements stand between semicolons.
fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListValue {
        List(Vec<String>),
        Text(String),
    }
    Ok(match ListValue::deserialize(from)? {
        ListValue::List(list) => list,
        ListValue::Text(text) => {
            let elements = text.split(';').map(str::trim).filter(|element| !element.is_empty());
            elements.map(str::to_owned).collect()
        }
    })
}
