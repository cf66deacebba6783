//! The results of comparing random records with their raw items, for `status`.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{
    domain::{CONFIDENCE_PERCENT, percent_at_most, share_below},
    warehouse::SampleReport,
};

/// Returns the upper bound of the share of records with differing rows, from 0 to 1.
fn share_of(sample: &SampleReport) -> f64 {
    let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    share_below(number(sample.compared), number(sample.differing))
}

/// Returns lines with the upper bound for all records and with the records known to differ. Empty
/// if no record was drawn and none is known to differ.
pub(super) fn sample_as_text(sample: &SampleReport) -> String {
    let SampleReport { project, compared, differing, known, .. } = sample;
    let mut text = String::new();
    let mut tell = |line: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "\n{project}{line}");
    };
    if let Some(since) = sample.since {
        let share = percent_at_most(share_of(sample));
        tell(format_args!(
            ": records with differing rows below {share} with {CONFIDENCE_PERCENT}% confidence: \
             {differing} of {compared} drawn at random since {since} differ from their raw items"
        ));
    }
    if *known > 0 {
        let tables = sample.known_by_table.iter();
        let tables: Vec<_> = tables.map(|(table, records)| format!("{table} {records}")).collect();
        let tables = tables.join(", ");
        tell(format_args!(
            " has {known} records that differ from their raw items or have none ({tables}): \
             `argos-sync verify --project {project} --repair` rewrites them"
        ));
    }
    text
}

/// The sample of a project in `status --json`.
#[derive(Serialize)]
pub(super) struct SampleJson<'a> {
    project: &'a str,
    stream: &'a str,
    since: Option<chrono::NaiveDate>,
    compared: i64,
    differing: i64,
    differing_below_percent: f64,
    confidence_percent: u32,
    known_differing: i64,
    known_differing_by_table: &'a BTreeMap<String, i64>,
}

impl<'a> SampleJson<'a> {
    /// Converts a report for `status --json`.
    pub(super) fn of(sample: &'a SampleReport) -> Self {
        Self {
            project: &sample.project,
            stream: &sample.stream,
            since: sample.since,
            compared: sample.compared,
            differing: sample.differing,
            differing_below_percent: share_of(sample) * 100.0,
            confidence_percent: CONFIDENCE_PERCENT,
            known_differing: sample.known,
            known_differing_by_table: &sample.known_by_table,
        }
    }
}
