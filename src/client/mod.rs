//! The only module that uses HTTP: takes windows and returns pages of items as bytes.
//!
//! Its callers do not handle status codes, headers or the vendor's envelopes. It does not depend on
//! the database or on the meaning of items. It guarantees:
//!
//! - Every HTTP attempt passes the [`CallLimiter`] first, and before that waits for any pause that
//!   the vendor has asked for.
//! - A pass ends only when the vendor's next-page key is absent and no unknown member may be one.
//!   Every answer of the pass was decoded completely (I2).
//! - Faults that may pass are retried for a limited time. Every other error has one remedy
//!   ([`ClientError::remedy`]) and advice for the operator ([`ClientError::advice`]).
//! - No error and no `Debug` text contains the API key or its hash, a URL, the requested id or
//!   e-mail address, or bytes of an answer (I8). The only exception is the names of unknown
//!   members, cleaned and shortened.
//!
//! One call uses `call` (limiter, attempts, delays), `attempt` (one HTTP exchange and its
//! classification), `request` (the parameters), `encryption` (the vendor's Secure Data
//! Transmission) and `envelope` (the vendor's shapes). `pages` combines calls into a pass, and
//! `end` decides which page is its last.

mod attempt;
mod buffers;
mod call;
mod encryption;
mod end;
mod envelope;
mod error;
mod limiter;
mod memory;
mod outcome;
mod page_size;
mod pages;
mod pause;
mod redaction;
mod request;
mod retry_after;
#[cfg(test)]
mod scripted;
mod settings;
mod vendor_clock;
mod vendor_error;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lc_rs::hmac;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::Stream;
use secrecy::{ExposeSecret as _, SecretString};

pub use self::{
    buffers::SMALL_BYTES_MAX,
    encryption::{EncryptedPaging, Encryption, EncryptionError, TextForm, Undecipherable},
    end::Doubt,
    envelope::{Item, Look, UnknownMember, UnreadableEnvelope},
    error::{CallRemedy, ClientError, Fault},
    limiter::{Admission, AttemptOutcome, AttemptReport, CallLimiter, LimiterClosed},
    memory::{AnswerReservation, LargeAnswerPermit},
    pages::{Page, Resume},
    request::{DateStyle, Find},
    settings::{ClientSettings, SettingsError},
    vendor_error::{Denial, VendorRefusal},
};
use self::{
    call::Caller,
    request::{Listing, Request},
};
use crate::domain::{self, KeyId, ReadNumber, Window};

/// Most pages of one search for a person; more mean that the vendor ignored the filter.
const FIND_PAGES_MAX: u32 = 50;

/// The API of one project under its key.
///
/// Clones share the state of the key: connections, pauses, the page size that works, and the
/// accepted date style.
#[derive(Clone)]
pub struct Client {
    caller: Arc<Caller>,
    limiter: Arc<dyn CallLimiter>,
}

/// The result of a call for one id.
#[derive(Debug, Clone)]
pub struct DetailResponse {
    /// Drawn just before the attempt that was answered.
    pub read: ReadNumber,
    /// The item as the vendor sent it; `None` if the vendor has no such id (contract U14, U26).
    pub item: Option<Bytes>,
    /// The vendor's own id of the project, if the answer contains it (`faceAuth_projectId`).
    pub vendor_project: Option<String>,
    /// The permit for a size above its reservation.
    pub larger: Option<LargeAnswerPermit>,
}

/// Identifies an API key by its HMAC-SHA256 under this random value.
pub fn key_id(api_key: &SecretString, secret: &[u8]) -> KeyId {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    KeyId(hmac::sign(&key, api_key.expose_secret().as_bytes()).as_ref().to_vec())
}

impl Client {
    /// Prepares the API of a project with this stream, without sending anything. `look` reads item
    /// keys while pages are cut.
    pub fn new(
        settings: ClientSettings,
        stream: domain::Stream,
        limiter: Arc<dyn CallLimiter>,
        look: Arc<Look>,
    ) -> Result<Self, SettingsError> {
        Ok(Self { caller: Arc::new(Caller::new(settings, stream, look)?), limiter })
    }

