//! The progress of a backfill, as a bar or in the log: the work done and left, the rate, and the
//! time left at that rate.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, interval};
use tracing::info;

use super::print;
use crate::{
    status::words,
    sync::{Part, Progress, ProgressSnapshot},
};

const REDRAW: Duration = Duration::from_millis(200);
const LOG_EVERY: Duration = Duration::from_mins(1);

/// The rate is measured over this time.
const MEASURED: Duration = Duration::from_mins(5);

/// Shows the progress until the work is done: as a bar if [`print::is_watched`] returns true,
/// otherwise in the log every minute.
pub(super) async fn watch<T>(progress: &Arc<Progress>, work: impl Future<Output = T>) -> T {
    let bar = print::is_watched().then(|| print::bars().add(ProgressBar::new(0)));
    if let Some(bar) = &bar
        && let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")
    {
        bar.set_style(style);
    }
    let mut meter = Meter::default();
    let mut ticks = interval(if bar.is_some() { REDRAW } else { LOG_EVERY });
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => {
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
                return result;
            }
            _ = ticks.tick() => {
                let seen = progress.look();
                let (phase, part) = Phase::of(&seen);
                let pace = meter.note(phase, part, Instant::now());
                match &bar {
                    Some(bar) => draw(bar, phase, part, &seen, pace),
                    None if part == Part::default() => {}
                    None => log(phase, part, &seen, pace),
                }
            }
        }
    }
}

/// What a backfill is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Lists,
    DetailCalls,
}

impl Phase {
    /// The current phase and its work. Detail calls follow when all windows are read.
    fn of(seen: &ProgressSnapshot) -> (Self, Part) {
        if seen.windows.left == 0 && seen.details != Part::default() {
            (Self::DetailCalls, seen.details)
        } else {
            (Self::Lists, seen.windows)
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Lists => "windows",
            Self::DetailCalls => "detail calls",
        }
    }
}

/// A measured rate.
#[derive(Debug, Clone, Copy, PartialEq)]
struct MeasuredPace {
    per_second: f64,
    time_left: Duration,
}

/// Measures the rate of a phase over the last minutes.
#[derive(Debug, Default)]
struct Meter {
    phase: Option<Phase>,
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// Returns the rate; `None` until something was done.
    fn note(&mut self, phase: Phase, part: Part, now: Instant) -> Option<MeasuredPace> {
        if self.phase.replace(phase) != Some(phase) {
            self.samples.clear();
        }
        self.samples.push_back((now, part.done));
        // The first sample is the last one that is at least this old.
        while self.samples.get(1).is_some_and(|(at, _)| now - *at >= MEASURED) {
            self.samples.pop_front();
        }
        let (since, before) = self.samples.front()?;
        let done = u32::try_from(part.done.saturating_sub(*before)).unwrap_or(u32::MAX);
        let left = u32::try_from(part.left).unwrap_or(u32::MAX);
        if done == 0 {
            return None;
        }
        let (done, seconds) = (f64::from(done), (now - *since).as_secs_f64());
        let time_left = Duration::try_from_secs_f64(f64::from(left) * seconds / done).ok()?;
        Some(MeasuredPace { per_second: done / seconds, time_left })
    }
}

fn draw(
    bar: &ProgressBar,
    phase: Phase,
    part: Part,
    seen: &ProgressSnapshot,
    pace: Option<MeasuredPace>,
) {
    let (unit, items) = (phase.unit(), seen.items);
    bar.set_message(match (phase, pace) {
        (_, None) => format!("{unit}, {items} items"),
        (Phase::Lists, Some(pace)) => {
            format!("{unit}, {items} items, {} left for the lists", words::duration(pace.time_left))
        }
        (Phase::DetailCalls, Some(MeasuredPace { per_second, time_left })) => {
            format!("{unit}, {per_second:.1}/s, {} left", words::duration(time_left))
        }
    });
    bar.set_length(part.done + part.left);
    bar.set_position(part.done);
}

fn log(phase: Phase, part: Part, seen: &ProgressSnapshot, pace: Option<MeasuredPace>) {
    let (unit, total, items) = (phase.unit(), part.done + part.left, seen.items);
    let left = pace.map_or("unknown".to_owned(), |pace| words::duration(pace.time_left));
    let per_minute = pace.map_or(0.0, |pace| (pace.per_second * 600.0).round() / 10.0);
    info!(done = part.done, total, per_minute, left, items, "backfill: {unit}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_rate_of_the_last_minutes() {
        let mut meter = Meter::default();
        let start = Instant::now();
        let mut at = |phase, seconds, done, left| {
            meter.note(phase, Part { done, left }, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(Phase::Lists, 0, 0, 10), None);
        assert_eq!(at(Phase::Lists, 60, 0, 10), None);
        let pace = at(Phase::Lists, 120, 2, 8).map(|pace| pace.time_left);
        assert_eq!(pace, Some(Duration::from_mins(8)));
        // A phase begins with its own rate.
        assert_eq!(at(Phase::DetailCalls, 130, 0, 1000), None);
        let pace = |per_second, seconds| {
            Some(MeasuredPace { per_second, time_left: Duration::from_secs(seconds) })
        };
        assert_eq!(at(Phase::DetailCalls, 230, 100, 900), pace(1.0, 900));
        assert_eq!(at(Phase::DetailCalls, 430, 600, 400), pace(2.0, 200));
        // After a standstill that is longer than the measured time, the rate is unknown.
        assert_eq!(at(Phase::DetailCalls, 800, 600, 400), None);
    }
}
