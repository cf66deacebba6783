//! The work of a project that is not done yet, and what needs a person's decision.

use chrono::{DateTime, Utc};

use super::{
    calls::expected_time,
    history::{DayState, HistoryDay, counts},
    words::{self, Moment},
};
use crate::{
    domain::Window,
    service::{board::KnownState, trend::Sample},
    status::{report::CallsToday, sparse::Sparse, words::duration},
    warehouse::{BackfillReport, ProjectReport},
};

/// A number with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) count: String,
    pub(super) is_zero: bool,
    /// An explanation; empty if none is needed.
    pub(super) note: String,
}

impl Line {
    fn of(name: &'static str, count: i64, note: impl Into<String>) -> Self {
        let is_zero = count == 0;
        let note = if is_zero { String::new() } else { note.into() };
        Self { name, count: words::number(count), is_zero, note }
    }

    /// A line about things that are counted up to a thousand.
    fn capped(name: &'static str, count: i64, note: impl Into<String>) -> Self {
        Self { count: words::capped(count), ..Self::of(name, count, note) }
    }
}

/// The number of due detail calls; `~` marks an estimate.
pub(super) fn queue(project: &ProjectReport) -> String {
    let mark = if project.is_details_due_estimated { "~" } else { "" };
    format!("{mark}{}", words::number(project.details_due))
}

/// An unfinished backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backfill {
    /// Its days as on the command line.
    pub(super) days: String,
    pub(super) requested_at: Moment,
    pub(super) windows_left: String,
    /// The days that were read since the request, such as `30 of 61 days`.
    pub(super) read: String,
    /// The same in percent.
    pub(super) percent: String,
    /// The command that drops it.
    pub(super) cancel: String,
}

/// Returns the pending work of a project.
pub(super) fn pending(
    known: &KnownState,
    project: &ProjectReport,
    calls: &CallsToday,
    samples: &[Sample],
    days: &[HistoryDay],
    now: DateTime<Utc>,
) -> Vec<Line> {
    let counts = counts(days.iter());
    let days_in = |wanted| counts.iter().find(|(state, _)| *state == wanted).map_or(0, |it| it.1);
    let due = words::unsigned(project.details_due);
    let expected = expected_time(due, calls, samples, now);
    let expected = expected.map_or_else(
        || "expected time unknown: no call was made recently".to_owned(),
        |time| format!("about {} at this rate and budget", duration(time)),
    );
    let unread = days_in(DayState::Unread) + days_in(DayState::Reading);
    let all = i64::try_from(days.len()).unwrap_or(i64::MAX);
    let received: i64 = known
        .windows
        .iter()
        .filter(|window| window.project == project.project)
        .map(|window| window.received)
        .sum();
    let settle = words::duration(known.promises.settle);
    let sparse = known.report.sparse.iter().find(|it| it.project() == project.project);
    let sparse_due = sparse.map_or(0, Sparse::due);
    vec![
        Line {
            count: queue(project),
            ..Line::of("Detail calls due", project.details_due, expected)
        },
        Line::of("Days not read yet", unread, format!("of {}", words::count(all, "day"))),
        Line::of(
            "Days not final",
            days_in(DayState::Covered),
            format!("read again {settle} after their end"),
        ),
        Line::of(
            "Windows being read",
            project.passes_open,
            format!(
                "{} claimed by running processes, {} received",
                words::number(project.claims),
                words::count(received, "item")
            ),
        ),
        Line::capped(
            "Records missing from lists",
            project.suspects,
            "detail calls decide whether they are deleted",
        ),
        Line::capped(
            "Sparse records due",
            i64::try_from(sparse_due).unwrap_or(i64::MAX),
            "lists omit kyc or aml for them",
        ),
    ]
}

