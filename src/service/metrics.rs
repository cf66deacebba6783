//! `/metrics`: the state of the board, this process's work, and the process itself.

use std::sync::Arc;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, prometheus_text, text},
    metrics::{TypedMetric as _, gauge::ConstGauge},
    registry::Registry,
};
use tokio::time::Instant;

use super::board::{Board, KnownState};
use crate::{
    metrics::{self, ProcessMetrics, names},
    status::report::CallsToday,
    sync::host_time,
    warehouse::ProjectReport,
};

/// The text formats of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The format of Prometheus, version 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The format for an `Accept` header.
    pub(super) fn accepted(accept: Option<&str>) -> Self {
        let is_open = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if is_open { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All metrics of the daemon.
pub(super) fn registry(board: &Arc<Board>) -> Registry {
    let mut registry = Registry::default();
    metrics::register(&mut registry);
    registry.register_collector(Box::new(Arc::clone(board)));
    registry.register_collector(Box::new(ProcessMetrics));
    registry
}

/// Writes all metrics as text.
pub(super) fn render(registry: &Registry, format: Format) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    match format {
        Format::Prometheus => prometheus_text::encode(&mut text, registry)?,
        Format::OpenMetrics => text::encode(&mut text, registry)?,
    }
    Ok(text)
}

/// The name of a gauge, its help text, and its value.
type Gauge<'a, T, V> = (&'static str, &'static str, &'a dyn Fn(&T) -> V);

/// Project and stream.
type StreamLabels<'a> = [(&'static str, &'a str); 2];

impl Collector for Board {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let now = Instant::now();
        let mut gauges = Gauges(encoder);
        gauges.one(
            names::BUILD,
            "1, with the version of argos-sync.",
            [("version", env!("CARGO_PKG_VERSION"))],
            1.0,
        )?;
        let liveness = self.liveness(now);
        let alive = liveness.iter().filter_map(|check| {
            let project = check.project.as_ref()?;
            Some(([("project", project.as_str())], flag(check.problem.is_none())))
        });
        gauges.all(
            names::WORK_ALIVE,
            "1 if the loop of the project works or waits, else 0.",
            alive,
        )?;
        let known = self.known();
        gauges.single(
            names::DATABASE_UP,
            "1 if PostgreSQL answered the last refresh of the state, else 0.",
            flag(self.is_database_up(now)),
        )?;
        known.map_or(Ok(()), |known| state(&mut gauges, &known, now))
    }
}

/// The gauges of the last known state.
fn state(gauges: &mut Gauges<'_>, known: &KnownState, now: Instant) -> std::fmt::Result {
    gauges.single(
        names::STATE_AGE,
        "Age of the state that the gauges of projects are from.",
        known.age(now).as_secs_f64(),
    )?;
    ages(gauges, known)?;
    counts(gauges, known)?;
    calls(gauges, known)?;
    let clocks = known.report.wrong_clocks.iter();
    let clocks = clocks.map(|wrong| {
        let project = wrong.project.as_deref().unwrap_or_default();
        ([("clock", wrong.clock), ("project", project)], number(wrong.ahead_seconds))
    });
    gauges.all(
        names::CLOCK_AHEAD,
        "Lead over PostgreSQL's clock, of clocks that differ too much from it.",
        clocks,
    )
}

fn ages(gauges: &mut Gauges<'_>, known: &KnownState) -> std::fmt::Result {
    let now = host_time();
    let age = |at: Option<chrono::DateTime<chrono::Utc>>| {
        at.map(|at| (now - at).num_milliseconds()).map(|age| number(age) / 1000.0)
    };
    let promises = known.promises;
    for (name, help, value) in [
        (
            names::FRESHNESS,
            "Age of the newest read of a day.",
            &(|project: &ProjectReport| age(project.newest_as_of)) as &dyn Fn(&_) -> Option<f64>,
        ),
        (names::FRESHNESS_TARGET, "Age that the newest read should not exceed.", &|_: &_| {
            Some(number(promises.newest.num_seconds()))
        }),
        (
            names::OLDEST_READ,
            "Age of the oldest read of a covered day.",
            &|project: &ProjectReport| age(project.oldest_as_of),
        ),
        (
            names::OLDEST_READ_TARGET,
            "Age that the oldest read of a covered day should not exceed.",
            &|_: &_| Some(number(promises.oldest.num_seconds())),
        ),
    ] {
        let values = known
            .report
            .configured_projects()
            .filter_map(|(project, _)| Some((labels(project), value(project)?)));
        gauges.all(name, help, values)?;
    }
    Ok(())
}

