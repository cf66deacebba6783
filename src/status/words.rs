//! Durations, outcomes and counts in words, for commands and for the status page.

use std::time::Duration;

use crate::warehouse::{ProjectReport, RunReport};

/// Formats a duration with its two largest units, such as `1 h 5 min`. Omits a second unit of zero.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (large, small) = match seconds {
        ..60 => ((seconds, "s"), (0, "")),
        60..3600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3600..86_400 => ((seconds / 3600, "h"), (seconds / 60 % 60, "min")),
        86_400.. => ((seconds / 86_400, "d"), (seconds / 3600 % 24, "h")),
    };
    let text = format!("{} {}", large.0, large.1);
    if small.0 == 0 { text } else { format!("{text} {} {}", small.0, small.1) }
}

/// Returns a stored outcome in words; `None` means that the run has not ended.
pub(crate) fn outcome(stored: Option<&str>) -> &str {
    match stored {
        None => "running",
        Some("complete_empty") => "complete and empty",
        Some("empty_unverified") => "empty, unverified",
        Some("in_progress") => "in progress",
        Some(word) => word,
    }
}

/// Returns the reason why empty windows are unverified.
pub(crate) fn empty_reason(project: &ProjectReport) -> &'static str {
    if project.is_doubted {
        "live records are known there, and detail calls do not prove that they are deleted"
    } else {
        "the date filter of this project has never returned anything"
    }
}

/// Returns the counts of a run above zero with their names.
pub(crate) fn run_counts(run: &RunReport) -> impl Iterator<Item = (&'static str, i64)> {
    let counts = [
        ("received", run.received),
        ("inserted", run.inserted),
        ("updated", run.updated),
        ("unchanged", run.unchanged),
        ("quarantined", run.quarantined),
        ("duplicate", run.duplicate),
        ("skipped", run.skipped),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3600, "1 h"),
            (9000, "2 h 30 min"),
            (86_400, "1 d"),
            (30 * 86_400 + 7300, "30 d 2 h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), words);
        }
    }
}
