//! What `status` says of random records that were compared with their raw items.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{
    domain::{CONFIDENCE_PERCENT, percent_at_most, share_below},
    warehouse::SampleReport,
};

/// The share of differing records that a sample leaves possible.
fn share_of(sample: &SampleReport) -> f64 {
    let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    share_below(number(sample.compared), number(sample.differing))
}

/// What comparing random records says of all, and which records are known to differ.
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

/// The same for `--json`.
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
    /// The shape of a report.
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