/// Returns the problems of a project's data. The warnings explain each.
pub(super) fn findings(known: &KnownState, project: &ProjectReport) -> Vec<Line> {
    let report = &known.report;
    let name = project.project.as_str();
    let blocked = report.blocked_days.iter().filter(|blocked| blocked.project == name).count();
    let differing = report.samples.iter().filter(|sample| sample.project == name);
    vec![
        Line::of("Blocked days", i64::try_from(blocked).unwrap_or(i64::MAX), ""),
        Line::of("Windows empty, unverified", project.empty_unverified, ""),
        Line::of("Deletion alarms", project.alarms, ""),
        Line::capped("Items in quarantine", project.quarantined, ""),
        Line::of("Records with differing rows", differing.map(|sample| sample.known).sum(), ""),
        Line::of(
            "Unknown fields or values",
            project.drift_paths,
            "stored as raw items; listed in argos_sync.schema_drift",
        ),
    ]
}

/// Returns the unfinished backfills of a project.
pub(super) fn backfills(
    known: &KnownState,
    project: &str,
    days: &[HistoryDay],
    now: DateTime<Utc>,
) -> Vec<Backfill> {
    let of_project = known.report.backfills.iter().filter(|backfill| backfill.project == project);
    of_project.map(|backfill| Backfill::of(backfill, days, now)).collect()
}

impl Backfill {
    fn of(backfill: &BackfillReport, days: &[HistoryDay], now: DateTime<Utc>) -> Self {
        let BackfillReport { project, days: window, requested_at, windows_left, .. } = backfill;
        let read = read_since(*window, days, *requested_at);
        let all = window.len_days().into();
        Self {
            days: window.to_string(),
            requested_at: Moment::of(*requested_at, now),
            windows_left: words::count(*windows_left, "window"),
            read: format!("{} of {}", words::number(read), words::count(all, "day")),
            percent: words::percent(words::unsigned(read), words::unsigned(all)),
            cancel: format!("argos-sync run --backfill {window} --project {project} --cancel"),
        }
    }
}

/// Counts the days of a window that were read completely since a time.
fn read_since(window: Window, days: &[HistoryDay], since: DateTime<Utc>) -> i64 {
    let read = days
        .iter()
        .filter(|day| window.contains(day.day) && day.as_of.is_some_and(|as_of| as_of >= since));
    i64::try_from(read.count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::page::{fixtures, history};

    #[test]
    fn pending_work_is_counted_with_its_expected_time() {
        let known = fixtures::first_backfill();
        let (project, calls) = (&known.report.projects[0], &known.report.calls[0]);
        let days = history::days_of(&known, "main");
        let lines = pending(&known, project, calls, &[], &days, known.read_at);
        let told: Vec<_> = lines
            .iter()
            .map(|line| format!("{}: {} {}", line.name, line.count, line.note))
            .collect();
        assert_eq!(
            told,
            [
                "Detail calls due: 41,520 about 1 h 26 min at this rate and budget",
                "Days not read yet: 60 of 91 days",
                "Days not final: 1 read again 1 h after their end",
                "Windows being read: 2 2 claimed by running processes, 18,250 items received",
                "Records missing from lists: 0 ",
                "Sparse records due: 0 ",
            ]
        );
        let estimated = ProjectReport { is_details_due_estimated: true, ..project.clone() };
        assert_eq!(queue(&estimated), "~41,520");
        let nonzero = |project: &ProjectReport| {
            let lines = findings(&known, project).into_iter().filter(|line| !line.is_zero);
            lines.map(|line| format!("{}: {}", line.name, line.count)).collect::<Vec<_>>()
        };
        assert_eq!(nonzero(project), [""; 0]);
        let wrong = ProjectReport { drift_paths: 2, quarantined: 1001, ..project.clone() };
        assert_eq!(
            nonzero(&wrong),
            ["Items in quarantine: more than 1,000", "Unknown fields or values: 2"]
        );
    }

    #[test]
    fn the_progress_of_a_backfill_is_the_days_read_since_its_request() {
        let known = fixtures::first_backfill();
        let days = history::days_of(&known, "main");
        let backfills = backfills(&known, "main", &days, known.read_at);
        let [backfill] = backfills.as_slice() else { panic!("one backfill: {backfills:?}") };
        assert_eq!(backfill.read, "29 of 90 days");
        assert_eq!(backfill.percent, "32.2");
        assert_eq!(backfill.windows_left, "4 windows");
        assert_eq!(
            backfill.cancel,
            "argos-sync run --backfill 2026-09-01..2026-11-29 --project main --cancel"
        );
    }
}
