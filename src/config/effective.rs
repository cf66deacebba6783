//! The configuration in use as text, without secrets.

use std::{fmt::Write as _, path::Path};

use serde_json::Value;

use super::{ConfigError, address::Address, reference, sentence, sources::sources};

/// Replaces a secret.
const HIDDEN: &str = "<hidden>";
/// Keys whose values are secrets.
const SECRETS: [&str; 2] = ["api_key", "pseudonym_key"];

/// Every key with its value, one per line, as TOML.
///
/// Secrets are hidden. Values of unknown keys are hidden too, because one may be a misspelled
/// `api_key`.
pub fn effective(path: Option<&Path>) -> Result<String, ConfigError> {
    let unreadable = |error| ConfigError { problems: vec![sentence(&error)] };
    let values: Value =
        sources(path).build().and_then(config::Config::try_deserialize).map_err(unreadable)?;
    let known = reference::keys();
    let mut lines = Vec::new();
    flatten(&mut lines, &|key| known.contains(&reference::key_of(key)), "", &values);
    lines.sort();
    let mut text = String::new();
    for line in lines {
        let _infallible = writeln!(text, "{line}");
    }
    Ok(text)
}

fn flatten(lines: &mut Vec<String>, is_known: &dyn Fn(&str) -> bool, key: &str, value: &Value) {
    let name = key.rsplit('.').next().unwrap_or(key);
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (member, value) in members {
                let key = if key.is_empty() { member.clone() } else { format!("{key}.{member}") };
                flatten(lines, is_known, &key, value);
            }
        }
        _ if SECRETS.contains(&name) || !is_known(key) => {
            lines.push(format!("{key} = \"{HIDDEN}\""));
        }
        Value::String(text) if key == "database.url" || text.contains("://") => {
            lines.push(format!("{key} = {}", Value::from(without_secrets(text))));
        }
        value => lines.push(format!("{key} = {value}")),
    }
}

/// The URL without password and parameters.
pub(super) fn without_secrets(url: &str) -> String {
    let Some(Address { scheme, user, password, host, parameters }) = Address::split(url) else {
        return HIDDEN.to_owned();
    };
    let login = match password {
        Some(_) => format!("{user}:{HIDDEN}@"),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    let parameters = if parameters.is_empty() { String::new() } else { format!("?{HIDDEN}") };
    format!("{scheme}://{login}{host}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("postgres://u:sekret@h:1/db", "postgres://u:<hidden>@h:1/db"),
            ("postgres://u:se@k?ret@h/db?sslmode=disable", "postgres://u:<hidden>@h/db?<hidden>"),
            ("postgres://u@h/db", "postgres://u@h/db"),
            ("postgres:///db?password=sekret", "postgres:///db?<hidden>"),
            ("sekret", "<hidden>"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
