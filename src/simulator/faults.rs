//! Faults of calls, chosen by the number of the call.

use serde::{Deserialize, Serialize};

use super::people::draw::{Draw, Purpose};

/// The share of calls with each kind of fault. Shares are between 0 and 1; together they should not
/// exceed 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Seed that, together with a call's number, decides its fault.
    pub seed: u64,
    /// 500, 502 or 504 with the gateway's body.
    pub server_error: f64,
    /// 429 with the gateway's body.
    pub too_many_requests: f64,
    /// The `Retry-After` of a 429, in seconds; without the header when absent.
    pub retry_after_seconds: Option<u32>,
    /// The connection closes before a byte of the answer.
    pub dropped: f64,
    /// The connection closes in the middle of the body.
    pub cut_short: f64,
    /// An HTML page with status 200.
    pub html: f64,
    /// A correct answer that is delayed.
    pub slow: f64,
    /// The delay in milliseconds.
    pub slow_ms: u64,
}

impl Default for Faults {
    /// No faults.
    fn default() -> Self {
        Self {
            seed: 0,
            server_error: 0.0,
            too_many_requests: 0.0,
            retry_after_seconds: None,
            dropped: 0.0,
            cut_short: 0.0,
            html: 0.0,
            slow: 0.0,
            slow_ms: 1000,
        }
    }
}

/// The fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InjectedFault {
    ServerError,
    TooManyRequests,
    Dropped,
    CutShort,
    Html,
    Slow,
}

impl Faults {
    /// Every kind of fault except slowness; `share` is the total share.
    pub fn evenly(seed: u64, share: f64) -> Self {
        let each = share / 5.0;
        Self {
            seed,
            server_error: each,
            too_many_requests: each,
            retry_after_seconds: Some(1),
            dropped: each,
            cut_short: each,
            html: each,
            ..Self::default()
        }
    }

    /// The fault of the call with this number.
    pub(super) fn of_call(&self, call: u64) -> Option<InjectedFault> {
        let number = u32::try_from(call & u64::from(u32::MAX)).unwrap_or(0);
        let drawn = Draw::new(self.seed, number, Purpose::Fault).below(1_000_000);
        let mut rest = f64::from(drawn) / 1_000_000.0;
        let shares = [
            (self.server_error, InjectedFault::ServerError),
            (self.too_many_requests, InjectedFault::TooManyRequests),
            (self.dropped, InjectedFault::Dropped),
            (self.cut_short, InjectedFault::CutShort),
            (self.html, InjectedFault::Html),
            (self.slow, InjectedFault::Slow),
        ];
        for (share, fault) in shares {
            if rest < share {
                return Some(fault);
            }
            rest -= share;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_repeat_with_the_seed() {
        let faults = Faults { seed: 3, dropped: 0.2, html: 0.1, ..Faults::default() };
        let happened: Vec<_> = (0..10_000).map(|call| faults.of_call(call)).collect();
        let count = |fault| happened.iter().filter(|one| **one == fault).count();
        assert!((1850..2150).contains(&count(Some(InjectedFault::Dropped))));
        assert!((900..1100).contains(&count(Some(InjectedFault::Html))));
        assert_eq!(count(Some(InjectedFault::Slow)), 0);
        assert_eq!(happened, (0..10_000).map(|call| faults.of_call(call)).collect::<Vec<_>>());
    }

    #[test]
    fn a_share_of_one_is_every_call() {
        let faults = Faults { server_error: 1.0, ..Faults::default() };
        assert!((0..10_000).all(|call| faults.of_call(call) == Some(InjectedFault::ServerError)));
    }
}
