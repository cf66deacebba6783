//! The number of items to request: as many as the API delivers.
//!
//! A status 413 or an answer above our own limit is a clear sign that the page was too large. That
//! size is avoided for a day. A time-out, 502 or 504 is ambiguous, because overload of the vendor
//! causes the same. The call then tries smaller pages at once. The size is remembered only if half
//! of it returned a full page and the whole then failed again; otherwise each short outage would
//! cause a day of small pages.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long a size that failed is avoided.
const MEMORY: Duration = Duration::from_hours(24);

/// Ambiguous failures of one call after which its page counts as too large; one may be chance.
const SUSPICIOUS_MIN: u32 = 2;

/// The page size of one key, shared by its workers.
#[derive(Debug)]
pub(super) struct PageSize {
    /// The configured size.
    wanted: u32,
    state: Mutex<LearnedSizes>,
}

#[derive(Debug)]
struct LearnedSizes {
    /// The size of the next call.
    size: u32,
    /// The size of the last page that was full.
    proven: Option<u32>,
    /// The smallest size known to fail, and when that expires.
    failing: Option<(u32, Instant)>,
}

/// What a failed attempt indicates about the size of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strain {
    /// Nothing.
    None,
    /// Possibly too large: time-out, 502, 504.
    Suspected {
        /// Whether the attempt used up its time, so that a call has time for only a few.
        slow: bool,
    },
    /// Too large: 413, or above our own limit.
    Certain,
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// Retry the same after the usual delay.
    Same,
    /// Request a smaller page after the usual delay, since the vendor may be overloaded.
    SmallerLater,
    /// Request a smaller page at once.
    SmallerNow,
    /// A page of one item failed; no smaller page exists.
    NothingSmaller,
}

/// The page size of one call, from attempt to attempt.
#[derive(Debug)]
pub(super) struct Fitting<'a> {
    shared: &'a PageSize,
    size: u32,
    suspicious: u32,
}

impl PageSize {
    /// Starts with the configured size.
    pub(super) fn new(wanted: u32) -> Self {
        Self {
            wanted,
            state: Mutex::new(LearnedSizes { size: wanted, proven: None, failing: None }),
        }
    }

    /// Starts a call.
    pub(super) fn fit(&self, now: Instant) -> Fitting<'_> {
        let size = self.with(|state| {
            if state.failing.is_some_and(|(_, until)| until <= now) {
                state.failing = None;
                state.size = state.size.saturating_mul(2).min(self.wanted);
            }
            state.size
        });
        Fitting { shared: self, size, suspicious: 0 }
    }

    fn with<T>(&self, change: impl FnOnce(&mut LearnedSizes) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LearnedSizes {
    fn remember_failing(&mut self, size: u32, now: Instant) {
        let smallest = self.failing.map_or(size, |(before, _)| before.min(size));
        self.failing = Some((smallest, now + MEMORY));
        self.size = self.size.min(half(smallest));
    }
}

impl Fitting<'_> {
    /// The number of items to request.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// Records a page with this number of items.
    ///
    /// A page that is at most half full proves nothing about larger ones.
    pub(super) fn came(&self, items: usize) {
        let is_full = items.saturating_mul(2) > usize::try_from(self.size).unwrap_or(usize::MAX);
        if !is_full {
            return;
        }
        self.shared.with(|state| {
            state.proven = Some(self.size);
            let larger = self.size.saturating_mul(2).min(self.shared.wanted);
            let is_open = state.failing.is_none_or(|(failing, _)| larger < failing);
            state.size = if is_open { larger } else { self.size.min(state.size) };
        });
    }

    /// Records a failed attempt and what it indicates about the size.
    pub(super) fn failed(&mut self, strain: Strain, now: Instant) -> AfterFailure {
        let (next, slow) = match strain {
            // Unrelated to the size; the count of suspicious failures stays.
            Strain::None => return AfterFailure::Same,
            Strain::Suspected { slow } => {
                self.suspicious += 1;
                if self.suspicious < SUSPICIOUS_MIN {
                    return AfterFailure::Same;
                }
                (AfterFailure::SmallerLater, slow)
            }
            Strain::Certain => (AfterFailure::SmallerNow, false),
        };
        let failed = self.size;
        self.suspicious = 0;
        self.size = half(failed);
        self.shared.with(|state| {
            let is_certain = strain == Strain::Certain || state.proven == Some(self.size);
            if is_certain && failed > 1 {
                state.remember_failing(failed, now);
            } else if slow {
                // A call has time for only a few slow failures, so the next call starts from this
                // size.
                state.size = state.size.min(self.size);
            }
        });
        if failed > 1 { next } else { AfterFailure::NothingSmaller }
    }
}

