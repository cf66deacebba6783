//! Errors of a call and their remedies: one classification for the whole program.

use std::time::Duration;

use super::{
    encryption::EncryptionError,
    end::Doubt,
    envelope::UnreadableEnvelope,
    limiter::LimiterClosed,
    vendor_error::{Denial, VendorRefusal},
};
use crate::domain::CursorCycle;

/// Why a call or a pass failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The limiter admitted no attempt.
    #[error("no call is allowed: {0}")]
    Limiter(LimiterClosed),
    /// The vendor asked all users of this key to wait longer than one call may take.
    #[error("the vendor asked for a pause; it ends in {}", seconds(*.not_before))]
    Paused {
        /// The rest of the pause.
        not_before: Duration,
    },
    /// No attempt within the retry budget returned a usable answer.
    #[error("{fault} (attempt {attempts}, after {})", seconds(*.elapsed))]
    Unavailable {
        /// The fault of the last attempt.
        fault: Fault,
        /// HTTP attempts made.
        attempts: u32,
        /// Time from the first attempt to the last fault.
        elapsed: Duration,
        /// How long the vendor asked to wait, if it did; at most an hour.
        not_before: Option<Duration>,
    },
    /// The vendor understood the request and refused it permanently.
    #[error("the vendor refused the request with status {status}: {refusal}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The vendor's reason.
        refusal: VendorRefusal,
    },
    /// The key does not open a project.
    #[error("the vendor refused the API key with status {status}: {refusal}")]
    Denied {
        /// The known reason.
        denial: Denial,
        /// The HTTP status.
        status: u16,
        /// The vendor's reason.
        refusal: VendorRefusal,
    },
    /// The project and its configuration disagree about encryption (contract U23).
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// The vendor's next-page keys form a cycle.
    #[error(transparent)]
    CursorCycle(#[from] CursorCycle),
    /// A resumed pass found nothing after its cursor. The vendor may no longer know that cursor.
    #[error("the resumed pass found neither an item nor a next page after its cursor")]
    ResumeProvedNothing,
    /// The pass is longer than a window should be.
    #[error("the window has more than {limit} pages")]
    TooManyPages {
        /// Most pages of a pass.
        limit: u32,
    },
    /// The page without a next-page key may not be the last one of its list.
    #[error("the end of the list is uncertain: {0}")]
    EndUnknown(Doubt),
    /// The next-page key is too long for a request.
    #[error("the vendor's next-page key has {bytes} bytes, too many for a request")]
    CursorTooLong {
        /// The length of its parts in bytes.
        bytes: usize,
    },
    /// Even a page of one item fails.
    #[error("even a page of one item fails: {fault}")]
    PageOfOne {
        /// The fault of the last attempt.
        fault: Fault,
    },
    /// The answer to a detail call exceeds the limit.
    #[error("the record is larger than the limit of {limit} bytes")]
    RecordTooLarge {
        /// Most bytes of an answer.
        limit: usize,
    },
    /// Face authentications cannot be listed by person.
    #[error("face authentications cannot be searched by user id or e-mail address")]
    NoSuchSearch,
}

/// The fault of one attempt, which another attempt may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The connection could not be established.
    #[error("no connection to the API ({0})")]
    Connect(String),
    /// No complete answer within the time for one attempt.
    #[error("no complete response in time")]
    TimedOut,
    /// The connection ended before the answer did.
    #[error("the response was cut short ({0})")]
    CutShort(String),
    /// A status that describes the server's state instead of the request.
    #[error("the vendor responded with status {status}: {refusal}")]
    Status {
        /// 408, 413, 429 or 5xx.
        status: u16,
        /// The vendor's reason.
        refusal: VendorRefusal,
    },
    /// A success whose body is not acceptable.
    #[error("{0}")]
    Unreadable(#[from] UnreadableEnvelope),
    /// The answer exceeds the limit.
    #[error("the response is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Most bytes of an answer.
        limit: usize,
    },
}

/// What to do after a [`ClientError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRemedy {
    /// Fail the pass, keep its checkpoint, and retry at the next tick, but not before `not_before`.
    Later {
        /// The minimum time to wait; applies to the whole project.
        not_before: Option<Duration>,
    },
    /// Fail the pass, because this request would be refused again. Other windows continue.
    FailPass,
    /// Drop the cursor and read the window from its start.
    RestartWindow,
    /// Read smaller windows.
    SplitWindow,
    /// Stop requests for this project until an operator has checked it; retry slowly.
    BlockProject,
    /// Stop working, because the program is stopping.
    Stop,
}

impl ClientError {
    /// Whether the call is only postponed by a budget or a pause, and nothing has failed.
    pub fn is_planned(&self) -> bool {
        matches!(self, Self::Limiter(LimiterClosed { is_planned: true, .. }))
    }

