//! Submissions whose list items lack `kyc` or `aml`: their number, the interval of their detail
//! calls and their oldest read, for `status` and `plan`.

use serde::Serialize;

use crate::{
    config::Config,
    domain::Stream,
    planner::{self, DetailSchedule},
    sync,
    warehouse::{DetailMode, SparseReport, Warehouse, WarehouseError},
};

/// The submissions of a project whose list items lack `kyc` or `aml`.
pub(super) struct Sparse {
    report: SparseReport,
    reading: DetailCause,
}

/// The cause of detail calls for these submissions.
enum DetailCause {
    /// A schedule. The flag is true if lists of AML data make some calls due earlier.
    Scheduled(DetailSchedule, bool),
    /// Every list that contains the submission.
    Always,
    /// Nothing: `sync.details` is `never`.
    Never,
    /// Nothing known: the project is not in this configuration.
    Unknown,
}

/// The sparse submissions of a project in `status --json`.
#[derive(Debug, Default, Serialize)]
pub(super) struct SparseJson {
    records: i64,
    due: i64,
    never_noted: i64,
    oldest_read_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The longest time between two reads of such a submission, in seconds; null if no reads are
    /// scheduled.
    read_within_seconds: Option<i64>,
}

/// Reads the number of these submissions of each project, and computes their schedule.
pub(super) async fn of_all(
    config: &Config,
    warehouse: &Warehouse,
) -> Result<Vec<Sparse>, WarehouseError> {
    let mut all = Vec::new();
    for report in warehouse.sparse_reports().await? {
        let known = config.projects.iter().find(|known| known.name.as_str() == report.project);
        let reading = match known.map(|known| (known, known.details)) {
            None => DetailCause::Unknown,
            Some((_, DetailMode::Always)) => DetailCause::Always,
            Some((_, DetailMode::Never)) => DetailCause::Never,
            Some((known, DetailMode::OnChange)) => {
                let page_size = known.client.page_size.get();
                let settings = planner::PlanSettings { page_size, ..config.sync.planner };
                let ledger = warehouse
                    .ledger(&known.name, Stream::Submission, settings.revisit.active_age)
                    .await?;
                let records = u64::try_from(report.records).unwrap_or_default();
                let schedule = DetailSchedule::new(&settings, &ledger, &known.budget, records);
                let findings = warehouse.findings(&known.name).await?;
                let has_hints = schedule.is_short_of_calls() && sync::has_aml_lists(&findings);
                DetailCause::Scheduled(schedule, has_hints)
            }
        };
        all.push(Sparse { report, reading });
    }
    Ok(all)
}

impl Sparse {
    /// The project's name.
    pub(super) fn project(&self) -> &str {
        &self.report.project
    }

    /// The number of scheduled detail calls that are due now. Their share of the calls per day may
    /// delay them.
    pub(super) fn due(&self) -> u64 {
        match self.reading {
            DetailCause::Scheduled(..) => u64::try_from(self.report.due).unwrap_or_default(),
            DetailCause::Always | DetailCause::Never | DetailCause::Unknown => 0,
        }
    }

    /// Returns one sentence with a line break.
    pub(super) fn as_text(&self) -> String {
        let SparseReport { project, records, unread, oldest_read_at, .. } = &self.report;
        let reading = match &self.reading {
            DetailCause::Scheduled(schedule, has_hints) => {
                let calls = schedule.calls_per_day();
                let most =
                    calls.map(|calls| format!(", at most {calls} a day")).unwrap_or_default();
                let within = hours(schedule.longest());
                let sooner =
                    if *has_hints { ", earlier if a list of AML data shows a change" } else { "" };
                format!("detail calls read each within {within}{most}{sooner}")
            }
            DetailCause::Always => "a detail call follows each list that contains them".to_owned(),
            DetailCause::Never => {
                "no detail call is made for them (sync.details is \"never\")".to_owned()
            }
            DetailCause::Unknown => "no detail call is made for them (not configured)".to_owned(),
        };
        let oldest = match (unread, oldest_read_at) {
            (0, Some(at)) => {
                format!("; the oldest read is of {} UTC", at.format("%Y-%m-%d %H:%M:%S"))
            }
            (0, None) => String::new(),
            (unread, _) => format!("; {unread} have no recorded read time"),
        };
        format!("{project}: lists omit kyc or aml for {records} submissions: {reading}{oldest}\n")
    }

    /// Converts the numbers for `status --json`.
    pub(super) fn as_json(&self) -> SparseJson {
        let read_within = match &self.reading {
            DetailCause::Scheduled(schedule, _) => Some(schedule.longest().num_seconds()),
            DetailCause::Always | DetailCause::Never | DetailCause::Unknown => None,
        };
        SparseJson {
            records: self.report.records,
            due: self.report.due,
            never_noted: self.report.unread,
            oldest_read_at: self.report.oldest_read_at,
            read_within_seconds: read_within,
        }
    }
}

/// Formats a duration as hours with one decimal, rounded up.
fn hours(time: chrono::Duration) -> String {
    let tenths = (time.num_seconds() + 359) / 360;
    format!("{}.{} h", tenths / 10, tenths % 10)
}
