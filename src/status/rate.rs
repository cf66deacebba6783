//! The rate of a project's calls, as `status` prints it.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::{Pace, RateCause},
    warehouse::RateReport,
};

/// The rate of a project's key.
#[derive(Serialize)]
pub(crate) struct Rate {
    /// The adaptive rate; `None`: the configuration fixes it.
    pub(crate) calls_per_second: Option<f64>,
    changed_at: Option<DateTime<Utc>>,
    /// Why the rate last changed: `healthy`, `refused`, `timed_out` or `slow`.
    cause: Option<&'static str>,
    /// The rate at which the vendor last refused calls or slowed down.
    refused_calls_per_second: Option<f64>,
    /// The end of the pause that the vendor asked for.
    pub(crate) paused_until: Option<DateTime<Utc>>,
}

impl Rate {
    /// `pace`: how this configuration paces the calls; `None` if it does not contain the project.
    pub(crate) fn of(report: &RateReport, pace: Option<Pace>) -> Self {
        let adaptive = Some(report).filter(|_| !matches!(pace, Some(Pace::Fixed(_))));
        let changed = adaptive.and_then(|report| report.changed);
        Self {
            calls_per_second: adaptive.and_then(|report| report.calls_per_second),
            changed_at: changed.map(|(at, _)| at),
            cause: changed.map(|(_, cause)| cause.as_str()),
            refused_calls_per_second: adaptive.and_then(|report| report.refused_calls_per_second),
            paused_until: report.paused_until,
        }
    }

    /// Returns a line about an adaptive rate, and one about a pause of the vendor.
    pub(crate) fn as_text(&self, project: &str) -> String {
        let mut text = String::new();
        if let (Some(calls), Some((at, why))) = (self.calls_per_second, self.last_change()) {
            let at = time(at);
            let _infallible =
                writeln!(text, "{project}: {calls:.1} calls a second since {at} UTC: {why}");
        }
        if let Some(until) = self.paused_until.map(time) {
            let _infallible =
                writeln!(text, "{project}: no calls before {until} UTC: the vendor asked for it");
        }
        text
    }

    /// When and why an adaptive rate last changed.
    pub(crate) fn last_change(&self) -> Option<(DateTime<Utc>, String)> {
        let cause = self.cause.and_then(RateCause::of)?;
        Some((self.changed_at?, self.reason(cause, self.calls_per_second?)))
    }

    fn reason(&self, cause: RateCause, calls: f64) -> String {
        let refused = self.refused_calls_per_second.unwrap_or(calls);
        match cause {
            RateCause::Healthy => "the vendor answers in time".to_owned(),
            RateCause::Refused => format!("the vendor refused calls at {refused:.1} a second"),
            RateCause::TimedOut => format!("the vendor did not answer at {refused:.1} a second"),
            RateCause::Slow => {
                format!("the vendor took twice as long as usual at {refused:.1} a second")
            }
        }
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
