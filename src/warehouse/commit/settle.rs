//! Decides the next state of a due detail call after it was made. Pure.

use std::time::Duration;

use super::answer::{DetailAnswer, DueDetail};

/// The first retry delay after a failure; it doubles with each further failure.
const RETRY_MIN: Duration = Duration::from_secs(30);

/// The maximum retry delay.
const RETRY_MAX: Duration = Duration::from_hours(6);

/// The delay after a call that did not find its record.
const NOT_FOUND_WAIT: Duration = Duration::from_hours(1);

/// Number of failed attempts to find a listed record, before that is taken as the vendor's final
/// answer.
const NOT_FOUND_MAX: u32 = 5;

/// The next state of a due call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is no longer due.
    Done,
    /// It stays due as it was.
    Unchanged,
    /// It is due again.
    Again {
        /// The delay before it is due.
        after: Duration,
        /// Whether this counts as a failure.
        has_failed: bool,
    },
}

/// Settles a call that has failed `failures` times before. `has_control`: another call of its batch
/// found a live record.
pub(super) fn settle(
    due: &DueDetail,
    answer: &DetailAnswer,
    failures: u32,
    has_control: bool,
) -> Settled {
    match answer {
        DetailAnswer::Found(_) => Settled::Done,
        DetailAnswer::NotFound(_) if due.was_missed && has_control => Settled::Done,
        DetailAnswer::NotFound(_) if due.was_missed => {
            Settled::Again { after: NOT_FOUND_WAIT, has_failed: false }
        }
        DetailAnswer::NotFound(_) if failures >= NOT_FOUND_MAX => Settled::Done,
        DetailAnswer::NotFound(_) => Settled::Again { after: NOT_FOUND_WAIT, has_failed: true },
        DetailAnswer::Failed => {
            let after = RETRY_MIN.saturating_mul(2_u32.saturating_pow(failures)).min(RETRY_MAX);
            Settled::Again { after, has_failed: true }
        }
        DetailAnswer::NotAsked => Settled::Unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::ReadNumber, warehouse::record::samples::item};

    fn found() -> DetailAnswer {
        DetailAnswer::Found(item("a", 5, "approved", 1))
    }

    #[test]
    fn a_call_is_settled_by_its_answer() {
        let (listed, missed) = (DueDetail::sample(false), DueDetail::sample(true));
        let hour = Duration::from_hours(1);
        let again = |after, has_failed| Settled::Again { after, has_failed };
        for (due, answer, failures, has_control, expected) in [
            (&listed, found(), 9, false, Settled::Done),
            (&listed, DetailAnswer::NotAsked, 2, true, Settled::Unchanged),
            (&listed, DetailAnswer::Failed, 0, true, again(Duration::from_secs(30), true)),
            (&listed, DetailAnswer::Failed, 3, true, again(Duration::from_mins(4), true)),
            (&listed, DetailAnswer::Failed, 60, true, again(Duration::from_hours(6), true)),
            (&listed, DetailAnswer::NotFound(ReadNumber(1)), 4, true, again(hour, true)),
            (&listed, DetailAnswer::NotFound(ReadNumber(1)), 5, false, Settled::Done),
            (&missed, DetailAnswer::NotFound(ReadNumber(1)), 0, true, Settled::Done),
            // Without a control call, not finding a missed record proves nothing.
            (&missed, DetailAnswer::NotFound(ReadNumber(1)), 9, false, again(hour, false)),
        ] {
            let settled = settle(due, &answer, failures, has_control);
            assert_eq!(settled, expected, "{due:?} {answer:?} {failures}");
        }
    }
}
