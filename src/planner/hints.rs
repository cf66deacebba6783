//! Schedules lists with `request_type=aml`. They hint at changed records when the budget has too
//! few detail calls to read every sparse record once per cycle of lists.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use super::{DetailSchedule, PlanSettings, cost::calls_of_days, sparse::time_of, windows};
use crate::domain::{Day, HintPlace, Lane, Ledger, Window};

/// Detail calls of the schedule for each such list call. Both use the budget of the `detail` lane.
const SINGLE_CALLS_PER_LIST: u64 = 8;

/// Most calls of a window, unless it is a single day.
const CALLS_MAX: u64 = 50;

/// Schedules such lists.
#[derive(Debug, Clone)]
pub struct HintSchedule {
    settings: PlanSettings,
    counts: BTreeMap<Day, u32>,
    cycle: Duration,
    calls_per_day: u64,
}

impl HintSchedule {
    /// The schedule that accompanies one of detail calls; `None` if the detail calls keep up with
    /// the cycle of lists.
    pub fn beside(
        schedule: &DetailSchedule,
        settings: &PlanSettings,
        ledger: &Ledger,
    ) -> Option<Self> {
        let calls_per_day = schedule.calls_per_day().filter(|_| schedule.is_short_of_calls())?;
        Some(Self {
            settings: *settings,
            counts: ledger.days.iter().map(|state| (state.day, state.records)).collect(),
            cycle: schedule.cycle(),
            calls_per_day: (calls_per_day / SINGLE_CALLS_PER_LIST).max(1),
        })
    }

    /// Where to continue now: at a position in history, or at its newest record after a cycle of
    /// lists. `None` if nothing is due yet.
    pub fn due(&self, place: &HintPlace, now: DateTime<Utc>) -> Option<HintPlace> {
        // A later time was stored while the clock was ahead.
        let longest = self.cycle.max(self.time_of(CALLS_MAX));
        if place.until.is_some_and(|until| until > now && until <= now + longest) {
            return None;
        }
        let begins = |at: DateTime<Utc>| at > now || now - at >= self.cycle;
        match place.before {
            Some(_) => Some(*place),
            None if place.started_at.is_none_or(begins) => {
                Some(HintPlace { started_at: Some(now), before: Some(Day::MAX), ..*place })
            }
            None => None,
        }
    }

    /// The window with the newest of these days, given in ascending order, and as many others as
    /// cost no additional call.
    pub fn window(&self, days: &[Day]) -> Option<Window> {
        windows::gather(&self.settings, &self.counts, Lane::Audit, days).into_iter().next()
    }

    /// The position while a window is read, so that no other process reads it too.
    pub fn reading(&self, place: &HintPlace, window: Window, now: DateTime<Utc>) -> HintPlace {
        let last = window.to().pred_opt().unwrap_or(window.from());
        let calls = calls_of_days(&self.settings, &self.counts, window.from(), last);
        let until = Some(now + self.time_of(u64::from(calls.max(1))));
        HintPlace { before: Some(window.to()), until, ..*place }
    }

    /// The position after a window that took this number of calls.
    pub fn behind(
        &self,
        place: &HintPlace,
        window: Window,
        calls: u64,
        now: DateTime<Utc>,
    ) -> HintPlace {
        let until = Some(now + self.time_of(calls));
        HintPlace { before: Some(window.from()), until, ..*place }
    }

    fn time_of(&self, calls: u64) -> Duration {
        time_of(calls.min(CALLS_MAX), self.calls_per_day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::sparse::tests::{at, read_days, schedule, settings};

    /// One list call for eight of half of 40% of the calls: 2.5 per day, so two.
    fn hints(records: u64, calls_per_day: u32) -> Option<HintSchedule> {
        HintSchedule::beside(&schedule(records, calls_per_day), &settings(), &read_days())
    }

    #[test]
    fn hints_are_asked_for_only_where_detail_calls_cannot_follow_the_cycle_of_lists() {
        for (records, calls_per_day, expected) in
            [(300, 100, true), (20, 100, false), (300, 200_000, false), (300, 0, false)]
        {
            let is_asked = hints(records, calls_per_day).is_some();
            assert_eq!(is_asked, expected, "{records} {calls_per_day}");
        }
    }

    #[test]
    fn they_go_through_history_once_in_a_cycle_and_keep_to_their_calls() {
        let hints = hints(300, 100).unwrap();
        let days: Vec<Day> = (0..100).step_by(3).map(|day| at(day).date_naive()).collect();
        let mut place = HintPlace::default();
        let mut passes = Vec::new();
        for step in 0..30 * 24 {
            let now = at(100) + Duration::hours(step);
            while let Some(due) = hints.due(&place, now) {
                let before = due.before.unwrap();
                let left: Vec<Day> = days.iter().copied().filter(|day| *day < before).collect();
                let Some(window) = hints.window(&left) else {
                    place = HintPlace { before: None, ..due };
                    continue;
                };
                let reading = hints.reading(&due, window, now);
                assert_eq!(hints.due(&reading, now + Duration::hours(11)), None, "it is read");
                place = hints.behind(&due, window, 1, now);
                passes.push((now, window));
            }
        }
        // A hundred days are four windows of thirty days; a turn of four calls takes two days.
        let turns = passes.iter().filter(|(_, window)| window.contains(days[33])).count();
        assert_eq!((passes.len(), turns), (60, 15), "{passes:?}");
        for day in &days {
            let read = passes[..4].iter().filter(|(_, window)| window.contains(*day)).count();
            assert_eq!(read, 1, "{day}");
        }
    }

    #[test]
    fn a_clock_that_was_ahead_holds_nothing_up() {
        let hints = hints(300, 100).unwrap();
        let ahead = HintPlace { started_at: Some(at(400)), before: None, until: Some(at(400)) };
        let due = hints.due(&ahead, at(100)).unwrap();
        assert_eq!((due.started_at, due.before), (Some(at(100)), Some(Day::MAX)));
        let soon = HintPlace { started_at: Some(at(100)), before: None, until: None };
        assert_eq!(hints.due(&soon, at(100) + Duration::hours(23)), None);
        assert!(hints.due(&soon, at(101)).is_some());
    }
}
