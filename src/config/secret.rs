//! Secrets: given directly, in a file, or as a credential of the service manager.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

/// The three places of a secret.
pub(super) struct Places<'a> {
    /// The key in the configuration, for messages.
    pub(super) key: &'a str,
    pub(super) given: Option<SecretString>,
    pub(super) file: Option<&'a PathBuf>,
    pub(super) credential: Option<&'a String>,
    pub(super) credentials_dir: Option<&'a Path>,
    /// The keys set by the environment. One of them replaces the other forms of the same secret.
    pub(super) environment: &'a BTreeSet<String>,
}

impl Places<'_> {
    /// Reads the secret; `None` if it is in none of the places. An error does not contain the
    /// secret.
    pub(super) fn read(mut self) -> Result<Option<SecretString>, String> {
        let key = self.key;
        let is_given = |form: &str| self.environment.contains(&format!("{key}{form}"));
        let [given, file, credential] = ["", "_file", "_credential"].map(is_given);
        if given || file || credential {
            self.given = self.given.filter(|_| given);
            self.file = self.file.filter(|_| file);
            self.credential = self.credential.filter(|_| credential);
        }
        let credential = match (self.credential, self.credentials_dir) {
            (None, _) => None,
            (Some(name), _) if name.contains('/') => {
                return Err(format!("`{key}_credential` must be a name, not a path"));
            }
            (Some(name), Some(dir)) => Some(dir.join(name)),
            (Some(_), None) => {
                return Err(format!(
                    "`{key}_credential` needs $CREDENTIALS_DIRECTORY, which systemd sets with \
                     LoadCredential="
                ));
            }
        };
        match (self.given, self.file, credential) {
            (None, None, None) => Ok(None),
            (Some(secret), None, None) => Ok(Some(secret)),
            (None, Some(path), None) => from_file(key, path).map(Some),
            (None, None, Some(path)) => from_file(key, &path).map(Some),
            _ => Err(format!("give only one of `{key}`, `{key}_file` and `{key}_credential`")),
        }
    }
}

/// Reads a secret from a file, without the line break at its end.
fn from_file(key: &str, path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("`{key}`: cannot read {}: {}", path.display(), error.kind()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        Err(format!("`{key}`: {} is empty", path.display()))
    } else {
        Ok(text.into())
    }
}