    /// Returns the remedy of this error. This is the only such classification.
    pub fn remedy(&self) -> CallRemedy {
        match self {
            Self::Limiter(LimiterClosed { not_before: None, .. }) => CallRemedy::Stop,
            Self::Limiter(LimiterClosed { not_before, .. })
            | Self::Unavailable { not_before, .. } => CallRemedy::Later { not_before: *not_before },
            Self::Paused { not_before } => CallRemedy::Later { not_before: Some(*not_before) },
            Self::Refused { .. } | Self::RecordTooLarge { .. } | Self::NoSuchSearch => {
                CallRemedy::FailPass
            }
            Self::Denied { .. } | Self::Encryption(_) => CallRemedy::BlockProject,
            Self::CursorCycle(_) | Self::ResumeProvedNothing => CallRemedy::RestartWindow,
            Self::TooManyPages { .. }
            | Self::EndUnknown(_)
            | Self::CursorTooLong { .. }
            | Self::PageOfOne { .. } => CallRemedy::SplitWindow,
        }
    }

    /// What the operator should check next, in one sentence.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Limiter(LimiterClosed { not_before: None, .. }) => {
                "no action needed: work resumes after the next start"
            }
            Self::Limiter(_) => {
                "work resumes by itself; raise `calls_per_day` if the budget is used up every day"
            }
            Self::Paused { .. } => {
                "work resumes by itself after the pause; lower `calls_per_second_max` if it \
                 happens often"
            }
            Self::Unavailable { fault, .. } => fault.advice(),
            Self::Refused { status: 300..=399, .. } => {
                "the API has moved: set `base_url` to its new address; redirects are not followed, \
                 because they could carry the API key to another host"
            }
            Self::Refused { status: 404 | 405, .. } => {
                "check that `base_url` ends with the API version, such as `/v3`"
            }
            Self::Refused { .. } => {
                "the vendor rejects this request: look up its code in the vendor's reference, and \
                 report a bug if the request is wrong"
            }
            Self::Denied { denial, .. } => denial.advice(),
            Self::Encryption(error) => error.advice(),
            Self::CursorCycle(_) | Self::ResumeProvedNothing => {
                "the window is read again from its start; report it to the vendor if it keeps \
                 happening"
            }
            Self::TooManyPages { .. } => "the window is read in smaller parts",
            Self::EndUnknown(_) => {
                "smaller windows are read, and a single day that stays uncertain is blocked: ask \
                 the vendor how this list marks its next page, and report a bug with the answer"
            }
            Self::CursorTooLong { .. } => {
                "the window is read in smaller parts, which need no such key; report days that \
                 still fail to the vendor"
            }
            Self::PageOfOne { fault: Fault::TooLarge { .. } } => {
                "a single record is too large: raise `client.response_bytes_max`; the next run \
                 reads the blocked days again"
            }
            Self::PageOfOne { .. } => {
                "the window is read in smaller parts; report days that still fail to the vendor"
            }
            Self::RecordTooLarge { .. } => {
                "raise `client.response_bytes_max` if such records are expected"
            }
            Self::NoSuchSearch => "use the id of the face authentication",
        }
    }
}

impl Fault {
    fn advice(&self) -> &'static str {
        match self {
            Self::Connect(_) => {
                "check name resolution, firewall, proxy and trusted certificates between this \
                 machine and the API host"
            }
            Self::TimedOut => {
                "check the network and the vendor's status; raise `client.request_timeout_seconds` \
                 if responses are slow"
            }
            Self::CutShort(_) => {
                "check the proxies between this machine and the API; the call is retried by itself"
            }
            Self::Status { status: 429, .. } => {
                "the rate of calls adapts by itself; if this happens often, lower \
                 `calls_per_second_max` or ask the vendor for a higher limit"
            }
            Self::Status { .. } => {
                "the vendor's servers fail: check the vendor's status; the call is retried by \
                 itself"
            }
            Self::Unreadable(UnreadableEnvelope::OtherSuccess(_)) => {
                "check the caches and proxies between this machine and the API, which may return \
                 partial responses; the call is retried by itself"
            }
            Self::Unreadable(UnreadableEnvelope::OtherRecord) => {
                "the response is not stored; report it to the vendor if it keeps happening"
            }
            Self::Unreadable(_) => {
                "check that `base_url` is the API and not a login page or proxy; if it is, the \
                 vendor has changed its responses: update argos-sync or report a bug"
            }
            Self::TooLarge { .. } => {
                "raise `client.response_bytes_max` or lower `client.page_size`"
            }
        }
    }
}

impl Denial {
    fn advice(self) -> &'static str {
        match self {
            Self::KeyRefused => {
                "check that this project's API key is complete and still valid, that it belongs to \
                 this `kind` of project, and that `base_url` ends with the API version"
            }
            Self::AddressRefused => {
                "the API key is valid, but this machine's outgoing IP address is not on the \
                 project's API allowlist: add it in the vendor's dashboard"
            }
            Self::NoSuchProject => {
                "no project belongs to this API key: a face authentication project needs its own \
                 key, not the one of its ID Check project"
            }
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
