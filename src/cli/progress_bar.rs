//! A backfill's progress on a terminal: windows, items a second, time left.

use std::{sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::interval;

use super::print;
use crate::sync::{Progress, Seen};

const REDRAW: Duration = Duration::from_millis(200);

/// Draws until the work is done, then takes the bar away. Draws nothing where nobody watches.
pub(super) async fn watch<T>(progress: &Arc<Progress>, work: impl Future<Output = T>) -> T {
    if !print::is_watched() {
        return work.await;
    }
    let bar = print::bars().add(ProgressBar::new(0));
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos}/{len} windows  {msg}  {eta} left")
    {
        bar.set_style(style);
    }
    let start = tokio::time::Instant::now();
    let mut ticks = interval(REDRAW);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => {
                bar.finish_and_clear();
                return result;
            }
            _ = ticks.tick() => draw(&bar, progress.look(), start.elapsed()),
        }
    }
}

fn draw(bar: &ProgressBar, seen: Seen, elapsed: Duration) {
    let per_second = u128::from(seen.items) * 1000 / elapsed.as_millis().max(1);
    if seen.details_due > 0 {
        bar.set_message(format!(
            "{} items, {per_second}/s; {}/{} single calls",
            seen.items, seen.details_done, seen.details_due
        ));
    } else {
        bar.set_message(format!("{} items, {per_second}/s", seen.items));
    }
    bar.set_length(seen.windows);
    bar.set_position(seen.windows_done);
}
