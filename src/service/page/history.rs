//! The state of each day of a project's history.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use super::words;
use crate::{
    domain::Day,
    service::board::KnownState,
    warehouse::{DayReport, WindowReport, WindowState},
};

/// The state of a day, in display order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DayState {
    /// Read long enough after its end.
    Final,
    /// Read completely, but too early to be final.
    Covered,
    /// Being read for the first time, or waiting for the rest of its pass.
    Reading,
    /// It appeared empty without proof.
    Unverified,
    /// It could not be read despite all attempts.
    Blocked,
    /// Never read completely.
    Unread,
}

impl DayState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Covered => "read, not final",
            Self::Reading => "being read",
            Self::Unverified => "empty, unverified",
            Self::Blocked => "blocked",
            Self::Unread => "not read yet",
        }
    }

    /// The class of its cells in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Final => "f",
            Self::Covered => "c",
            Self::Reading => "r",
            Self::Unverified => "e",
            Self::Blocked => "b",
            Self::Unread => "n",
        }
    }
}

/// A day of a project's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HistoryDay {
    pub(super) day: Day,
    pub(super) state: DayState,
    /// Time as of which the day is complete; `None` if it was never read completely.
    pub(super) as_of: Option<DateTime<Utc>>,
    /// Number of live records when it was last read.
    pub(super) records: i64,
    /// A pass reads it again.
    pub(super) is_read_again: bool,
}

impl HistoryDay {
    /// The accessible text of the day.
    pub(super) fn as_text(&self) -> String {
        let read = self.as_of.map(|as_of| {
            let records = words::count(self.records, "record");
            format!(", {records} as of {}", as_of.format("%Y-%m-%d %H:%M"))
        });
        let again = if self.is_read_again { ", being read again" } else { "" };
        format!("{}: {}{}{again}", self.day, self.state.as_str(), read.unwrap_or_default())
    }
}

/// Returns each day of a project from the start of its history to the day of the state, in order.
/// The history starts with `sync.since` or the first known day, whichever is earlier.
pub(super) fn days_of(known: &KnownState, project: &str) -> Vec<HistoryDay> {
    let today = known.read_at.date_naive();
    let read = known.days.iter().filter(|report| report.project == project);
    let read: BTreeMap<Day, &DayReport> = read.map(|report| (report.day, report)).collect();
    let blocked = known.report.blocked_days.iter().filter(|blocked| blocked.project == project);
    let blocked: BTreeSet<Day> = blocked.map(|blocked| blocked.day).collect();
    let windows: Vec<&WindowReport> =
        known.windows.iter().filter(|window| window.project == project).collect();
    let is_in = |day, state| {
        windows.iter().any(|window| window.state == state && window.days.contains(day))
    };
    let first_known = [read.keys().next(), blocked.first()].into_iter().flatten().min();
    let first = [first_known.copied(), known.report.since].into_iter().flatten().min();
    let days = first.unwrap_or(today).iter_days().take_while(|day| *day <= today);
    let days = days.map(|day| {
        let report = read.get(&day);
        let as_of = report.map(|report| report.as_of);
        let is_open = is_in(day, WindowState::Open);
        let state = if blocked.contains(&day) {
            DayState::Blocked
        } else if is_in(day, WindowState::EmptyUnverified) {
            DayState::Unverified
        } else {
            match as_of {
                Some(as_of) if is_final(day, as_of, known.promises.settle) => DayState::Final,
                Some(_) => DayState::Covered,
                None if is_open => DayState::Reading,
                None => DayState::Unread,
            }
        };
        HistoryDay {
            day,
            state,
            as_of,
            records: report.map_or(0, |report| report.records.into()),
            is_read_again: is_open && state != DayState::Reading,
        }
    });
    days.collect()
}

/// Whether a day was read at least `settle` after its end.
fn is_final(day: Day, as_of: DateTime<Utc>, settle: TimeDelta) -> bool {
    as_of > day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1) + settle
}

/// Counts the days in each state that occurs, in display order.
pub(super) fn counts<'d>(days: impl Iterator<Item = &'d HistoryDay>) -> Vec<(DayState, i64)> {
    let mut counts = BTreeMap::new();
    for day in days {
        *counts.entry(day.state).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// Consecutive days in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Day,
    pub(super) to: Day,
    pub(super) state: DayState,
    pub(super) days: i64,
    pub(super) records: i64,
    /// The oldest read time of its days.
    pub(super) as_of: Option<DateTime<Utc>>,
}

/// Joins consecutive days in one state, the newest first.
pub(super) fn spans(days: &[HistoryDay]) -> Vec<Span> {
    let chunks = days.chunk_by(|before, after| before.state == after.state).rev();
    let spans = chunks.filter_map(|days| {
        let (first, last) = (days.first()?, days.last()?);
        Some(Span {
            from: first.day,
            to: last.day,
            state: first.state,
            days: i64::try_from(days.len()).unwrap_or(i64::MAX),
            records: days.iter().map(|day| day.records).sum(),
            as_of: days.iter().filter_map(|day| day.as_of).min(),
        })
    });
    spans.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::page::fixtures;

    #[test]
    fn each_day_has_one_state() {
        let known = fixtures::degraded();
        let days = days_of(&known, "main");
        let state = |text: &str| {
            let day: Day = text.parse().unwrap();
            days.iter().find(|known| known.day == day).map(|day| (day.state, day.is_read_again))
        };
        for (day, state_of_day) in [
            ("2026-08-31", None),
            ("2026-09-01", Some((DayState::Final, false))),
            ("2026-10-14", Some((DayState::Blocked, false))),
            ("2026-11-01", Some((DayState::Unverified, false))),
            ("2026-11-29", Some((DayState::Final, false))),
            ("2026-11-30", Some((DayState::Covered, true))),
            ("2026-12-01", None),
        ] {
            assert_eq!(state(day), state_of_day, "{day}");
        }
        let known = fixtures::first_backfill();
        let states = counts(days_of(&known, "main").iter());
        let states: Vec<_> =
            states.into_iter().map(|(state, days)| (state.as_str(), days)).collect();
        assert_eq!(
            states,
            [("final", 30), ("read, not final", 1), ("being read", 30), ("not read yet", 30)]
        );
    }

    #[test]
    fn a_day_is_final_once_it_settled() {
        let day: Day = "2026-11-29".parse().unwrap();
        let end = day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1);
        for (minutes, expected) in [(-30, false), (0, false), (60, false), (61, true)] {
            let as_of = end + TimeDelta::minutes(minutes);
            assert_eq!(is_final(day, as_of, TimeDelta::hours(1)), expected, "{minutes}");
        }
    }

    #[test]
    fn consecutive_days_in_one_state_are_joined() {
        let known = fixtures::degraded();
        let spans = spans(&days_of(&known, "main"));
        let told: Vec<_> = spans
            .iter()
            .map(|span| format!("{}..{} {} {}", span.from, span.to, span.state.as_str(), span.days))
            .collect();
        assert_eq!(
            told,
            [
                "2026-11-30..2026-11-30 read, not final 1",
                "2026-11-02..2026-11-29 final 28",
                "2026-11-01..2026-11-01 empty, unverified 1",
                "2026-10-16..2026-10-31 final 16",
                "2026-10-13..2026-10-15 blocked 3",
                "2026-09-01..2026-10-12 final 42",
            ]
        );
    }
}
