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
pub(crate) fn sample_as_text(sample: &SampleReport) -> String {
    let SampleReport { project, known, .. } = sample;
    let mut text = String::new();
    let mut tell = |line: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "\n{project}{line}");
    };
    if let Some(bound) = bound(sample) {
        tell(format_args!(": {bound}"));
    }
    if *known > 0 {
        let tables = tables(sample);
        tell(format_args!(
            " has {known} records that differ from their raw items or have none ({tables}): \
             `argos-sync verify --project {project} --repair` rewrites them"
        ));
    }
    text
}

/// Returns a clause with the upper bound for all records; `None` if no record was drawn.
pub(crate) fn bound(sample: &SampleReport) -> Option<String> {
    let SampleReport { compared, differing, .. } = sample;
    let (since, share) = (sample.since?, percent_at_most(share_of(sample)));
    Some(format!(
        "records with differing rows below {share} with {CONFIDENCE_PERCENT}% confidence: \
         {differing} of {compared} drawn at random since {since} differ from their raw items"
    ))
}

/// Returns the tables of the records known to differ, with their numbers.
pub(crate) fn tables(sample: &SampleReport) -> String {
    let tables = sample.known_by_table.iter();
    let tables: Vec<_> = tables.map(|(table, records)| format!("{table} {records}")).collect();
    tables.join(", ")
}

/// The sample of a project in `status --json`.
#[derive(Serialize)]
pub(crate) struct SampleJson<'a> {
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
    pub(crate) fn of(sample: &'a SampleReport) -> Self {
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
