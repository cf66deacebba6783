//! The progress bar of a backfill: windows or detail calls done, their rate, and the time left.

use std::{sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, interval};

use super::print;
use crate::sync::{Progress, ProgressSnapshot};

const REDRAW: Duration = Duration::from_millis(200);

/// Draws a progress bar until the work is done, then removes it. Draws nothing unless
/// [`print::is_watched`] returns true.
pub(super) async fn watch<T>(progress: &Arc<Progress>, work: impl Future<Output = T>) -> T {
    if !print::is_watched() {
        return work.await;
    }
    let bar = print::bars().add(ProgressBar::new(0));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    let start = Instant::now();
    let mut detail_calls_since = None;
    let mut ticks = interval(REDRAW);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => {
                bar.finish_and_clear();
                return result;
            }
            _ = ticks.tick() => {
                let seen = progress.look();
                if seen.details_due > 0 && seen.windows_done == seen.windows {
                    // An estimate from windows does not apply to detail calls.
                    let since = *detail_calls_since.get_or_insert_with(|| {
                        bar.reset();
                        Instant::now()
                    });
                    draw_detail_calls(&bar, seen, since.elapsed());
                } else {
                    draw_windows(&bar, seen, start.elapsed());
                }
            }
        }
    }
}

fn draw_windows(bar: &ProgressBar, seen: ProgressSnapshot, elapsed: Duration) {
    bar.set_message(format!(
        "windows, {} items, {}/s",
        seen.items,
        per_second(seen.items, elapsed)
    ));
    bar.set_length(seen.windows);
    bar.set_position(seen.windows_done);
}

fn draw_detail_calls(bar: &ProgressBar, seen: ProgressSnapshot, elapsed: Duration) {
    let rate = per_second(seen.details_done, elapsed);
    bar.set_message(format!("detail calls, {rate}/s, after {} items of lists", seen.items));
    bar.set_length(seen.details_due);
    bar.set_position(seen.details_done);
}

fn per_second(count: u64, elapsed: Duration) -> u128 {
    u128::from(count) * 1000 / elapsed.as_millis().max(1)
}
