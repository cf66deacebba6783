//! The address and the limits of the API.

use std::{num::NonZeroU32, time::Duration};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::encryption::Encryption;
use crate::domain::is_loopback;

/// Largest page size that the vendor documents (contract section 3.1).
const PAGE_SIZE_MAX: u32 = 2000;

/// The settings of a [`Client`](super::Client).
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The API with its version, such as `https://rest-api.argosidentity.com/v3`.
    pub base_url: Url,
    /// The project's key, sent as `x-api-key`.
    pub api_key: SecretString,
    /// Longest time for establishing a connection.
    pub connect_timeout: Duration,
    /// Longest time for one attempt, from sending to the last byte of the answer.
    pub request_timeout: Duration,
    /// How long one call is retried, counted from its first fault.
    pub retry_budget: Duration,
    /// The limit of the first delay. A delay is random, between half of its limit and the limit;
    /// the limit doubles with each attempt.
    pub retry_delay_min: Duration,
    /// The limit of delays stops growing here.
    pub retry_delay_max: Duration,
    /// Items per list call; halved while the API cannot deliver that many.
    pub page_size: NonZeroU32,
    /// Largest answer that is read, in bytes after decompression.
    pub response_bytes_max: usize,
    /// Most pages of one pass; a window with more is split.
    pub pages_per_window_max: u32,
    /// How the project uses Secure Data Transmission; `None` if it does not.
    ///
    /// Never found by trial: a mismatch stops the project (contract U23).
    pub encryption: Option<Encryption>,
}

/// Why settings are not valid.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Plain HTTP would send the key and identity documents in the clear.
    #[error(
        "`base_url` must start with https:// (plain http is for this machine's own addresses only)"
    )]
    NotHttps,
    /// The key has its own setting, and a query would be lost.
    #[error(
        "`base_url` must consist of a host and a path only, without user, password, query or \
         fragment"
    )]
    NotABase,
    /// The key is empty or contains characters that a header cannot carry.
    #[error("the API key is empty or contains characters that are not valid in a header")]
    UnusableKey,
    /// Outside the range that the vendor documents.
    #[error("`page_size` must be between 1 and {PAGE_SIZE_MAX}")]
    PageSize,
    /// With zero, nothing could be read.
    #[error("`{0}` must not be zero")]
    Zero(&'static str),
    /// TLS could not be set up, for example without trusted certificates on this machine.
    #[error("the HTTPS client could not be created: {0}")]
    NoClient(String),
    /// The cryptographic library failed.
    #[error("the cipher could not be created")]
    NoCipher,
}

impl ClientSettings {
    /// The settings for this API and key, with defaults far below the vendor's limits (contract
    /// U18, U19).
    pub fn new(base_url: Url, api_key: SecretString) -> Self {
        Self {
            base_url,
            api_key,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            retry_budget: Duration::from_mins(2),
            retry_delay_min: Duration::from_millis(500),
            retry_delay_max: Duration::from_secs(30),
            page_size: NonZeroU32::MIN.saturating_add(PAGE_SIZE_MAX - 1),
            response_bytes_max: 32 << 20,
            pages_per_window_max: 100_000,
            encryption: None,
        }
    }

    /// Returns the first problem of the settings, if any.
    pub fn check(&self) -> Result<(), SettingsError> {
        let url = &self.base_url;
        if url.scheme() != "https" && !self.is_plain() {
            return Err(SettingsError::NotHttps);
        }
        let extras = url.query().is_some() || url.fragment().is_some();
        if extras || !url.username().is_empty() || url.password().is_some() {
            return Err(SettingsError::NotABase);
        }
        let key = self.api_key.expose_secret();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::UnusableKey);
        }
        if self.page_size.get() > PAGE_SIZE_MAX {
            return Err(SettingsError::PageSize);
        }
        for (name, is_zero) in [
            ("client.connect_timeout_seconds", self.connect_timeout.is_zero()),
            ("client.request_timeout_seconds", self.request_timeout.is_zero()),
            ("client.response_bytes_max", self.response_bytes_max == 0),
            ("client.pages_per_window_max", self.pages_per_window_max == 0),
        ] {
            if is_zero {
                return Err(SettingsError::Zero(name));
            }
        }
        Ok(())
    }

    /// Whether the API runs unencrypted on this machine, as the simulator does.
    pub(super) fn is_plain(&self) -> bool {
        self.base_url.scheme() == "http" && self.base_url.host_str().is_some_and(is_loopback)
    }

    /// The address of an endpoint below the base.
    pub(super) fn endpoint(&self, name: &str) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}/{name}", url.path().trim_end_matches('/')));
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base_url: &str) -> ClientSettings {
        ClientSettings::new(base_url.parse().unwrap(), "key".into())
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://rest-api.argosidentity.com/v3",
            "http://127.0.0.1:8080/v3",
            "http://[::1]/v3",
            "http://localhost:1/",
        ] {
            assert!(settings(good).check().is_ok(), "{good}");
        }
        for bad in [
            "http://rest-api.argosidentity.com/v3",
            "http://127.0.0.1.example.com/v3",
            "http://10.0.0.1/v3",
            "ftp://127.0.0.1/v3",
        ] {
            assert!(matches!(settings(bad).check(), Err(SettingsError::NotHttps)), "{bad}");
        }
    }

    #[test]
    fn a_base_url_holds_no_secret_and_no_query() {
        for bad in ["https://u:p@example.com/v3", "https://example.com/v3?x=1"] {
            assert!(matches!(settings(bad).check(), Err(SettingsError::NotABase)), "{bad}");
        }
    }

    #[test]
    fn the_path_of_the_base_is_kept() {
        for base in ["https://example.com/v3", "https://example.com/v3/"] {
            let url = settings(base).endpoint("submission");
            assert_eq!(url.as_str(), "https://example.com/v3/submission");
        }
    }

    #[test]
    fn an_unusable_key_is_refused_without_showing_it() {
        for key in ["", "with space", "with\nline", "schlüssel"] {
            let settings = ClientSettings::new("https://example.com".parse().unwrap(), key.into());
            let error = settings.check().unwrap_err();
            assert!(key.is_empty() || !format!("{error} {error:?} {settings:?}").contains(key));
        }
    }
}
