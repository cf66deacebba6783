//! What an attempt shows about the vendor's limits.

use std::time::Duration;

use super::{
    attempt::{Answer, AttemptFailure},
    envelope::Envelope,
    error::Fault,
    limiter::AttemptOutcome,
    request::Request,
};
use crate::domain::Call;

/// What an attempt shows about the vendor's limits.
///
/// `count`: the number of items requested. The latency of a list depends on their number, so only
/// that of lists with at least half of them counts. `is_first`: no attempt of the call failed
/// before.
pub(super) fn outcome(
    request: &Request<'_>,
    result: &Answer,
    latency: Option<Duration>,
    count: u32,
    is_first: bool,
) -> AttemptOutcome {
    let call = if request.is_page() { Call::List } else { Call::Detail };
    let is_full = |envelope: &Envelope| {
        u32::try_from(envelope.items.len()).is_ok_and(|items| items >= count.div_ceil(2))
    };
    let is_comparable = match (call, result) {
        (Call::Detail, _) => true,
        (Call::List, Ok((envelope, _))) => is_full(envelope),
        (Call::List, Err(_)) => false,
    };
    let latency = latency.filter(|_| is_comparable);
    match result {
        Ok(_) | Err(AttemptFailure::Final(_) | AttemptFailure::Refused { .. }) => {
            AttemptOutcome::Answered { call, latency }
        }
        Err(AttemptFailure::Passing { fault, .. }) => match fault {
            Fault::Status { status: 429, .. } => AttemptOutcome::Refused,
            Fault::Status { status: 503, .. } if is_first => AttemptOutcome::Unavailable,
            Fault::TimedOut if is_first => AttemptOutcome::TimedOut,
            Fault::Connect(_)
            | Fault::TimedOut
            | Fault::CutShort(_)
            | Fault::Status { .. }
            | Fault::Unreadable(_)
            | Fault::TooLarge { .. } => AttemptOutcome::Other,
        },
    }
}

/// The class of an attempt's HTTP status, or of the failure, as a label of metrics.
pub(super) fn status_class(result: &Answer) -> &'static str {
    let fault = match result {
        // An unknown date style or id also has the status of a refusal.
        Err(AttemptFailure::Refused { status, .. }) => return class_of(*status),
        Ok(_) => return "2xx",
        Err(AttemptFailure::Final(_)) => return "unreadable",
        Err(AttemptFailure::Passing { fault, .. }) => fault,
    };
    match fault {
        Fault::Status { status, .. } => class_of(*status),
        Fault::TimedOut => "timeout",
        Fault::Connect(_) | Fault::CutShort(_) => "connection",
        Fault::Unreadable(_) | Fault::TooLarge { .. } => "unreadable",
    }
}

fn class_of(status: u16) -> &'static str {
    match status {
        429 => "429",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
