//! Finds a configuration file with a secret that every user of the machine may read.

use std::{collections::BTreeSet, os::unix::fs::MetadataExt as _, path::Path};

use secrecy::{ExposeSecret as _, SecretString};

use super::file::{File, Project};

/// Whether a secret stands in the file itself; one that the environment gives does not.
pub(super) fn has_secret_inside(file: &File, environment: &BTreeSet<String>) -> bool {
    let is_inside =
        |key: &str, given: &Option<SecretString>| given.is_some() && !environment.contains(key);
    let api_key = |(name, project): (&String, &Project)| {
        is_inside(&format!("project.{name}.api_key"), &project.api_key)
    };
    is_inside("privacy.pseudonym_key", &file.privacy.pseudonym_key)
        || is_inside("database.url", &file.database.url) && has_password(file.database.url.as_ref())
        || file.project.iter().any(api_key)
}

fn has_password(url: Option<&SecretString>) -> bool {
    let Some((_, address)) = url.and_then(|url| url.expose_secret().split_once("://")) else {
        return false;
    };
    let user = address.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || address.contains("password=")
}

pub(super) fn is_readable_by_all(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
}
