//! Decides what to read next, and what to do after a failure. Nothing here reads, writes or waits.
//!
//! - [`plan`] turns the state of each day into the passes that are due now.
//! - [`recovery()`] decides the next step after a failed pass.
//! - [`cycle_due`] computes how far the slow cycle of detail calls should be.
//! - [`DetailSchedule`] decides when records that lists show only in part are read.
//! - [`HintSchedule`] decides when lists of AML data that may bring such reads forward are
//!   requested.
//! - [`cost()`] estimates the calls of a plan.

mod adaptive_rate;
mod budget;
mod cost;
mod cycle;
mod hints;
mod recovery;
mod revisit;
mod sparse;
mod windows;

pub use adaptive_rate::{AnswerReport, Latencies, adjust};
pub use budget::Budget;
pub use cost::{Cost, ListCost, cost};
pub use cycle::cycle_due;
pub use hints::HintSchedule;
pub use recovery::{FailureKind, Recovery, recovery};
pub use revisit::Revisit;
pub use sparse::DetailSchedule;
pub use windows::backfill_windows;

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Duration, NaiveTime, Utc};

use crate::domain::{Clocks, DAYS_AHEAD, Day, DayState, Lane, Ledger, ListScope, Window};

/// A pass to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The lane, which is the reason for the pass.
    pub lane: Lane,
    /// The scope of the pass.
    pub reading: ListScope,
}

impl Task {
    /// A pass of a backfill.
    pub fn of_backfill(window: Window) -> Self {
        Self { lane: Lane::Backfill, reading: ListScope::Window(window) }
    }
}

/// How often each part of history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSettings {
    /// The first day that the warehouse covers. `None`: only today, yesterday and days that were
    /// read before are read on schedule.
    pub since: Option<Day>,
    /// A day is final once it was read at least this long after its end.
    pub settle: Duration,
    /// Most days of a window.
    pub window_days: u32,
    /// Items per list call.
    pub page_size: u32,
    /// When days that are expected to change are read again.
    pub revisit: Revisit,
    /// Every day is read again within this time.
    pub cycle: Duration,
    /// List calls per day that may be used to read all history sooner than `cycle`, at most once a
    /// day; 0: never sooner.
    pub cycle_calls_per_day: u32,
    /// Every record gets a detail call within this time.
    pub detail_cycle: Duration,
}

/// Returns the passes that are due now, the most urgent first:
///
/// 1. yesterday, today and the days ahead
/// 2. days with records whose state is expected to change
/// 3. days that are not final, the newest first
/// 4. the rest of history, in its turn
pub fn plan(settings: &PlanSettings, ledger: &Ledger, clocks: &Clocks) -> Vec<Task> {
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
    // An approved deletion may concern records that only a pass without a date filter can miss.
    let approved_at = days.iter().filter_map(|state| state.approved_at).max();
    let is_due = |as_of: DateTime<Utc>| {
        now - as_of >= settings.cycle || approved_at.is_some_and(|approved_at| approved_at >= as_of)
    };
    if is_read && ledger.unfiltered_as_of.is_none_or(is_due) {
        tasks.push(Task { lane: Lane::Audit, reading: ListScope::All });
    }
    tasks
}

/// When a day is read next, and in which lane, if nothing changes until then. A day beyond the
/// newest window is read once that window reaches it.
pub fn next_read(
    settings: &PlanSettings,
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

/// Every day before the newest window that the warehouse covers or should cover: all days since the
/// configured one, and those that were read before.
fn all_days(settings: &PlanSettings, ledger: &Ledger, newest: Day) -> Vec<DayState> {
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
