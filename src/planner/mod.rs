//! Pure: decides what to read next, and what to do after a failure. Nothing here reads, writes or waits.

mod budget;
mod ladder;

pub use budget::Budget;
pub use ladder::{Step, Trouble, next_step};

use chrono::{DateTime, Duration, Utc};

use crate::domain::{Covered, Day, Lane, Window};

/// A window somebody should read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Why.
    pub lane: Lane,
    /// Which days.
    pub window: Window,
}

/// What planning needs to know besides coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How far back the warehouse reaches; `None`: only today and yesterday are read by themselves.
    pub since: Option<Day>,
    /// A day is final once it was read so long after its end.
    pub settle: Duration,
    /// Windows of a backfill hold at most so many days.
    pub window_days: u32,
}

/// What is due now: today and yesterday, then every day that was never finally read, the newest first.
pub fn due(settings: &Settings, covered: &[Covered], now: DateTime<Utc>) -> Vec<Task> {
    let today = now.date_naive();
    let yesterday = today.pred_opt().unwrap_or(today);
    let tomorrow = today.succ_opt().unwrap_or(today);
    let mut tasks = Vec::new();
    if let Ok(window) = Window::new(yesterday, tomorrow) {
        tasks.push(Task { lane: Lane::Fresh, window });
    }
    if let Some(since) = settings.since
        && let Ok(history) = Window::new(since, yesterday)
    {
        let done = covered.iter().filter(|covered| is_final(settings, covered));
        let done: Vec<Window> = done.map(|covered| Window::day(covered.day)).collect();
        let windows = missing(history, &done, settings.window_days);
        tasks.extend(windows.into_iter().map(|window| Task { lane: Lane::Backfill, window }));
    }
    tasks
}

/// Whether nothing can be created in a day any more that its last walk did not see.
fn is_final(settings: &Settings, covered: &Covered) -> bool {
    let end = Window::day(covered.day).to().and_hms_opt(0, 0, 0);
    end.is_some_and(|end| covered.as_of > end.and_utc() + settings.settle)
}

/// The days of a window that are not done, as windows of at most `days_max` days, the newest first.
pub fn missing(window: Window, done: &[Window], days_max: u32) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    let mut run: Option<(Day, Day)> = None;
    let mut close = |run: &mut Option<(Day, Day)>| {
        if let Some((from, last)) = run.take()
            && let Ok(whole) = Window::new(from, Window::day(last).to())
        {
            windows.extend(whole.pieces(days_max));
        }
    };
    for day in window.days() {
        if done.iter().any(|done| done.contains(day)) {
            close(&mut run);
        } else {
            run = Some((run.map_or(day, |(from, _)| from), day));
        }
    }
    close(&mut run);
    windows.reverse();
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(number: i64) -> Day {
        Day::from_ymd_opt(2025, 1, 1).unwrap() + Duration::days(number)
    }

    fn window(from: i64, to: i64) -> Window {
        Window::new(day(from), day(to)).unwrap()
    }

    fn settings() -> Settings {
        Settings { since: Some(day(0)), settle: Duration::hours(1), window_days: 30 }
    }

    #[test]
    fn today_and_yesterday_come_first_and_history_from_the_newest() {
        let now = day(100).and_hms_opt(12, 0, 0).unwrap().and_utc();
        let tasks = due(&settings(), &[], now);
        assert_eq!(tasks[0], Task { lane: Lane::Fresh, window: window(99, 101) });
        let history: Vec<_> = tasks[1..].iter().map(|task| task.window).collect();
        assert_eq!(history, [window(90, 99), window(60, 90), window(30, 60), window(0, 30)]);
    }

    #[test]
    fn a_day_read_before_it_had_settled_is_read_again() {
        let now = day(10).and_hms_opt(12, 0, 0).unwrap().and_utc();
        let at = |number, hour, minute| day(number).and_hms_opt(hour, minute, 0).unwrap().and_utc();
        let covered: Vec<_> = (0..9)
            .map(|number| Covered {
                day: day(number),
                as_of: at(number + 1, 1, u32::from(number != 4)),
            })
            .collect();
        let tasks = due(&settings(), &covered, now);
        assert_eq!(tasks[1..], [Task { lane: Lane::Backfill, window: window(4, 5) }]);
    }

    proptest! {
        #[test]
        fn missing_days_and_done_days_are_the_whole(
            length in 1i64..200, done in proptest::collection::vec((0i64..200, 1i64..30), 0..8), size in 1u32..40,
        ) {
            let done: Vec<_> = done.into_iter().map(|(from, days)| window(from, from + days)).collect();
            let whole = window(0, length);
            let mut days: Vec<_> = missing(whole, &done, size).into_iter().flat_map(Window::days).collect();
            days.sort_unstable();
            let want: Vec<_> = whole.days().filter(|day| !done.iter().any(|done| done.contains(*day))).collect();
            prop_assert_eq!(days, want);
            prop_assert!(missing(whole, &done, size).iter().all(|window| window.len_days() <= size));
        }
    }
}
