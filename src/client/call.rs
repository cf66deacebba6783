//! One call: waits for the limiter, sends a request, and retries while that may help.
//!
//! This is the only loop in the program that repeats a request. Its budget is time instead of a
//! number of attempts, counted from the first fault. Each attempt passes the limiter, so retries
//! count like any other.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::{
    attempt::{Attempt, AttemptFailure, http_client},
    encryption::Cipher,
    envelope::{Envelope, Look},
    error::{ClientError, Fault},
    limiter::{AttemptReport, CallLimiter},
    memory::LargeAnswerPermit,
    outcome::{outcome, status_class},
    page_size::{AfterFailure, Fitting, PageSize, Strain},
    pause::Pause,
    request::{DateStyle, Request, endpoint},
    settings::{ClientSettings, SettingsError},
    vendor_clock::VendorClock,
    vendor_error::RefusalMeaning,
};
use crate::domain::{ReadNumber, Stream};

/// The state of one API key, shared by its workers.
pub(super) struct Caller {
    settings: ClientSettings,
    stream: Stream,
    http: reqwest::Client,
    pause: Pause,
    vendor_clock: VendorClock,
    page_size: PageSize,
    /// The cipher; `None` if the project does not encrypt.
    cipher: Option<Arc<Cipher>>,
    look: Arc<Look>,
    /// The date style that the vendor last accepted; `None` if unknown.
    date_style: Mutex<Option<DateStyle>>,
    /// Whether a next-page key has been received, which shows that lists with further pages have
    /// one.
    marks_end: AtomicBool,
}

/// The answer of a call.
#[derive(Debug)]
pub(super) struct Reply {
    /// Drawn just before the attempt that was answered.
    pub(super) read: ReadNumber,
    /// Number of items requested.
    pub(super) count: u32,
    /// The answer without its wrapping.
    pub(super) envelope: Envelope,
    /// The permit for a size above its reservation.
    pub(super) larger: Option<LargeAnswerPermit>,
}

impl Caller {
    /// Prepares a project's API without sending anything.
    pub(super) fn new(
        settings: ClientSettings,
        stream: Stream,
        look: Arc<Look>,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let cipher =
            settings.encryption.map(|encryption| Cipher::new(&settings.api_key, encryption));
        Ok(Self {
            http: http_client(&settings)?,
            pause: Pause::default(),
            vendor_clock: VendorClock::default(),
            page_size: PageSize::new(settings.page_size.get()),
            cipher: cipher
                .transpose()
                .map_err(|_unspecified| SettingsError::NoCipher)?
                .map(Arc::new),
            look,
            date_style: Mutex::default(),
            marks_end: AtomicBool::default(),
            settings,
            stream,
        })
    }

    /// The stream that the key opens.
    pub(super) fn stream(&self) -> Stream {
        self.stream
    }

