//! What to do with a window that failed: wait, restart, cut it in two, or give up for now.

use std::time::Duration;

use crate::domain::{ListScope, Window};

/// Failures at one cursor after which the cursor is dropped.
const FAILURES_AT_CURSOR_MAX: i32 = 2;

/// Restarts after which a window is cut in two.
const RESTARTS_MAX: i32 = 3;

/// The kind of failure of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It may pass by itself.
    Passing {
        /// The time that the vendor asked to wait before the next call.
        not_before: Option<Duration>,
    },
    /// The cursor does not work.
    Cursor,
    /// The answer is too large, the pass too long, or its end in doubt; a smaller window may help.
    TooLarge,
    /// The vendor rejects this request, and would reject it again.
    Permanent,
}

/// The next step with a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Keep the checkpoint and continue from it later.
    Wait {
        /// The minimum time to wait.
        not_before: Option<Duration>,
    },
    /// Drop the checkpoint and restart from the first page at once.
    Restart,
    /// Drop the checkpoint and leave the window for a later run.
    RestartLater,
    /// Read both halves instead.
    Halve(Window, Window),
    /// A single day that fails on every attempt: shown, and left for a later run.
    Block,
    /// Leave the window, unchanged, for a later run.
    GiveUp,
}

/// Decides the next step from the failure and the earlier attempts.
///
/// A pass without a date filter cannot be cut: a later run starts it from its first page.
///
/// `failures` counts the failures at the current checkpoint, including this one; `restarts` counts
/// the restarts of the window. Waiting out an outage never cuts a window, because only failures
/// after a cursor drop the cursor.
pub fn recovery(
    reading: ListScope,
    kind: FailureKind,
    has_cursor: bool,
    failures: i32,
    restarts: i32,
) -> Recovery {
    let smaller = || match reading {
        ListScope::Window(window) => window
            .halves()
            .map_or(Recovery::Block, |(first, second)| Recovery::Halve(first, second)),
        ListScope::All if has_cursor => Recovery::RestartLater,
        ListScope::All => Recovery::GiveUp,
    };
    match kind {
        FailureKind::Passing { not_before } => {
            match has_cursor && failures >= FAILURES_AT_CURSOR_MAX {
                false => Recovery::Wait { not_before },
                true if restarts >= RESTARTS_MAX => smaller(),
                true => Recovery::Restart,
            }
        }
        FailureKind::Cursor if restarts >= RESTARTS_MAX => smaller(),
        FailureKind::Cursor if restarts == 0 => Recovery::Restart,
        FailureKind::Cursor => Recovery::RestartLater,
        FailureKind::TooLarge => smaller(),
        // The vendor may reject only the cursor, which it need not accept forever (U8).
        FailureKind::Permanent if has_cursor => {
            recovery(reading, FailureKind::Cursor, has_cursor, failures, restarts)
        }
        FailureKind::Permanent => Recovery::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Day;

    fn days(days: i64) -> Window {
        let from = Day::from_ymd_opt(2025, 1, 1).unwrap();
        Window::new(from, from + chrono::Duration::days(days)).unwrap()
    }

    fn window(length: i64) -> ListScope {
        ListScope::Window(days(length))
    }

    const PASSING: FailureKind = FailureKind::Passing { not_before: None };

    #[test]
    fn an_outage_before_the_first_page_is_waited_out() {
        let wait = Recovery::Wait { not_before: None };
        assert_eq!(recovery(window(30), PASSING, false, 50, 0), wait);
        assert_eq!(recovery(window(30), PASSING, true, 1, 0), wait);
    }

    #[test]
    fn a_cursor_that_fails_twice_is_dropped_and_a_window_that_began_three_times_is_cut() {
        assert_eq!(recovery(window(30), PASSING, true, 2, 0), Recovery::Restart);
        let (first, second) = days(30).halves().unwrap();
        assert_eq!(recovery(window(30), PASSING, true, 2, 3), Recovery::Halve(first, second));
        assert_eq!(recovery(window(1), PASSING, true, 2, 3), Recovery::Block);
    }

    #[test]
    fn a_circle_is_walked_twice_and_then_left_for_later() {
        assert_eq!(recovery(window(30), FailureKind::Cursor, true, 1, 0), Recovery::Restart);
        assert_eq!(recovery(window(30), FailureKind::Cursor, true, 1, 1), Recovery::RestartLater);
        assert!(matches!(
            recovery(window(30), FailureKind::Cursor, true, 1, 3),
            Recovery::Halve(..)
        ));
    }

    #[test]
    fn a_refusal_behind_a_cursor_drops_the_cursor() {
        assert_eq!(recovery(window(9), FailureKind::Permanent, true, 1, 0), Recovery::Restart);
        assert_eq!(recovery(window(9), FailureKind::Permanent, true, 1, 1), Recovery::RestartLater);
    }

    #[test]
    fn what_is_too_large_is_cut_at_once() {
        assert!(matches!(
            recovery(window(2), FailureKind::TooLarge, false, 1, 0),
            Recovery::Halve(..)
        ));
        assert_eq!(recovery(window(1), FailureKind::TooLarge, false, 1, 0), Recovery::Block);
        assert_eq!(recovery(window(9), FailureKind::Permanent, false, 1, 0), Recovery::GiveUp);
    }

    #[test]
    fn a_walk_without_a_date_filter_is_not_cut_and_blocks_no_day() {
        let everything =
            |kind, has_cursor, restarts| recovery(ListScope::All, kind, has_cursor, 2, restarts);
        assert_eq!(everything(FailureKind::TooLarge, false, 0), Recovery::GiveUp);
        assert_eq!(everything(FailureKind::TooLarge, true, 0), Recovery::RestartLater);
        assert_eq!(everything(PASSING, true, 3), Recovery::RestartLater);
        assert_eq!(everything(FailureKind::Cursor, true, 0), Recovery::Restart);
    }
}
