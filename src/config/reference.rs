//! The reference of all keys: `config/default.toml`.

use std::collections::BTreeSet;

/// The defaults, with the meaning of each key. Keys without a default follow a `#`.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The project that represents all projects in the reference.
const ANY_PROJECT: &str = "project.main.";

/// All keys with their sections, such as `client.page_size`; keys of a project as `project.main`.
pub fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut section = "";
    for line in DEFAULTS.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            section = name;
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|char| char.is_ascii_lowercase() || char == '_')
        {
            keys.insert(if section.is_empty() { key.into() } else { format!("{section}.{key}") });
        }
    }
    keys
}

/// The key in the reference that describes this key.
pub(super) fn key_of(key: &str) -> String {
    match key.strip_prefix("project.").and_then(|rest| rest.split_once('.')) {
        Some((_project, name)) => format!("{ANY_PROJECT}{name}"),
        None => key.to_owned(),
    }
}
