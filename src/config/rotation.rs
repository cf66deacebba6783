//! Reads secrets and the log filter again while the daemon runs.

use secrecy::{ExposeSecret as _, SecretString};

use super::{Config, ConfigError};

/// A configuration that was read again.
#[derive(Debug)]
pub struct Reread {
    /// This configuration with the changed secrets; `None` if none has changed.
    pub renewed: Option<Config>,
    /// The log filter; `None` if the command line fixes it.
    pub log_filter: Option<String>,
}

impl Config {
    /// Reads the configuration again, for its secrets and the log filter. Other changes need a
    /// restart.
    pub fn reread(&self) -> Result<Reread, ConfigError> {
        let fresh = Self::load(self.path.as_deref())?;
        let log_filter = (!self.is_log_filter_fixed).then(|| fresh.log_filter.clone());
        Ok(Reread { renewed: self.with_secrets_of(fresh), log_filter })
    }

    /// Rereads the URL of the database and the API keys. Returns this configuration with the
    /// changed ones; `None` if none has changed.
    pub fn with_new_secrets(&self) -> Result<Option<Self>, ConfigError> {
        Ok(self.with_secrets_of(Self::load(self.path.as_deref())?))
    }

    fn with_secrets_of(&self, fresh: Self) -> Option<Self> {
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
        has_changed.then_some(config)
    }
}

/// Replaces the secret; returns whether it has changed.
fn replace(held: &mut SecretString, new: SecretString) -> bool {
    let has_changed = held.expose_secret() != new.expose_secret();
    *held = new;
    has_changed
}