fn half(size: u32) -> u32 {
    (size / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Strain = Strain::Suspected { slow: false };
    const SLOW: Strain = Strain::Suspected { slow: true };

    fn next_size(sizes: &PageSize, now: Instant) -> u32 {
        sizes.fit(now).size()
    }

    #[test]
    fn a_certain_failure_is_remembered_for_a_day() {
        let (sizes, now) = (PageSize::new(2000), Instant::now());
        let mut call = sizes.fit(now);
        assert_eq!(call.failed(Strain::Certain, now), AfterFailure::SmallerNow);
        assert_eq!(call.size(), 1000);
        call.came(1000);
        assert_eq!(next_size(&sizes, now + MEMORY - Duration::from_secs(1)), 1000);
        assert_eq!(next_size(&sizes, now + MEMORY), 2000);
    }

    #[test]
    fn the_second_suspicion_halves_whatever_else_fails_in_between() {
        let (sizes, now) = (PageSize::new(2000), Instant::now());
        let mut call = sizes.fit(now);
        assert_eq!(call.failed(QUICK, now), AfterFailure::Same);
        assert_eq!(call.failed(Strain::None, now), AfterFailure::Same);
        assert_eq!(call.failed(QUICK, now), AfterFailure::SmallerLater);
        assert_eq!(call.size(), 1000);
    }

    #[test]
    fn a_suspicion_is_remembered_once_it_comes_true() {
        let (sizes, now) = (PageSize::new(2000), Instant::now());
        for expected in [2000, 1000] {
            let mut call = sizes.fit(now);
            while call.size() == 2000 {
                call.failed(QUICK, now);
            }
            call.came(1000);
            assert_eq!(next_size(&sizes, now), expected);
        }
        assert_eq!(next_size(&sizes, now + MEMORY), 2000);
    }

    #[test]
    fn an_outage_leaves_no_trace() {
        let (sizes, now) = (PageSize::new(2000), Instant::now());
        let mut call = sizes.fit(now);
        for _ in 0..8 {
            call.failed(QUICK, now);
        }
        assert_eq!(call.size(), 125);
        assert_eq!(next_size(&sizes, now), 2000);
    }

    #[test]
    fn slow_failures_are_carried_on_and_grown_out_of() {
        let (sizes, now) = (PageSize::new(2000), Instant::now());
        for _ in 0..2 {
            let mut call = sizes.fit(now);
            for _ in 0..2 {
                call.failed(SLOW, now);
            }
        }
        assert_eq!(next_size(&sizes, now), 500);
        sizes.fit(now).came(10);
        assert_eq!(next_size(&sizes, now), 500);
        for grown in [1000, 2000, 2000] {
            let call = sizes.fit(now);
            call.came(call.size() as usize);
            assert_eq!(next_size(&sizes, now), grown);
        }
    }

    #[test]
    fn there_is_nothing_below_one() {
        let (sizes, now) = (PageSize::new(3), Instant::now());
        let mut call = sizes.fit(now);
        assert_eq!(call.failed(Strain::Certain, now), AfterFailure::SmallerNow);
        assert_eq!(call.size(), 1);
        assert_eq!(call.failed(Strain::Certain, now), AfterFailure::NothingSmaller);
        assert_eq!(call.size(), 1);
    }
}