fn counts(gauges: &mut Gauges<'_>, known: &KnownState) -> std::fmt::Result {
    let report = &known.report;
    let of_project = |project: &str, own: &str| own == project;
    let blocked_days = |project: &ProjectReport| {
        let days = report.blocked_days.iter();
        size(days.filter(|day| of_project(&project.project, &day.project)).count())
    };
    let backfill = |project: &ProjectReport| {
        let backfills = report.backfills.iter();
        let own = backfills.filter(|own| of_project(&project.project, &own.project));
        own.map(|own| own.windows_left).sum()
    };
    let differing = |project: &ProjectReport| {
        let samples = report.samples.iter();
        let own = samples.filter(|own| of_project(&project.project, &own.project));
        own.map(|own| own.known).sum()
    };
    let counts: [Gauge<'_, ProjectReport, i64>; 15] = [
        (names::RECORDS, "Live records.", &|own| own.records),
        (names::COVERAGE_MISSING, "Days from sync.since to yesterday that are not read.", &|own| {
            own.unread_days()
        }),
        (names::COVERAGE_BLOCKED, "Days that could not be read.", &blocked_days),
        (names::UNVERIFIED_WINDOWS, "Windows that appear empty without proof.", &|own| {
            own.empty_unverified
        }),
        (names::OPEN_PASSES, "Windows that are being read or wait to be resumed.", &|own| {
            own.passes_open
        }),
        (names::CLAIMS, "Windows that running processes have claimed.", &|own| own.claims),
        (names::DETAIL_CALLS_DUE, "Due detail calls.", &|own| own.details_due),
        (names::BACKFILL_WINDOWS_LEFT, "Windows of backfills that are not read.", &backfill),
        (names::QUARANTINED_ITEMS, "Items that could not be stored as rows.", &|own| {
            own.quarantined
        }),
        (names::DRIFT_PATHS, "Paths at which items had unexpected values.", &|own| own.drift_paths),
        (names::SUSPECTS, "Missed records that detail calls have not decided.", &|own| {
            own.suspects
        }),
        (names::DELETION_ALARMS, "Days with implausibly many missing records.", &|own| own.alarms),
        (names::DIFFERING_RECORDS, "Records known to differ from their raw items.", &differing),
        (names::PROJECT_BLOCKED, "1 if the vendor refuses the key, else 0.", &|own| {
            own.blocked_at.is_some().into()
        }),
        (names::PROJECT_PAUSED, "1 if an operator has paused the project, else 0.", &|own| {
            own.paused_at.is_some().into()
        }),
    ];
    for (name, help, count) in counts {
        let values = known
            .report
            .configured_projects()
            .map(|(project, _)| (labels(project), number(count(project))));
        gauges.all(name, help, values)?;
    }
    Ok(())
}

fn calls(gauges: &mut Gauges<'_>, known: &KnownState) -> std::fmt::Result {
    let today = known.report.configured_projects().flat_map(|(project, calls)| {
        calls.by_lane.iter().map(|(lane, count)| {
            ([("project", project.project.as_str()), ("lane", *lane)], whole(*count))
        })
    });
    gauges.all(names::CALLS_TODAY, "Calls made with the key on this UTC day.", today)?;
    let figures: [Gauge<'_, CallsToday, Option<f64>>; 3] = [
        (names::BUDGET_CALLS, "Allowed calls of the key a UTC day.", &|calls| {
            calls.limit.map(f64::from)
        }),
        (names::BUDGET_CALLS_LEFT, "Calls of the key that are left on this UTC day.", &|calls| {
            calls.limit.map(|limit| whole(u64::from(limit).saturating_sub(calls.total)))
        }),
        (names::CALLS_PER_SECOND, "Adaptive rate of the key.", &|calls| {
            calls.rate.as_ref().and_then(|rate| rate.calls_per_second)
        }),
    ];
    for (name, help, figure) in figures {
        let values = known.report.configured_projects().filter_map(|(project, calls)| {
            Some(([("project", project.project.as_str())], figure(calls)?))
        });
        gauges.all(name, help, values)?;
    }
    Ok(())
}

fn labels(project: &ProjectReport) -> StreamLabels<'_> {
    [("project", &project.project), ("stream", &project.stream)]
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn number(count: i64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn whole(count: u64) -> f64 {
    count as f64
}

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Writes gauges whose values are known only now.
struct Gauges<'a>(DescriptorEncoder<'a>);

impl Gauges<'_> {
    /// Writes a metric with a value for each set of labels; nothing if there is none.
    fn all<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl Iterator<Item = (L, f64)>,
    ) -> std::fmt::Result {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut encoder = self.0.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn one<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        labels: L,
        value: f64,
    ) -> std::fmt::Result {
        self.all(name, help, std::iter::once((labels, value)))
    }

    /// Writes a metric without labels.
    fn single(&mut self, name: &str, help: &str, value: f64) -> std::fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?;
        ConstGauge::new(value).encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_sent_where_it_is_accepted() {
        for (accept, format) in [
            (None, Format::Prometheus),
            (Some("text/plain"), Format::Prometheus),
            (Some("*/*"), Format::Prometheus),
            (
                Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn a_daemon_without_a_state_has_metrics_in_both_formats() {
        let registry = registry(&Arc::default());
        for (format, end) in [(Format::Prometheus, ""), (Format::OpenMetrics, "# EOF\n")] {
            let text = render(&registry, format).unwrap();
            assert!(text.contains("\nargos_sync_database_up 0"), "{text}");
            assert!(text.contains("\nargos_sync_build_info{version=\""), "{text}");
            assert!(text.contains("\nprocess_cpu_seconds_total "), "{text}");
            assert!(text.ends_with(end), "{text}");
        }
    }
}
