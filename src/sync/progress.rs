//! Counters for a progress bar, written by the work and read by the display.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The progress of a backfill.
#[derive(Debug, Default)]
pub struct Progress {
    windows: AtomicU64,
    windows_done: AtomicU64,
    items: AtomicU64,
    details_due: AtomicU64,
    details_done: AtomicU64,
}

/// A snapshot of a [`Progress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgressSnapshot {
    /// Windows to read; a window cut in two counts as two.
    pub windows: u64,
    /// Windows read.
    pub windows_done: u64,
    /// Items received in lists.
    pub items: u64,
    /// Detail calls pending.
    pub details_due: u64,
    /// Detail calls made.
    pub details_done: u64,
}

impl Progress {
    /// Returns the current counters.
    pub fn look(&self) -> ProgressSnapshot {
        ProgressSnapshot {
            windows: self.windows.load(Relaxed),
            windows_done: self.windows_done.load(Relaxed),
            items: self.items.load(Relaxed),
            details_due: self.details_due.load(Relaxed),
            details_done: self.details_done.load(Relaxed),
        }
    }

    pub(super) fn add_windows(&self, count: usize) {
        self.windows.fetch_add(count as u64, Relaxed);
    }

    pub(super) fn window_done(&self) {
        self.windows_done.fetch_add(1, Relaxed);
    }

    pub(super) fn add_items(&self, count: usize) {
        self.items.fetch_add(count as u64, Relaxed);
    }

    pub(super) fn add_details_due(&self, count: i64) {
        self.details_due.fetch_add(u64::try_from(count).unwrap_or_default(), Relaxed);
    }

    pub(super) fn add_details_done(&self, count: usize) {
        self.details_done.fetch_add(count as u64, Relaxed);
    }
}