    /// The settings of the API.
    pub(super) fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// Makes attempts until there is an answer, a permanent refusal, or no time left.
    pub(super) async fn call(
        &self,
        limiter: &dyn CallLimiter,
        request: &Request<'_>,
    ) -> Result<Reply, ClientError> {
        let mut hidden = request.names_somebody();
        hidden.push(self.settings.api_key.expose_secret());
        let first_style = self.date_style().unwrap_or_default();
        let mut style = first_style;
        let mut fitting = self.page_size.fit(Instant::now());
        let mut tries = Tries::new(&self.settings);
        loop {
            self.wait_for_pause(limiter, &tries).await?;
            let is_paused = || !self.pause.left(Instant::now()).is_zero();
            let admitted = limiter.acquire(&is_paused).await.map_err(ClientError::Limiter)?;
            let Some(admission) = admitted else { continue };
            let read = admission.read;
            tries.attempts = tries.attempts.saturating_add(1);
            let count = request.count(fitting.size());
            let attempt = self.attempt(request, fitting.size(), style, &hidden)?;
            let sent_at = Instant::now();
            let (result, latency) = attempt.run().await;
            let wait = match &result {
                Err(AttemptFailure::Passing { wait, .. }) => *wait,
                Ok(_) | Err(AttemptFailure::Refused { .. } | AttemptFailure::Final(_)) => None,
            };
            let is_retry = tries.last_fault.is_some();
            let report = AttemptReport {
                outcome: outcome(request, &result, latency, count, !is_retry),
                wait,
                status: status_class(&result),
                took: sent_at.elapsed(),
                is_retry,
            };
            limiter.note(&admission, report).await;
            match result {
                Ok((envelope, larger)) => {
                    // The size of a call with fewer items proves nothing about whole pages.
                    if request.is_page() && request.count_max().is_none() {
                        fitting.came(envelope.items.len());
                    }
                    if request.is_dated() {
                        self.remember_style(style);
                    }
                    return Ok(Reply { read, count, envelope, larger });
                }
                Err(AttemptFailure::Final(error)) => return Err(error),
                Err(AttemptFailure::Refused { status, refusal, meaning }) => match meaning {
                    RefusalMeaning::DateStyle if style == first_style => style = style.other(),
                    RefusalMeaning::UnknownId if !request.is_page() => {
                        let envelope = Envelope::default();
                        return Ok(Reply { read, count, envelope, larger: None });
                    }
                    RefusalMeaning::DateStyle
                    | RefusalMeaning::UnknownId
                    | RefusalMeaning::Request
                    | RefusalMeaning::Denied(_)
                    | RefusalMeaning::Encrypted => {
                        return Err(ClientError::Refused { status, refusal });
                    }
                },
                Err(AttemptFailure::Passing { fault, wait }) => {
                    if let Some(delay) =
                        self.after(request, &mut fitting, &mut tries, fault, wait)?
                    {
                        limiter.pause(delay).await;
                    }
                }
            }
        }
    }

    fn attempt<'a>(
        &'a self,
        request: &Request<'a>,
        page_size: u32,
        style: DateStyle,
        hidden: &'a [&'a str],
    ) -> Result<Attempt<'a>, ClientError> {
        let parameters = request.parameters(self.stream, page_size, style);
        Ok(Attempt {
            http: &self.http,
            endpoint: self.settings.endpoint(endpoint(self.stream)),
            parameters: match (&self.cipher, self.stream) {
                (Some(cipher), Stream::Submission) => cipher.seal(parameters)?,
                // The vendor does not document encrypted requests for face authentications
                // (contract U24).
                (Some(_), Stream::Faceauth) | (None, _) => parameters,
            },
            cipher: self.cipher.as_ref(),
            look: &self.look,
            vendor_clock: &self.vendor_clock,
            stream: self.stream,
            id: request.id(),
            reservation: request.reservation(),
            response_bytes_max: self.settings.response_bytes_max,
            hidden,
        })
    }

    /// The vendor's time; `None` before its first answer.
    pub(super) fn vendor_time(&self) -> Option<DateTime<Utc>> {
        self.vendor_clock.now(Instant::now())
    }

    /// Waits while the vendor has asked for a pause for this key.
    async fn wait_for_pause(
        &self,
        limiter: &dyn CallLimiter,
        tries: &Tries,
    ) -> Result<(), ClientError> {
        loop {
            let now = Instant::now();
            let pause = self.pause.left(now);
            if pause.is_zero() {
                return Ok(());
            }
            if pause > tries.time_left(now) {
                return Err(tries.paused(pause, now));
            }
            limiter.pause(pause).await;
        }
    }

    /// Decides the next step after a fault: a delay, an immediate attempt (`None`), or the end of
    /// the call.
    fn after(
        &self,
        request: &Request<'_>,
        fitting: &mut Fitting<'_>,
        tries: &mut Tries,
        fault: Fault,
        wait: Option<Duration>,
    ) -> Result<Option<Duration>, ClientError> {
        let now = Instant::now();
        if request.is_page() {
            match fitting.failed(strain(&fault), now) {
                AfterFailure::NothingSmaller => return Err(ClientError::PageOfOne { fault }),
                AfterFailure::SmallerNow if wait.is_none() => return Ok(None),
                AfterFailure::SmallerNow | AfterFailure::SmallerLater | AfterFailure::Same => {}
            }
        } else if let Some(error) = too_large_record(&fault) {
            return Err(error);
        }
        let delay = tries.delay(wait, now);
        if wait.is_some() || is_overload(&fault) {
            self.pause.until(now + delay);
        }
        tracing::debug!(
            attempt = tries.attempts,
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            error = %fault,
            "a call to the API failed"
        );
        if delay > tries.time_left(now) {
            return Err(tries.unavailable(fault, wait, now));
        }
        tries.last_fault = Some(fault);
        Ok(Some(delay))
    }

    /// The date style that was last accepted or is expected to be.
    pub(super) fn date_style(&self) -> Option<DateStyle> {
        *self.date_style.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the expected date style, unless this process has already learned it.
    pub(super) fn expect_date_style(&self, style: DateStyle) {
        self.date_style.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(style);
    }

    /// Whether lists with further pages are known to have a next-page key.
    pub(super) fn marks_end(&self) -> bool {
        self.marks_end.load(Ordering::Relaxed)
    }

    /// Records that a next-page key was received; returns whether it is the first one.
    pub(super) fn note_end_mark(&self) -> bool {
        !self.marks_end.swap(true, Ordering::Relaxed)
    }

    /// Stores the date style that was accepted.
    fn remember_style(&self, style: DateStyle) {
        *self.date_style.lock().unwrap_or_else(PoisonError::into_inner) = Some(style);
    }
}

