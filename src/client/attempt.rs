//! One HTTP exchange: sends a request, reads the answer within its limits, and classifies it.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Response, StatusCode, Url, header::HeaderMap, redirect};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::{
    buffers::Buffer,
    encryption::{Cipher, EncryptionError, SEALED},
    envelope::{self, Envelope, Look, NoEnvelope, UnreadableEnvelope},
    error::{ClientError, Fault},
    memory::{AnswerReservation, LargeAnswerPermit},
    redaction::Redaction,
    retry_after::retry_after,
    settings::{ClientSettings, SettingsError},
    vendor_clock::VendorClock,
    vendor_error::{RefusalMeaning, VendorRefusal},
};
use crate::{
    blocking,
    domain::{Call, Stream, field_name},
};

/// Most bytes read of an unsuccessful answer; the vendor's reasons are short.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// The result of an attempt that did not return an envelope.
#[derive(Debug)]
pub(super) enum AttemptFailure {
    /// Another attempt may succeed.
    Passing {
        /// The fault.
        fault: Fault,
        /// How long the vendor asked to wait.
        wait: Option<Duration>,
    },
    /// The vendor refused this request.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The vendor's reason.
        refusal: VendorRefusal,
        /// The subject of the refusal.
        meaning: RefusalMeaning,
    },
    /// No attempt can succeed.
    Final(ClientError),
}

/// Creates the HTTP client. Redirects and retries are off, so that only this module's own loop
/// repeats a request.
pub(super) fn http_client(settings: &ClientSettings) -> Result<reqwest::Client, SettingsError> {
    let mut headers = HeaderMap::new();
    let mut key = reqwest::header::HeaderValue::from_str(settings.api_key.expose_secret())
        .map_err(|_invalid| SettingsError::UnusableKey)?;
    key.set_sensitive(true);
    headers.insert("x-api-key", key);
    let mut builder = reqwest::Client::builder()
        .default_headers(headers)
        .user_agent(concat!("argos-sync/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.request_timeout)
        // A redirect would send the key to another host.
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .https_only(!settings.is_plain());
    if settings.is_plain() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| SettingsError::NoClient(causes(&error.without_url())))
}

/// Sends one request and reads its answer.
pub(super) struct Attempt<'a> {
    /// The connections of this key.
    pub(super) http: &'a reqwest::Client,
    /// The address of the request.
    pub(super) endpoint: Url,
    /// The parameters, already encrypted if required.
    pub(super) parameters: Vec<(&'static str, String)>,
    /// The cipher; `None` if the project does not encrypt.
    pub(super) cipher: Option<&'a Arc<Cipher>>,
    /// Reads the keys of items while the answer is cut.
    pub(super) look: &'a Arc<Look>,
    /// Records the time of the answer.
    pub(super) vendor_clock: &'a VendorClock,
    /// The stream, which decides the shape of the answer.
    pub(super) stream: Stream,
    /// The requested record; `None` for a page.
    pub(super) id: Option<&'a str>,
    /// The memory reserved for the answer.
    pub(super) reservation: Option<&'a dyn AnswerReservation>,
    /// Most bytes of the answer.
    pub(super) response_bytes_max: usize,
    /// Values that no error may repeat.
    pub(super) hidden: &'a [&'a str],
}

/// The answer, or why there is none.
pub(super) type Answer = Result<(Envelope, Option<LargeAnswerPermit>), AttemptFailure>;

