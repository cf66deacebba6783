//! One HTTP exchange: sends, reads the answer within its limits, and says what it is worth.

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
    settings::{Settings, SettingsError},
    vendor_clock::VendorClock,
    vendor_error::{RefusalMeaning, VendorRefusal},
};
use crate::{
    blocking,
    domain::{Call, Stream, field_name},
};

/// How much of an answer that is no success is read; the vendor's reasons are short.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// What an attempt brought that is no envelope.
#[derive(Debug)]
pub(super) enum AttemptFailure {
    /// Another attempt may do better.
    Passing {
        /// What happened.
        fault: Fault,
        /// How long the vendor wants to be left alone.
        wait: Option<Duration>,
    },
    /// The vendor said no to this request.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the vendor said.
        refusal: VendorRefusal,
        /// What that is about.
        meaning: RefusalMeaning,
    },
    /// No attempt will do better.
    Final(ClientError),
}

/// Sets up connections, so that nothing but this module's own loop ever repeats a request.
pub(super) fn http_client(settings: &Settings) -> Result<reqwest::Client, SettingsError> {
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
        // A redirect would carry the key to another host.
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
    /// Where to.
    pub(super) endpoint: Url,
    /// What is asked, encrypted already where that is wanted.
    pub(super) parameters: Vec<(&'static str, String)>,
    /// For projects that encrypt.
    pub(super) cipher: Option<&'a Arc<Cipher>>,
    /// Looks at items on the way.
    pub(super) look: &'a Arc<Look>,
    /// Takes the time of the answer.
    pub(super) vendor_clock: &'a VendorClock,
    /// The shape of the answer.
    pub(super) stream: Stream,
    /// The record that is asked for; `None`: a page is.
    pub(super) id: Option<&'a str>,
    /// The memory reserved for the answer.
    pub(super) reservation: Option<&'a dyn AnswerReservation>,
    /// The cap on the answer.
    pub(super) response_bytes_max: usize,
    /// What no error may repeat.
    pub(super) hidden: &'a [&'a str],
}

impl Attempt<'_> {
    /// Sends the request and classifies the answer. Returns the answer with the permit for a size
    /// above its reservation, if it has one.
    pub(super) async fn run(self) -> Result<(Envelope, Option<LargeAnswerPermit>), AttemptFailure> {
        let request = self.http.get(self.endpoint.clone()).query(&self.parameters);
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let status = response.status();
        self.vendor_clock.note(response.headers(), Instant::now());
        let wait = retry_after(response.headers());
        if !status.is_success() {
            let body = self.refusal_body(response).await;
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
        let stream = self.stream;
        let call = if self.id.is_some() { Call::Detail } else { Call::List };
        let (cipher, look) = (self.cipher.cloned(), Arc::clone(self.look));
        let open = move || envelope::open(stream, call, &body, cipher.as_deref(), &*look);
        let opened = blocking::run(open).await.map_err(|problem| match problem {
            NoEnvelope::Encryption(error) => AttemptFailure::Final(error.into()),
            NoEnvelope::UnreadableEnvelope(why) => unreadable(why),
            NoEnvelope::LongCursor { bytes } => {
                AttemptFailure::Final(ClientError::CursorTooLong { bytes })
            }
        })?;
        let envelope = self.checked(opened).map_err(unreadable)?;
        Ok((envelope, larger))
    }

    /// The answer, if it is about the record that was asked for, with names that may be shown.
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

    /// The reason may be lost on the way; the status alone decides enough.
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

    /// What a status that is no success means (design section 6). It may mean enough where the
    /// reason stays a secret.
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

    /// A ciphertext names nobody, but always stands for the same person.
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

/// The chain of causes in one line, without the outermost text, which only says what was tried.
fn causes(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
