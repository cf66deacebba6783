//! Groups due days into windows that cost as few calls as possible.

use std::collections::BTreeMap;

use super::{PlanSettings, cost::calls_of_days};
use crate::domain::{Day, Lane, Window};

/// Most calls of a window, unless a single day needs more.
const CALLS_MAX: u32 = 50;

/// Cuts the days of a backfill into windows of at most `days_max` days, the newest first.
///
/// They are short enough that each of `workers` gets one, but have at least half of `days_max`
/// days, since each request covers two days more than its window.
pub fn backfill_windows(whole: Window, workers: usize, days_max: u32) -> Vec<Window> {
    let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
    let days = whole.len_days().div_ceil(workers).clamp(days_max.div_ceil(2), days_max);
    let mut windows: Vec<_> = whole.pieces(days).collect();
    windows.reverse();
    windows
}

/// Returns windows that contain all these days, given in ascending order; the newest first.
///
/// Days between two due days are included if that costs no additional call. This is common: a
/// request is wider than its window, and a half-empty page costs as much as a full one.
pub(super) fn gather(
    settings: &PlanSettings,
    counts: &BTreeMap<Day, u32>,
    lane: Lane,
    days: &[Day],
) -> Vec<Window> {
    let calls = |from, last| calls_of_days(settings, counts, from, last);
    let mut runs: Vec<(Day, Day)> = Vec::new();
    for &day in days {
        match runs.last_mut() {
            Some((from, last)) if is_joined(settings, lane, (*from, *last), day, &calls) => {
                *last = day;
            }
            _ => runs.push((day, day)),
        }
    }
    let windows =
        runs.iter().filter_map(|(from, last)| Window::new(*from, Window::day(*last).to()).ok());
    let mut windows: Vec<_> = windows.collect();
    windows.reverse();
    windows
}

/// Whether a day is added to the window before it.
fn is_joined(
    settings: &PlanSettings,
    lane: Lane,
    (from, last): (Day, Day),
    day: Day,
    calls: &impl Fn(Day, Day) -> u32,
) -> bool {
    if (day - from).num_days() >= i64::from(settings.window_days.max(1)) {
        return false;
    }
    // History without known record counts is cut by days alone; days already read are not included.
    if lane == Lane::Backfill {
        return last.succ_opt() == Some(day);
    }
    let together = calls(from, day);
    together <= CALLS_MAX && together <= calls(from, last).saturating_add(calls(day, day))
}
