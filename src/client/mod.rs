//! The only room that knows HTTP: a window goes in, pages of items come out as bytes.
//!
//! Nobody above sees a status code, a header or the vendor's envelopes; nothing in here knows that
//! a database exists or what an item means. What the room promises:
//!
//! - Every HTTP attempt passes the [`CallLimiter`] first, and waits before that while the vendor
//!   wants nobody with this key to ask.
//! - A walk ends only where the vendor's next-page key is absent and no unknown member may be one.
//!   Every answer on the way was decoded whole (I2).
//! - Faults that may pass are asked again for a limited time; every other fault says once what to
//!   do about it ([`ClientError::remedy`]) and what the operator should look at
//!   ([`ClientError::advice`]).
//! - No error, and no `Debug` text, holds the API key or its hash, a URL, the id or e-mail asked
//!   for, or bytes of an answer (I8), except the names of unknown members, cleaned and cut.
//!
//! One call runs through `call` (turns, attempts, delays), `attempt` (one HTTP exchange and its
//! verdict), `request` (the parameters), `encryption` (the vendor's Secure Data Transmission) and
//! `envelope` (the vendor's shapes); `pages` strings calls together into a walk, and `end` judges
//! its last page.

mod attempt;
mod buffers;
mod call;
mod encryption;
mod end;
mod envelope;
mod error;
mod limiter;
mod memory;
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
use secrecy::ExposeSecret as _;

pub use self::{
    buffers::SMALL_BYTES_MAX,
    encryption::{EncryptedPaging, Encryption, EncryptionError, TextForm, Undecipherable},
    end::Doubt,
    envelope::{Item, Look, UnknownMember, UnreadableEnvelope},
    error::{ClientError, Fault, Remedy},
    limiter::{CallLimiter, LimiterClosed},
    memory::{AnswerReservation, LargeAnswerPermit},
    pages::{Page, Resume},
    request::{DateStyle, Find},
    settings::{Settings, SettingsError},
    vendor_error::{Denial, VendorRefusal},
};
use self::{
    call::Caller,
    request::{Listing, Request},
};
use crate::domain::{self, KeyId, ReadNumber, Window};

/// Most pages that one search for a person may bring; more means that the vendor ignored the
/// filter.
const FIND_PAGES_MAX: u32 = 50;

/// The API of one project, behind its key.
///
/// Clones share everything that belongs to the key: connections, the time everyone waits for, the
/// page size that works, the date style that is understood.
#[derive(Clone)]
pub struct Client {
    caller: Arc<Caller>,
    limiter: Arc<dyn CallLimiter>,
}

/// What the call for one id brought.
#[derive(Debug, Clone)]
pub struct DetailResponse {
    /// Drawn just before the attempt that answered.
    pub read: ReadNumber,
    /// The item as the vendor sent it; `None` when the vendor knows no such id (contract U14, U26).
    pub item: Option<Bytes>,
    /// The vendor's own id of the project, where the answer carries it (`faceAuth_projectId`).
    pub vendor_project: Option<String>,
    /// The permit for a size above its reservation.
    pub larger: Option<LargeAnswerPermit>,
}

impl Client {
    /// Prepares the API of a project with that stream; nothing is sent yet. Items are looked at
    /// where pages are cut.
    pub fn new(
        settings: Settings,
        stream: domain::Stream,
        limiter: Arc<dyn CallLimiter>,
        look: Arc<Look>,
    ) -> Result<Self, SettingsError> {
        Ok(Self { caller: Arc::new(Caller::new(settings, stream, look)?), limiter })
    }

    /// The same project behind another limiter, so that each lane can have its own.
    #[must_use]
    pub fn through(&self, limiter: Arc<dyn CallLimiter>) -> Self {
        Self { caller: Arc::clone(&self.caller), limiter }
    }

    /// Identifies the API key by its HMAC-SHA256 under this random value.
    pub fn key_id(&self, secret: &[u8]) -> KeyId {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let api_key = self.caller.settings().api_key.expose_secret();
        KeyId(hmac::sign(&key, api_key.as_bytes()).as_ref().to_vec())
    }

    /// Items that one list call may bring.
    pub fn page_size(&self) -> u32 {
        self.caller.settings().page_size.get()
    }

    /// How days are written that the vendor understands; `None` while no list with days has
    /// succeeded.
    pub fn date_style(&self) -> Option<DateStyle> {
        self.caller.date_style()
    }

    /// Begins with that date style, where no list with days has succeeded yet. If the vendor
    /// refuses it, the other one is tried as ever.
    pub fn expect_date_style(&self, style: DateStyle) {
        self.caller.expect_date_style(style);
    }

    /// The vendor's time by the `Date` header of its last answer; `None` before the first.
    pub fn vendor_time(&self) -> Option<DateTime<Utc>> {
        self.caller.vendor_time()
    }

    /// Whether a next-page key was seen in any list of this project.
    pub fn marks_end(&self) -> bool {
        self.caller.marks_end()
    }

    /// Notes that an earlier run has seen a next-page key: a full page without one is an end.
    pub fn expect_end_mark(&self) {
        self.caller.note_end_mark();
    }

    /// How ciphertexts are written; `None` for a project without Secure Data Transmission.
    pub fn encryption(&self) -> Option<TextForm> {
        self.caller.settings().encryption.map(|encryption| encryption.text_form)
    }

    /// Walks the days asked for, page by page, from the start or from where an earlier walk stood.
    ///
    /// Asks for exactly these days: the caller has widened them (contract U3). The stream ends
    /// after the page without a cursor, or with its first error.
    pub fn pages(
        &self,
        asked: Window,
        resume: Option<Resume>,
    ) -> impl Stream<Item = Result<Page, ClientError>> + Send + '_ {
        pages::walk(self, Listing::Window(asked), resume)
    }

    /// Walks the AML data alone of submissions of the days asked for, like [`Client::pages`]. The
    /// items may lack everything but the id and `aml` (contract section 3.1).
    pub fn aml_pages(
        &self,
        asked: Window,
    ) -> impl Stream<Item = Result<Page, ClientError>> + Send + '_ {
        pages::walk(self, Listing::Aml(asked), None)
    }

    /// Walks the whole list without any date filter, like [`Client::pages`].
    pub fn all_pages(
        &self,
        resume: Option<Resume>,
    ) -> impl Stream<Item = Result<Page, ClientError>> + Send + '_ {
        pages::walk(self, Listing::Everything, resume)
    }

    /// Asks for one record by its id; the answer is complete where list items may be sparse
    /// (contract section 3.4).
    pub async fn detail(&self, id: &str) -> Result<DetailResponse, ClientError> {
        self.ask_for(id, None).await
    }

    /// The same, with memory reserved for the answer. A larger answer waits for a permit.
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

    /// Lists the submissions of one person, all pages. Face authentications offer no such search.
    pub fn find<'a>(
        &'a self,
        by: Find<'a>,
    ) -> Result<impl Stream<Item = Result<Page, ClientError>> + Send + 'a, ClientError> {
        match self.caller.stream() {
            domain::Stream::Submission => Ok(pages::walk(self, Listing::Found(by), None)),
            domain::Stream::Faceauth => Err(ClientError::NoSuchSearch),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("stream", &self.caller.stream()).finish_non_exhaustive()
    }
}