    /// The same project with another limiter, so that each lane can have its own.
    #[must_use]
    pub fn through(&self, limiter: Arc<dyn CallLimiter>) -> Self {
        Self { caller: Arc::clone(&self.caller), limiter }
    }

    /// Most items of one list call.
    pub fn page_size(&self) -> u32 {
        self.caller.settings().page_size.get()
    }

    /// The date style that the vendor accepts; `None` until a list with days has succeeded.
    pub fn date_style(&self) -> Option<DateStyle> {
        self.caller.date_style()
    }

    /// Starts with this date style if no list with days has succeeded yet. If the vendor rejects
    /// it, the other one is tried.
    pub fn expect_date_style(&self, style: DateStyle) {
        self.caller.expect_date_style(style);
    }

    /// The vendor's time by the `Date` header of its last answer; `None` before the first one.
    pub fn vendor_time(&self) -> Option<DateTime<Utc>> {
        self.caller.vendor_time()
    }

    /// Whether any list of this project has shown a next-page key.
    pub fn marks_end(&self) -> bool {
        self.caller.marks_end()
    }

    /// Records that an earlier run has received a next-page key, so that a full page without one is
    /// the last.
    pub fn expect_end_mark(&self) {
        self.caller.note_end_mark();
    }

    /// The encoding of ciphertexts; `None` for a project without Secure Data Transmission.
    pub fn encryption(&self) -> Option<TextForm> {
        self.caller.settings().encryption.map(|encryption| encryption.text_form)
    }

    /// Lists the given days page by page, from the start or from the position of an earlier pass.
    ///
    /// Requests exactly these days; the caller has widened them (contract U3). The stream ends
    /// after the page without a cursor, or with its first error.
    pub fn pages(
        &self,
        asked: Window,
        resume: Option<Resume>,
    ) -> impl Stream<Item = Result<Page, ClientError>> + Send + '_ {
        pages::read(self, Listing::Window(asked), resume)
    }

    /// Lists only the AML data of submissions of these days, like [`Client::pages`]. The items may
    /// lack everything but the id and `aml` (contract section 3.1).
    pub fn aml_pages(
        &self,
        asked: Window,
    ) -> impl Stream<Item = Result<Page, ClientError>> + Send + '_ {
        pages::read(self, Listing::Aml(asked), None)
    }

    /// Lists everything without a date filter, like [`Client::pages`].
    pub fn all_pages(
        &self,
        resume: Option<Resume>,
    ) -> impl Stream<Item = Result<Page, ClientError>> + Send + '_ {
        pages::read(self, Listing::Everything, resume)
    }

    /// Requests one record by its id. The answer is complete, while list items may be sparse
    /// (contract section 3.4).
    pub async fn detail(&self, id: &str) -> Result<DetailResponse, ClientError> {
        self.ask_for(id, None).await
    }

    /// Like [`Client::detail`], with memory reserved for the answer. A larger answer waits for a
    /// permit.
    pub async fn detail_within(
        &self,
        id: &str,
        reservation: &dyn AnswerReservation,
    ) -> Result<DetailResponse, ClientError> {
        self.ask_for(id, Some(reservation)).await
    }

    async fn ask_for(
        &self,
        id: &str,
        reservation: Option<&dyn AnswerReservation>,
    ) -> Result<DetailResponse, ClientError> {
        let reply = self.caller.call(&*self.limiter, &Request::Detail { id, reservation }).await?;
        Ok(DetailResponse {
            read: reply.read,
            larger: reply.larger,
            item: reply.envelope.items.into_iter().next().map(|item| item.body),
            vendor_project: reply.envelope.vendor_project,
        })
    }

    /// Lists the submissions of one person, all pages. Face authentications have no such search.
    pub fn find<'a>(
        &'a self,
        by: Find<'a>,
    ) -> Result<impl Stream<Item = Result<Page, ClientError>> + Send + 'a, ClientError> {
        match self.caller.stream() {
            domain::Stream::Submission => Ok(pages::read(self, Listing::Found(by), None)),
            domain::Stream::Faceauth => Err(ClientError::NoSuchSearch),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("stream", &self.caller.stream()).finish_non_exhaustive()
    }
}
