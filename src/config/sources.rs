//! The sources of values: the defaults, the file and the environment.

use std::{collections::BTreeSet, path::Path};

use config::{Environment, FileFormat};

use super::{
    reference::DEFAULTS,
    words::{self, LogFormat},
};

/// Environment variables are named after this prefix, the section and the key, joined by
/// separators.
const PREFIX: &str = "ARGOS_SYNC";
const SEPARATOR: &str = "__";

/// The keys set by the environment.
pub(super) fn given_by_environment() -> BTreeSet<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let keys = names.filter_map(|name| {
        let key = name.strip_prefix(PREFIX)?.strip_prefix(SEPARATOR)?;
        Some(key.replace(SEPARATOR, ".").to_lowercase())
    });
    keys.collect()
}

/// Whether the environment sets a key of the configuration.
pub fn is_given_by_environment() -> bool {
    !given_by_environment().is_empty()
}

/// The defaults, the file and the environment.
pub(super) fn sources(path: Option<&Path>) -> Sources {
    // Values of the environment stay texts, because parsing would turn the secret `0012` into `12`.
    let environment =
        Environment::with_prefix(PREFIX).prefix_separator(SEPARATOR).separator(SEPARATOR);
    let mut sources = defaults();
    if let Some(path) = path {
        sources = sources.add_source(config::File::from(path).format(FileFormat::Toml));
    }
    sources.add_source(environment)
}

/// The value of `http.listen`.
pub(super) fn http_listen(path: Option<&Path>) -> Result<String, config::ConfigError> {
    sources(path).build()?.get_string("http.listen")
}

/// The format of log lines, for messages about a configuration that is not valid. Returns the
/// default if the value cannot be read.
pub fn log_format(path: Option<&Path>) -> LogFormat {
    let built = sources(path).build().or_else(|_unreadable| sources(None).build());
    let word = built.and_then(|values| values.get_string("log.format"));
    word.ok().and_then(|word| words::of(&word).ok()).unwrap_or_default()
}

pub(super) type Sources = config::ConfigBuilder<config::builder::DefaultState>;

pub(super) fn defaults() -> Sources {
    config::Config::builder().add_source(config::File::from_str(DEFAULTS, FileFormat::Toml))
}
