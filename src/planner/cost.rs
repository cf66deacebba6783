//! The cost of a plan in calls.

use std::collections::BTreeMap;

use chrono::Days;

use super::{DAYS_AHEAD, PlanSettings, Task};
use crate::domain::{Day, Lane, Ledger, ListScope, Window};

/// The cost of the lists of a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListCost {
    /// The number of passes.
    pub passes: u32,
    /// The number of calls.
    pub calls: u32,
}

/// The calls of a plan, by lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    /// The lists of each lane, as far as the record counts of their days are known.
    pub lists: BTreeMap<Lane, ListCost>,
    /// Days whose record count is unknown.
    pub unknown_days: u32,
    /// Records expected on those days, estimated from the known days.
    pub expected_records: u64,
}

impl Cost {
    /// All list calls.
    pub fn calls(&self) -> u32 {
        self.lists.values().fold(0, |sum, list| sum.saturating_add(list.calls))
    }
}

/// Adds up the cost of the tasks.
pub fn cost(settings: &PlanSettings, ledger: &Ledger, tasks: &[Task]) -> Cost {
    let mut counts: BTreeMap<Day, u32> = ledger
        .days
        .iter()
        .filter(|day| day.as_of.is_some())
        .map(|day| (day.day, day.records))
        .collect();
    let total: u64 = counts.values().map(|records| u64::from(*records)).sum();
    let average = total.checked_div(counts.len() as u64).unwrap_or_default();
    let mut cost = Cost::default();
    for task in tasks {
        if let ListScope::Window(window) = task.reading {
            let unknown = usual_days(task.lane, window).filter(|day| !counts.contains_key(day));
            for day in unknown.collect::<Vec<_>>() {
                counts.insert(day, u32::try_from(average).unwrap_or(u32::MAX));
                cost.unknown_days += 1;
                cost.expected_records += average;
            }
        }
    }
    for task in tasks {
        let calls = calls_of(settings, &counts, task.reading);
        let list = cost.lists.entry(task.lane).or_default();
        list.passes += 1;
        list.calls = list.calls.saturating_add(calls);
    }
    cost
}

/// The days of a pass on which records are expected: those up to today.
fn usual_days(lane: Lane, window: Window) -> impl Iterator<Item = Day> {
    let ahead = if lane == Lane::Recent { Days::new(DAYS_AHEAD) } else { Days::new(0) };
    let end = window.to().checked_sub_days(ahead).unwrap_or(window.to());
    window.days().take_while(move |day| *day < end)
}

/// The list calls of one pass, at least one.
fn calls_of(settings: &PlanSettings, counts: &BTreeMap<Day, u32>, reading: ListScope) -> u32 {
    match reading {
        ListScope::Window(window) => calls_of_days(settings, counts, window.from(), window.last()),
        ListScope::All => pages(settings, counts.values().copied()),
    }
}

/// The list calls of a window from `from` to `last`, both included.
pub(super) fn calls_of_days(
    settings: &PlanSettings,
    counts: &BTreeMap<Day, u32>,
    from: Day,
    last: Day,
) -> u32 {
    let asked = Window::new(from, Window::day(last).to()).map(Window::asked);
    let records =
        asked.map(|asked| counts.range(asked.from()..asked.to()).map(|(_, count)| *count));
    records.map_or(1, |records| pages(settings, records))
}

fn pages(settings: &PlanSettings, records: impl Iterator<Item = u32>) -> u32 {
    let records: u64 = records.map(u64::from).sum();
    let pages = records.div_ceil(u64::from(settings.page_size.max(1)));
    u32::try_from(pages.max(1)).unwrap_or(u32::MAX)
}
