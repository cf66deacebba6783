//! Reads again what a server has refused: a key or a password may have been rotated since.

use secrecy::{ExposeSecret as _, SecretString};

use super::{Config, ConfigError};

impl Config {
    /// Reads the address of the database and the API keys again. Returns this configuration with
    /// those that changed; `None` if none did.
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

/// Puts the new secret in place of the other; returns whether it is another one.
fn replace(held: &mut SecretString, new: SecretString) -> bool {
    let has_changed = held.expose_secret() != new.expose_secret();
    *held = new;
    has_changed
}
