//! Rereads secrets that a server has refused, because they may have been rotated since.

use secrecy::{ExposeSecret as _, SecretString};

use super::{Config, ConfigError};

impl Config {
    /// Rereads the URL of the database and the API keys. Returns this configuration with the
    /// changed ones; `None` if none has changed.
    pub fn with_new_secrets(&self) -> Result<Option<Self>, ConfigError> {
        let fresh = Self::load(self.path.as_deref())?;
        let mut config = self.clone();
        let mut has_changed = false;
        if let (Some(held), Some(new)) = (&mut config.database.url, fresh.database.url) {
            has_changed |= replace(held, new);
        }
        for project in &mut config.projects {
            let same = fresh.projects.iter().find(|other| other.name == project.name);
            if let Some(other) = same {
                has_changed |= replace(&mut project.client.api_key, other.client.api_key.clone());
            }
        }
        Ok(has_changed.then_some(config))
    }
}

/// Replaces the secret; returns whether it has changed.
fn replace(held: &mut SecretString, new: SecretString) -> bool {
    let has_changed = held.expose_secret() != new.expose_secret();
    *held = new;
    has_changed
}