/// The attempts of one call and the time they may take.
struct Tries {
    attempts: u32,
    started: Instant,
    retry_budget: Duration,
    /// Set by the first fault, so that a slow first attempt does not use up the time for a second
    /// one.
    deadline: Option<Instant>,
    last_fault: Option<Fault>,
    delays: ExponentialBackoff,
}

impl Tries {
    fn new(settings: &ClientSettings) -> Self {
        // The jitter adds up to the whole delay again: the first delay is at most
        // `retry_delay_min`, the longest one `retry_delay_max`.
        let delays = ExponentialBuilder::new()
            .with_min_delay(settings.retry_delay_min / 2)
            .with_max_delay(settings.retry_delay_max / 2)
            .without_max_times()
            .with_jitter();
        Self {
            attempts: 0,
            started: Instant::now(),
            retry_budget: settings.retry_budget,
            deadline: None,
            last_fault: None,
            delays: delays.build(),
        }
    }

    /// The delay after a fault, never shorter than the vendor asked for. The first fault starts the
    /// retry budget.
    fn delay(&mut self, wait: Option<Duration>, now: Instant) -> Duration {
        self.deadline.get_or_insert(now + self.retry_budget);
        self.delays.next().unwrap_or_default().max(wait.unwrap_or_default())
    }

    fn time_left(&self, now: Instant) -> Duration {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
        left.unwrap_or(self.retry_budget)
    }

    /// Ends the call because the shared pause outlasts it.
    fn paused(&self, not_before: Duration, now: Instant) -> ClientError {
        match &self.last_fault {
            None => ClientError::Paused { not_before },
            Some(fault) => self.unavailable(fault.clone(), Some(not_before), now),
        }
    }

    fn unavailable(&self, fault: Fault, wait: Option<Duration>, now: Instant) -> ClientError {
        let elapsed = now.saturating_duration_since(self.started);
        ClientError::Unavailable { fault, attempts: self.attempts, elapsed, not_before: wait }
    }
}

/// What a fault indicates about the size of the page.
fn strain(fault: &Fault) -> Strain {
    match fault {
        Fault::TooLarge { .. } | Fault::Status { status: 413, .. } => Strain::Certain,
        Fault::TimedOut => Strain::Suspected { slow: true },
        Fault::Status { status: 502 | 504, .. } => Strain::Suspected { slow: false },
        Fault::Connect(_) | Fault::CutShort(_) | Fault::Status { .. } | Fault::Unreadable(_) => {
            Strain::None
        }
    }
}

/// The error of a detail call whose answer is too large, since no smaller request exists.
fn too_large_record(fault: &Fault) -> Option<ClientError> {
    match fault {
        Fault::TooLarge { limit } => Some(ClientError::RecordTooLarge { limit: *limit }),
        Fault::Status { status: status @ 413, refusal } => {
            Some(ClientError::Refused { status: *status, refusal: refusal.clone() })
        }
        Fault::Connect(_)
        | Fault::TimedOut
        | Fault::CutShort(_)
        | Fault::Status { .. }
        | Fault::Unreadable(_) => None,
    }
}

/// Whether the vendor reports overload, so that all workers should slow down.
fn is_overload(fault: &Fault) -> bool {
    matches!(fault, Fault::Status { status: 429 | 503, .. })
}