impl Attempt<'_> {
    /// Sends the request and classifies the answer. Returns the answer with the permit for a size
    /// above its reservation, if it has one.
    ///
    /// Also returns the time from sending to the last byte of the answer; `None` if there was none,
    /// or if its reader waited for memory in between.
    pub(super) async fn run(self) -> (Answer, Option<Duration>) {
        let mut latency = None;
        let answer = self.exchange(&mut latency).await;
        (answer, latency)
    }

    async fn exchange(self, latency: &mut Option<Duration>) -> Answer {
        let started = Instant::now();
        let request = self.http.get(self.endpoint.clone()).query(&self.parameters);
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let status = response.status();
        self.vendor_clock.note(response.headers(), Instant::now());
        let wait = retry_after(response.headers());
        if !status.is_success() {
            let body = self.refusal_body(response).await;
            *latency = Some(started.elapsed());
            return Err(self.judge(
                status.as_u16(),
                VendorRefusal::open(&body, self.cipher.map(|cipher| &**cipher)),
                wait,
            ));
        }
        let unreadable = |why| AttemptFailure::Passing { fault: Fault::Unreadable(why), wait };
        if status != StatusCode::OK {
            return Err(unreadable(UnreadableEnvelope::OtherSuccess(status.as_u16())));
        }
        let (body, larger) = self.body(response).await?;
        *latency = larger.is_none().then(|| started.elapsed());
        let stream = self.stream;
        let call = if self.id.is_some() { Call::Detail } else { Call::List };
        let (cipher, look) = (self.cipher.cloned(), Arc::clone(self.look));
        let open = move || envelope::open(stream, call, &body, cipher.as_deref(), &*look);
        let opened = blocking::run(open).await.map_err(|problem| match problem {
            NoEnvelope::Encryption(error) => AttemptFailure::Final(error.into()),
            NoEnvelope::Unreadable(why) => unreadable(why),
            NoEnvelope::LongCursor { bytes } => {
                AttemptFailure::Final(ClientError::CursorTooLong { bytes })
            }
        })?;
        let envelope = self.checked(opened).map_err(unreadable)?;
        Ok((envelope, larger))
    }

    /// Returns the answer if it is about the requested record, with unknown member names made safe
    /// to show.
    fn checked(&self, mut envelope: Envelope) -> Result<Envelope, UnreadableEnvelope> {
        if let (Some(id), Some(item)) = (self.id, envelope.items.first())
            && envelope::id_of(self.stream, &item.body).is_some_and(|other| other != id)
        {
            return Err(UnreadableEnvelope::OtherRecord);
        }
        for member in &mut envelope.unknown {
            let name = self.redaction().clean(&member.name);
            field_name(&name).clone_into(&mut member.name);
        }
        Ok(envelope)
    }

    async fn body(
        &self,
        mut response: Response,
    ) -> Result<(Bytes, Option<LargeAnswerPermit>), AttemptFailure> {
        let limit = self.response_bytes_max;
        let too_large = || AttemptFailure::Passing { fault: Fault::TooLarge { limit }, wait: None };
        let announced = response.content_length().unwrap_or(0);
        let announced = usize::try_from(announced).ok().filter(|length| *length <= limit);
        let announced = announced.ok_or_else(too_large)?;
        let mut larger = self.larger(announced).await;
        let mut body = Buffer::take(announced);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(too_large());
            }
            if larger.is_none() {
                larger = self.larger(body.len() + chunk.len()).await;
            }
            body.extend(&chunk);
        }
        Ok((body.freeze(), larger))
    }

    /// Waits for the permit if an answer of this size exceeds its reservation.
    async fn larger(&self, bytes: usize) -> Option<LargeAnswerPermit> {
        match self.reservation {
            Some(reservation) if bytes > reservation.bytes() => Some(reservation.grow().await),
            Some(_) | None => None,
        }
    }

    /// Reads the reason of a refusal. It may be incomplete, because the status alone is sufficient.
    async fn refusal_body(&self, mut response: Response) -> Bytes {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > REFUSAL_BYTES_MAX {
                break;
            }
        }
        body.into()
    }

    /// Classifies an unsuccessful status (design section 6). The status may be sufficient even if
    /// the reason cannot be decrypted.
    fn judge(
        &self,
        status: u16,
        refusal: Result<VendorRefusal, EncryptionError>,
        wait: Option<Duration>,
    ) -> AttemptFailure {
        let (refusal, unopened) = match refusal {
            Ok(refusal) => (refusal, None),
            Err(error) => (VendorRefusal::default(), Some(error)),
        };
        let meaning = refusal.meaning(status);
        let refusal = refusal.cleaned(&self.redaction());
        if matches!(status, 408 | 413 | 429 | 500..=599) {
            return AttemptFailure::Passing { fault: Fault::Status { status, refusal }, wait };
        }
        match meaning {
            RefusalMeaning::Denied(denial) => {
                AttemptFailure::Final(ClientError::Denied { denial, status, refusal })
            }
            RefusalMeaning::Encrypted => {
                let error = match self.ciphertext() {
                    Some(_) => EncryptionError::RequestNotUnderstood,
                    None => EncryptionError::RequestPlain,
                };
                AttemptFailure::Final(error.into())
            }
            RefusalMeaning::DateStyle | RefusalMeaning::UnknownId | RefusalMeaning::Request => {
                match unopened {
                    Some(error) => AttemptFailure::Final(error.into()),
                    None => AttemptFailure::Refused { status, refusal, meaning },
                }
            }
        }
    }

    /// The ciphertext that was sent.
    fn ciphertext(&self) -> Option<&str> {
        let (_, value) = self.parameters.iter().find(|(name, _)| *name == SEALED)?;
        Some(value)
    }

    /// Also hides the ciphertext, which is always the same for the same person.
    fn redaction(&self) -> Redaction<'_> {
        Redaction::new(self.hidden.iter().copied().chain(self.ciphertext()))
    }

    fn broken(&self, error: reqwest::Error) -> AttemptFailure {
        let error = error.without_url();
        let causes = || self.redaction().clean(&causes(&error));
        let fault = if error.is_connect() {
            Fault::Connect(causes())
        } else if error.is_timeout() {
            Fault::TimedOut
        } else {
            Fault::CutShort(causes())
        };
        AttemptFailure::Passing { fault, wait: None }
    }
}

/// The chain of causes in one line, without the outermost text, which only names the attempted
/// action.
fn causes(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
