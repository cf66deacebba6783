//! The configuration as written: one struct for each section of `config/default.toml`.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::words::{LogFormat, Migrate, ProjectKind, optional_word, word};
use crate::{
    client::{EncryptedPaging, TextForm},
    warehouse::{DetailMode, Keep, RawStorage},
};

/// All sections.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) database: DatabaseSection,
    pub(super) sync: Sync,
    pub(super) audit: Audit,
    pub(super) deletion: Deletion,
    pub(super) client: ClientSection,
    pub(super) budget: BudgetSection,
    pub(super) raw: Raw,
    pub(super) privacy: Privacy,
    pub(super) http: HttpSection,
    pub(super) log: Log,
    #[serde(default)]
    pub(super) project: BTreeMap<String, ProjectSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseSection {
    pub(super) url: Option<SecretString>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) url_credential: Option<String>,
    #[serde(deserialize_with = "word")]
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
    #[serde(deserialize_with = "word")]
    pub(super) details: DetailMode,
    pub(super) workers: Option<NonZeroU32>,
    pub(super) bytes_in_flight: NonZeroUsize,
    pub(super) give_up_after_minutes: u32,
    pub(super) blocked_retry_minutes: u32,
    #[serde(deserialize_with = "list")]
    pub(super) volatile_paths: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audit {
    pub(super) cycle_days: NonZeroU32,
    pub(super) calls_per_day: u32,
    pub(super) detail_cycle_days: NonZeroU32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    #[serde(deserialize_with = "word")]
    pub(super) keep: Keep,
    pub(super) missing_percent: f64,
    pub(super) missing_min: u32,
    pub(super) confirm_minutes: NonZeroU32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientSection {
    pub(super) connect_timeout_seconds: u32,
    pub(super) request_timeout_seconds: u32,
    pub(super) retry_budget_seconds: u32,
    pub(super) retry_delay_min_milliseconds: u32,
    pub(super) retry_delay_max_seconds: u32,
    pub(super) calls_per_second: Option<f64>,
    pub(super) calls_per_second_max: f64,
    pub(super) calls_in_flight_max: NonZeroU32,
    pub(super) page_size: NonZeroU32,
    pub(super) response_bytes_max: usize,
    pub(super) pages_per_window_max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetSection {
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
    #[serde(deserialize_with = "word")]
    pub(super) storage: RawStorage,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "named like the keys in the file")]
pub(super) struct Privacy {
    pub(super) pseudonym_key: Option<SecretString>,
    pub(super) pseudonym_key_file: Option<PathBuf>,
    pub(super) pseudonym_key_credential: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpSection {
    pub(super) listen: String,
    #[serde(deserialize_with = "list")]
    pub(super) hosts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    #[serde(deserialize_with = "word")]
    pub(super) format: LogFormat,
    pub(super) filter: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectSection {
    #[serde(deserialize_with = "word")]
    pub(super) kind: ProjectKind,
    pub(super) parent: Option<String>,
    pub(super) base_url: String,
    pub(super) api_key: Option<SecretString>,
    pub(super) api_key_file: Option<PathBuf>,
    pub(super) api_key_credential: Option<String>,
    pub(super) calls_per_second: Option<f64>,
    pub(super) calls_per_day: Option<u32>,
    pub(super) page_size: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "optional_word")]
    pub(super) details: Option<DetailMode>,
    #[serde(default, deserialize_with = "word")]
    pub(super) encryption: Option<TextForm>,
    #[serde(default, deserialize_with = "optional_word")]
    pub(super) encrypted_paging: Option<EncryptedPaging>,
}

/// Reads a list. In the environment it is one text with semicolons between the elements.
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
