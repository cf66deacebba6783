//! Submissions whose list items lack `kyc` or `aml`: their number, the interval of their detail
//! calls and their oldest read, for `status` and `plan`.

use serde::Serialize;

use crate::{
    config::Config,
    domain::Stream,
    planner::{self, DetailSchedule},
    sync::{self, Project, ProjectSettings, World},
    warehouse::{DetailMode, SparseReport, Warehouse, WarehouseError},
};

/// The submissions of a project whose list items lack `kyc` or `aml`.
pub(crate) struct Sparse {
    report: SparseReport,
    reading: DetailCause,
}

/// The cause of detail calls for these submissions.
pub(crate) enum DetailCause {
    /// A schedule. The flag is true if lists of AML data make some calls due earlier.
    Scheduled(DetailSchedule, bool),
    /// Every list that contains the submission.
    Always,
    /// Nothing: `sync.details` is `never`.
    Never,
    /// A schedule that the first round of this daemon computes.
    NoRound,
    /// Nothing known: the project is not in this configuration.
    Unknown,
}

/// The sparse submissions of a project in `status --json`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct SparseJson {
    records: i64,
    due: i64,
    /// The last read of the submission that is due first.
    first_due_read_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The longest time between two reads of such a submission, in seconds; null if no reads are
    /// scheduled.
    read_within_seconds: Option<i64>,
}

/// The source of the schedules of detail calls.
#[derive(Clone, Copy)]
pub(crate) enum Schedules<'a> {
    /// They are computed. This reads every unsettled and every recently changed record.
    Computed,
    /// The last rounds of this daemon have computed them.
    OfRounds(&'a World),
}

/// Reads the number of these submissions of each project, and their schedule.
pub(crate) async fn of_all(
    config: &Config,
    warehouse: &Warehouse,
    schedules: Schedules<'_>,
) -> Result<Vec<Sparse>, WarehouseError> {
    let mut all = Vec::new();
    for report in warehouse.sparse_reports().await? {
        let known = config.projects.iter().find(|known| known.name.as_str() == report.project);
        let reading = match known.map(|known| (known, known.details)) {
            None => DetailCause::Unknown,
            Some((_, DetailMode::Always)) => DetailCause::Always,
            Some((_, DetailMode::Never)) => DetailCause::Never,
            Some((known, DetailMode::OnChange)) => {
                let schedule = match schedules {
                    Schedules::Computed => {
                        Some(computed(config, warehouse, known, report.records).await?)
                    }
                    Schedules::OfRounds(world) => {
                        let project = world.projects.iter().find(|own| *own.name() == known.name);
                        project.and_then(Project::detail_schedule)
                    }
                };
                match schedule {
                    None => DetailCause::NoRound,
                    Some(schedule) => {
                        let findings = warehouse.findings(&known.name).await?;
                        let has_hints =
                            schedule.is_short_of_calls() && sync::has_aml_lists(&findings);
                        DetailCause::Scheduled(schedule, has_hints)
                    }
                }
            }
        };
        all.push(Sparse::new(report, reading));
    }
    Ok(all)
}

async fn computed(
    config: &Config,
    warehouse: &Warehouse,
    known: &ProjectSettings,
    records: i64,
) -> Result<DetailSchedule, WarehouseError> {
    let page_size = known.client.page_size.get();
    let settings = planner::PlanSettings { page_size, ..config.sync.planner };
    let active_age = settings.revisit.active_age;
    let ledger = warehouse.ledger(&known.name, Stream::Submission, active_age).await?;
    let records = u64::try_from(records).unwrap_or_default();
    Ok(DetailSchedule::new(&settings, &ledger, &known.budget, records))
}

impl Sparse {
    /// The submissions of a project, and what causes their detail calls.
    pub(crate) fn new(report: SparseReport, reading: DetailCause) -> Self {
        Self { report, reading }
    }

    /// The project's name.
    pub(crate) fn project(&self) -> &str {
        &self.report.project
    }

    /// The number of scheduled detail calls that are due now. Their share of the calls per day may
    /// delay them.
    pub(crate) fn due(&self) -> u64 {
        match self.reading {
            DetailCause::Scheduled(..) => u64::try_from(self.report.due).unwrap_or_default(),
            DetailCause::Always
            | DetailCause::Never
            | DetailCause::NoRound
            | DetailCause::Unknown => 0,
        }
    }

    /// Returns a line with the project's name.
    pub(crate) fn as_text(&self) -> String {
        format!("{}: {}\n", self.project(), self.as_clause())
    }

    /// Returns a clause without the project's name.
    pub(crate) fn as_clause(&self) -> String {
        let SparseReport { records, first_read_at, .. } = &self.report;
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
            DetailCause::NoRound => "the first round schedules their detail calls".to_owned(),
            DetailCause::Unknown => "no detail call is made for them (not configured)".to_owned(),
        };
        let oldest = first_read_at.map_or_else(String::new, |at| {
            format!(
                "; the one that is due first was read at {} UTC",
                at.format("%Y-%m-%d %H:%M:%S")
            )
        });
        format!("lists omit kyc or aml for {records} submissions: {reading}{oldest}")
    }

    /// Converts the numbers for `status --json`.
    pub(crate) fn as_json(&self) -> SparseJson {
        let read_within = match &self.reading {
            DetailCause::Scheduled(schedule, _) => Some(schedule.longest().num_seconds()),
            DetailCause::Always
            | DetailCause::Never
            | DetailCause::NoRound
            | DetailCause::Unknown => None,
        };
        SparseJson {
            records: self.report.records,
            due: self.report.due,
            first_due_read_at: self.report.first_read_at,
            read_within_seconds: read_within,
        }
    }
}

/// Formats a duration as hours with one decimal, rounded up.
fn hours(time: chrono::Duration) -> String {
    let tenths = (time.num_seconds() + 359) / 360;
    format!("{}.{} h", tenths / 10, tenths % 10)
}
