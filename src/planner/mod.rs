//! Pure: decides what to read next, and what to do after a failure. Nothing here reads, writes or
//! waits.
//!
//! [`plan`] turns what is known of each day into the walks that are due now, [`recovery`] says
//! what becomes of a walk that failed, [`cycle_due`] how far the slow cycle of detail calls should
//! be, [`DetailSchedule`] when records are read that lists do not show whole, [`HintSchedule`] when
//! lists of AML data are asked for that may bring such reads forward, [`cost()`] what a plan will
//! take.

mod budget;
mod cost;
mod cycle;
mod hints;
mod recovery;
mod revisit;
mod sparse;
mod windows;

pub use budget::Budget;
pub use cost::{Cost, cost};
pub use cycle::cycle_due;
pub use hints::HintSchedule;
pub use recovery::{FailureKind, Recovery, recovery};
pub use revisit::Revisit;
pub use sparse::DetailSchedule;
pub use windows::{backfill_days, missing};

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Duration, NaiveTime, Utc};

use crate::domain::{Clocks, DAYS_AHEAD, Day, DayState, Lane, Ledger, ListScope, Window};

/// A walk somebody should make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Why.
    pub lane: Lane,
    /// Of what.
    pub reading: ListScope,
}

/// How often to look where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How far back the warehouse reaches; `None`: only today and yesterday, and days that were
    /// read before, are read by themselves.
    pub since: Option<Day>,
    /// A day is final once it was read so long after its end.
    pub settle: Duration,
    /// Windows hold at most so many days.
    pub window_days: u32,
    /// Items of one list call.
    pub page_size: u32,
    /// When days that are expected to change are read again.
    pub revisit: Revisit,
    /// Every day is read again within this time.
    pub cycle: Duration,
    /// List calls a day that may be used to read all history sooner than `cycle`, at most once a
    /// day; 0: not sooner.
    pub cycle_calls_per_day: u32,
    /// Every record gets a detail call once in this time.
    pub detail_cycle: Duration,
}

/// The walks that are due now, the most urgent first: yesterday, today and the days ahead; days
/// whose records move; days never finally read,
/// the newest first; the rest of history in its turn.
pub fn plan(settings: &Settings, ledger: &Ledger, clocks: &Clocks) -> Vec<Task> {
    let now = clocks.database;
    let newest = clocks.newest_window();
    let days = all_days(settings, ledger, newest.from());
    let counts: BTreeMap<Day, u32> = days.iter().map(|day| (day.day, day.records)).collect();
    let cycle = revisit::cycle(settings, &counts);
    let mut due: BTreeMap<Lane, Vec<Day>> = BTreeMap::new();
    for state in &days {
        if let Some(lane) = revisit::due(settings, cycle, state, now) {
            due.entry(lane).or_default().push(state.day);
        }
    }
    let mut tasks = vec![Task { lane: Lane::Recent, reading: ListScope::Window(newest) }];
    for lane in [Lane::Unsettled, Lane::Backfill, Lane::Audit] {
        let days = due.remove(&lane).unwrap_or_default();
        let windows = windows::gather(settings, &counts, lane, &days);
        let tasks_of_lane = windows.into_iter().map(ListScope::Window);
        tasks.extend(tasks_of_lane.map(|reading| Task { lane, reading }));
    }
    let is_read = !tasks.iter().any(|task| task.lane == Lane::Backfill);
    // What a person approved may be what only a walk without a date filter can miss.
    let approved_at = days.iter().filter_map(|state| state.approved_at).max();
    let is_due = |as_of: DateTime<Utc>| {
        now - as_of >= settings.cycle || approved_at.is_some_and(|approved_at| approved_at >= as_of)
    };
    if is_read && ledger.unfiltered_as_of.is_none_or(is_due) {
        tasks.push(Task { lane: Lane::Audit, reading: ListScope::All });
    }
    tasks
}

/// When a day is looked at next, and in which lane, if nothing changes until then. A day beyond the
/// newest window is read once that window reaches it.
pub fn next_read(
    settings: &Settings,
    ledger: &Ledger,
    day: Day,
    clocks: &Clocks,
) -> Option<(Lane, DateTime<Utc>)> {
    let now = clocks.database;
    let newest = clocks.newest_window();
    if day >= newest.from() {
        let reached = day.checked_sub_days(Days::new(DAYS_AHEAD)).unwrap_or(day);
        let at =
            if newest.contains(day) { now } else { reached.and_time(NaiveTime::MIN).and_utc() };
        return Some((Lane::Recent, at));
    }
    let days = all_days(settings, ledger, newest.from());
    let counts: BTreeMap<Day, u32> = days.iter().map(|day| (day.day, day.records)).collect();
    let state = days.iter().find(|state| state.day == day)?;
    revisit::next(settings, revisit::cycle(settings, &counts), state, now)
}

/// Every day before the newest window that the warehouse covers or should cover: since the
/// configured day, and those that were read before.
fn all_days(settings: &Settings, ledger: &Ledger, newest: Day) -> Vec<DayState> {
    let mut days: BTreeMap<Day, DayState> = BTreeMap::new();
    if let Some(history) = settings.since.and_then(|since| Window::new(since, newest).ok()) {
        days.extend(history.days().map(|day| (day, DayState::unread(day))));
    }
    let read = ledger.days.iter().filter(|state| state.day < newest);
    days.extend(read.map(|state| (state.day, *state)));
    days.into_values().collect()
}

#[cfg(test)]
mod tests;
