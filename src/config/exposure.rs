//! Finds configuration files that the wrong users may read or change.

use std::{
    collections::BTreeSet,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    address::Address,
    file::{File, ProjectSection},
};

/// Whether the file itself contains a secret; a secret from the environment does not count.
pub(super) fn has_secret_inside(file: &File, environment: &BTreeSet<String>) -> bool {
    let is_inside =
        |key: &str, given: &Option<SecretString>| given.is_some() && !environment.contains(key);
    let api_key = |(name, project): (&String, &ProjectSection)| {
        is_inside(&format!("project.{name}.api_key"), &project.api_key)
    };
    is_inside("privacy.pseudonym_key", &file.privacy.pseudonym_key)
        || is_inside("database.url", &file.database.url) && has_password(file.database.url.as_ref())
        || file.project.iter().any(api_key)
}

fn has_password(url: Option<&SecretString>) -> bool {
    url.and_then(|url| Address::split(url.expose_secret())).is_some_and(|address| {
        address.password.is_some() || address.parameters.contains("password=")
    })
}

pub(super) fn is_readable_by_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
}

/// Whether the file belongs to this user or to root, and only its owner may write to it.
pub fn is_trusted(metadata: &Metadata) -> bool {
    let owner = metadata.uid();
    (owner == 0 || own_user() == Some(owner)) && metadata.mode() & 0o022 == 0
}

/// The id of the user that the program runs as.
pub(super) fn own_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|process| process.uid())
}
