//! Judges the records that a complete pass did not show (I7). Pure: it applies decisions of
//! operators and the plausibility rules, and deletes nothing.

use std::collections::BTreeMap;

use super::alarms::{Decision, Verdict};
use crate::{
    domain::Day,
    warehouse::scope::{Count, DeletionRules},
};

/// Maximum number of missing records handled in one pass. Further ones wait for the next pass.
const MISSING_MAX: usize = 100_000;

/// The live records that a pass should have shown.
#[derive(Debug, Default)]
pub(super) struct Expected {
    days: BTreeMap<Day, Count>,
    /// The records that the pass did not show.
    missing: Vec<(String, Day)>,
}

impl Expected {
    /// Adds a live record.
    pub(super) fn add(&mut self, id: String, day: Day, is_shown: bool) {
        let count = self.days.entry(day).or_default();
        count.live += 1;
        if !is_shown {
            count.missing += 1;
            if self.missing.len() < MISSING_MAX {
                self.missing.push((id, day));
            }
        }
    }

    /// Whether the pass showed every record.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// The result of judging the missing records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// Missing records that get a detail call.
    pub(super) suspects: Vec<String>,
    /// Implausibly many records are missing: the undecided days on which records are missing.
    pub(super) alarm: Option<Vec<(Day, Count)>>,
    /// Live and missing records of the days without a decision.
    pub(super) undecided: Count,
}

/// Judges the missing records. `is_stopped`: deletions by absence are stopped because detail calls
/// confirmed too many within 24 hours.
pub(super) fn judge(
    expected: Expected,
    decisions: &[Decision],
    rules: &DeletionRules,
    is_stopped: bool,
) -> Judgement {
    let verdict = |day: &Day| {
        let decided = decisions.iter().find(|decision| decision.window.contains(*day));
        decided.map(|decision| decision.verdict)
    };
    let open: Vec<(Day, Count)> =
        expected.days.into_iter().filter(|(day, _)| verdict(day).is_none()).collect();
    let undecided = open.iter().fold(Count::default(), |sum, (_, count)| sum.plus(*count));
    let is_plausible = rules.is_plausible_pass(open.iter().map(|(_, count)| *count));
    let is_believed = is_plausible && !(is_stopped && undecided.missing > 0);
    let is_suspect = |day: &Day| match verdict(day) {
        Some(Verdict::Approved) => true,
        Some(Verdict::Rejected) => false,
        None => is_believed,
    };
    let suspects = expected.missing.into_iter().filter(|(_, day)| is_suspect(day));
    Judgement {
        suspects: suspects.map(|(id, _)| id).collect(),
        alarm: (!is_believed)
            .then(|| open.into_iter().filter(|(_, count)| count.missing > 0).collect()),
        undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Window;

    fn day(day: u32) -> Day {
        Day::from_ymd_opt(2025, 1, day).unwrap()
    }

    fn decided(from: u32, to: u32, verdict: Verdict) -> Decision {
        Decision { window: Window::new(day(from), day(to)).unwrap(), verdict }
    }

    /// Days as (day, live records, missing records); the first records of a day are missing.
    fn expected(days: &[(u32, u32, u32)]) -> Expected {
        let mut expected = Expected::default();
        for &(number, live, missing) in days {
            for record in 0..live {
                expected.add(format!("{number}-{record}"), day(number), record >= missing);
            }
        }
        expected
    }

    fn judged(days: &[(u32, u32, u32)], decisions: &[Decision], is_stopped: bool) -> Judgement {
        judge(expected(days), decisions, &DeletionRules::default(), is_stopped)
    }

    #[test]
    fn missing_records_are_suspects_or_raise_an_alarm() {
        let approved = [decided(1, 2, Verdict::Approved)];
        let rejected = [decided(1, 2, Verdict::Rejected)];
        for (days, decisions, is_stopped, suspects, alarm) in [
            (&[(1, 30, 0)][..], &[][..], false, 0, None),
            (&[(1, 30, 1)], &[], false, 1, None),
            (&[(1, 30, 1)], &[], true, 0, Some(vec![1])),
            (&[(1, 30, 11), (2, 500, 0)], &[], false, 0, Some(vec![1])),
            (&[(1, 30, 11), (2, 500, 1)], &[], false, 0, Some(vec![1, 2])),
            // Days with a decision are neither counted nor doubted.
            (&[(1, 30, 11), (2, 500, 1)], &approved, false, 12, None),
            (&[(1, 30, 11), (2, 500, 1)], &rejected, false, 1, None),
            (&[(1, 30, 11), (2, 500, 0)], &approved, true, 11, None),
            (&[(1, 30, 11), (2, 500, 1)], &approved, true, 11, Some(vec![2])),
        ] {
            let found = judged(days, decisions, is_stopped);
            let days_missed =
                found.alarm.map(|days| days.into_iter().map(|(day, _)| day).collect());
            let alarm: Option<Vec<Day>> = alarm.map(|days| days.into_iter().map(day).collect());
            assert_eq!((found.suspects.len(), days_missed), (suspects, alarm), "{days:?}");
        }
    }

    #[test]
    fn the_newest_decision_about_a_day_counts() {
        let decisions = [decided(1, 2, Verdict::Rejected), decided(1, 9, Verdict::Approved)];
        let found = judged(&[(1, 30, 11), (2, 30, 11)], &decisions, false);
        assert!(found.suspects.iter().all(|id| id.starts_with("2-")), "{found:?}");
        assert_eq!((found.suspects.len(), found.undecided), (11, Count::default()));
    }
}
