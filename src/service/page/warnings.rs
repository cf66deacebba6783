//! What is wrong, the most severe first, with the commands that resolve it.

use chrono::{DateTime, Utc};

use super::words;
use crate::{
    domain::{Day, Window},
    service::board::{Check, KnownState, Outage},
    status::{clocks, samples, words::empty_reason},
    warehouse::{BlockedDay, Outcome, ProjectReport, SchemaState, WindowState},
};

/// Most warnings about the blocked days of a project.
const BLOCKED_SPANS: usize = 10;

/// How urgent a warning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Data are not updated.
    Error,
    /// A part of the data is wrong or missing.
    Warning,
    /// Something waits for a decision, and the data are updated meanwhile.
    Notice,
}

impl Severity {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Notice => "Notice",
        }
    }

    /// The class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// Something that an operator resolves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) severity: Severity,
    /// The project, or what else it is about.
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) steps: Vec<Step>,
}

/// A step that resolves a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) purpose: &'static str,
    pub(super) command: String,
}

impl Warning {
    fn new(severity: Severity, subject: &str, text: &str) -> Self {
        let (subject, text) = (subject.to_owned(), words::sentence(text));
        Self { severity, subject, text, steps: Vec::new() }
    }

    fn step(mut self, purpose: &'static str, command: impl Into<String>) -> Self {
        self.steps.push(Step { purpose, command: command.into() });
        self
    }
}

/// Returns all warnings, the most severe first.
pub(super) fn all(
    known: Option<&KnownState>,
    outage: Option<&Outage>,
    liveness: &[Check],
    now: DateTime<Utc>,
) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = outage.map(of_outage).into_iter().collect();
    warnings.extend(liveness.iter().filter_map(of_liveness));
    if let Some(known) = known {
        let report = &known.report;
        warnings.extend(of_schema(known.schema));
        let projects = report.projects.iter().zip(&report.configured);
        for (project, is_configured) in projects {
            warnings.extend(of_project(known, project));
            warnings.extend(of_history_age(known, project, now).filter(|_| *is_configured));
        }
        warnings.extend(report.wrong_clocks.iter().map(of_clock));
    }
    warnings.sort_by_key(|warning| warning.severity);
    warnings
}

fn of_outage(outage: &Outage) -> Warning {
    let text = format!("{}; {}", outage.error, outage.advice);
    Warning::new(Severity::Error, "PostgreSQL", &text)
        .step("The daemon continues automatically. Check the connection:", "argos-sync check")
}

fn of_liveness(check: &Check) -> Option<Warning> {
    let problem = check.problem.as_ref()?;
    let warning = Warning::new(Severity::Error, &check.name, problem);
    Some(warning.step("Restart the daemon:", "systemctl restart argos-sync"))
}

fn of_schema(schema: SchemaState) -> Option<Warning> {
    let error = |text: &str| Warning::new(Severity::Error, "schema", text);
    let migrate = "argos-sync migrate";
    match schema {
        SchemaState::Current => None,
        SchemaState::Missing => {
            let warning = error("The database has no warehouse");
            Some(warning.step("Create it:", migrate))
        }
        SchemaState::Older(left) => {
            let left = i64::try_from(left).unwrap_or(i64::MAX);
            let text = format!("{} did not run yet", words::count(left, "migration"));
            Some(error(&text).step("Migrate the schema:", migrate))
        }
        SchemaState::Newer => {
            let warning = error("A newer release has migrated the schema");
            Some(warning.step("Install that release. This one is:", "argos-sync --version"))
        }
        SchemaState::Unreleased => {
            let warning = error("The schema is from before the first release");
            Some(warning.step("Set another database as `database.url`, then:", migrate))
        }
    }
}

fn of_project(known: &KnownState, project: &ProjectReport) -> Vec<Warning> {
    let name = project.project.as_str();
    let reason = of_key(project).or_else(|| of_pause(project));
    let mut warnings: Vec<Warning> =
        reason.or_else(|| of_age(known, project)).into_iter().collect();
    warnings.extend(of_failed_run(project));
    warnings.extend(of_blocked_days(known, name));
    warnings.extend(of_empty_windows(known, project));
    if project.alarms > 0 {
        let text = format!(
            "Passes missed implausibly many records on {}. None of the records is deleted without \
             a decision.",
            words::count(project.alarms, "day")
        );
        warnings.push(
            Warning::new(Severity::Warning, name, &text)
                .step("Show the days:", "argos-sync deletions list")
                .step(
                    "Delete the missing records, or keep them with `reject`:",
                    format!("argos-sync deletions approve FROM..TO --project {name}"),
                ),
        );
    }
    let differing = known.report.samples.iter().filter(|it| it.project == name && it.known > 0);
    warnings.extend(differing.map(|sample| {
        let records = words::count(sample.known, "record");
        let tables = samples::tables(sample);
        let text = format!("{records} differ from their raw items or have none ({tables}).");
        Warning::new(Severity::Warning, name, &text)
            .step("Rewrite them:", format!("argos-sync verify --project {name} --repair"))
    }));
    if project.quarantined > 0 {
        let items = words::capped(project.quarantined);
        let text = format!("Items in quarantine, because they could not be stored: {items}");
        warnings.push(
            Warning::new(Severity::Notice, name, &text)
                .step("Show the reasons:", format!("argos-sync quarantine list --project {name}"))
                .step(
                    "Store them again, for example after an upgrade:",
                    format!("argos-sync quarantine retry --project {name}"),
                ),
        );
    }
    warnings
}

fn of_key(project: &ProjectReport) -> Option<Warning> {
    let since = words::exact(project.blocked_at?);
    let reason = project.blocked_reason.as_deref().unwrap_or("no reason was recorded");
    let text = format!("The vendor refuses the key since {since}: {reason}");
    let warning = Warning::new(Severity::Error, &project.project, &text);
    Some(warning.step("Correct the key, then verify it:", "argos-sync check"))
}

fn of_age(known: &KnownState, project: &ProjectReport) -> Option<Warning> {
    let name = project.project.as_str();
    known.report.too_old.iter().find(|too_old| *too_old == name)?;
    let promise = words::duration(known.promises.newest);
    let read = project.newest_as_of.map_or_else(
        || "No day was read".to_owned(),
        |at| format!("The newest data are of {}", words::exact(at)),
    );
    let text = format!("{read}, and should be at most {promise} old");
    let warning = Warning::new(Severity::Error, name, &text)
        .step("Show the last error:", "argos-sync status")
        .step("Do the due work now:", format!("argos-sync run --once --project {name}"));
    Some(warning)
}

/// The oldest read of a day is older than promised. A project without calls has a warning of its
/// own.
fn of_history_age(
    known: &KnownState,
    project: &ProjectReport,
    now: DateTime<Utc>,
) -> Option<Warning> {
    let oldest = project.oldest_as_of?;
    let has_calls = project.blocked_at.is_none() && project.paused_at.is_none();
    (has_calls && now - oldest > known.promises.oldest).then_some(())?;
    let (name, promise) = (project.project.as_str(), words::duration(known.promises.oldest));
    let oldest = words::exact(oldest);
    let text =
        format!("The oldest read of a day is of {oldest}, and should be at most {promise} old");
    let warning = Warning::new(Severity::Warning, name, &text);
    Some(warning.step(
        "Raise `budget.calls_per_day`, `budget.shares.audit` or `audit.cycle_days`; compare:",
        format!("argos-sync plan --project {name}"),
    ))
}

fn of_pause(project: &ProjectReport) -> Option<Warning> {
    let since = words::exact(project.paused_at?);
    let name = project.project.as_str();
    let text = format!("An operator paused the project at {since}. It makes no calls");
    let warning = Warning::new(Severity::Warning, name, &text);
    Some(warning.step("Continue:", format!("argos-sync resume {name}")))
}

fn of_failed_run(project: &ProjectReport) -> Option<Warning> {
    let outcome = project.last_outcome.as_deref()?;
    (outcome == Outcome::Failed.as_str()).then_some(())?;
    let ended = project.last_ended_at.map(words::exact).unwrap_or_default();
    let reason = project.last_run_error.as_deref().unwrap_or("no reason was recorded");
    let text = format!("The last run failed at {ended}: {reason}");
    let name = project.project.as_str();
    Some(Warning::new(Severity::Error, name, &text).step(
        "Correct the cause, then do the due work now:",
        format!("argos-sync run --once --project {name}"),
    ))
}

/// One warning for each span of consecutive blocked days.
fn of_blocked_days(known: &KnownState, name: &str) -> Vec<Warning> {
    let blocked = known.report.blocked_days.iter().filter(|blocked| blocked.project == name);
    let blocked: Vec<&BlockedDay> = blocked.collect();
    let spans = blocked.chunk_by(|before, after| before.day.succ_opt() == Some(after.day));
    let mut warnings: Vec<_> = spans
        .filter_map(|span| {
            let (first, last) = (span.first()?.day, span.last()?);
            let error = last.error.as_deref().unwrap_or("no reason was recorded");
            let window = window(first, last.day)?;
            let days = if first == last.day { first.to_string() } else { window.to_string() };
            let text = format!("{days} could not be read: {error}");
            Some(Warning::new(Severity::Warning, name, &text).step(
                "Read these days again:",
                format!("argos-sync run --backfill {window} --project {name}"),
            ))
        })
        .collect();
    if let Some(more) = warnings.len().checked_sub(BLOCKED_SPANS).filter(|more| *more > 0) {
        warnings.truncate(BLOCKED_SPANS);
        let text = format!("{more} more spans of days could not be read.");
        warnings.push(
            Warning::new(Severity::Warning, name, &text)
                .step("Show them:", "argos-sync status --json"),
        );
    }
    warnings
}

fn window(from: Day, last: Day) -> Option<Window> {
    Window::new(from, last.succ_opt()?).ok()
}

fn of_empty_windows(known: &KnownState, project: &ProjectReport) -> Option<Warning> {
    let name = project.project.as_str();
    (project.empty_unverified > 0).then_some(())?;
    let windows = words::count(project.empty_unverified, "window");
    let reason = empty_reason(project);
    let text = format!("{windows} appeared empty without proof: {reason}");
    let warning = Warning::new(Severity::Warning, name, &text);
    let of_project = known
        .windows
        .iter()
        .filter(|window| window.project == name && window.state == WindowState::EmptyUnverified);
    let days = of_project.map(|window| (window.days.from(), window.days.last()));
    let days = days.reduce(|all, next| (all.0.min(next.0), all.1.max(next.1)));
    let warning = warning.step("Find out how the date filter behaves:", "argos-sync check");
    Some(match days.and_then(|(from, last)| window(from, last)) {
        Some(window) => warning.step(
            "Read these days again:",
            format!("argos-sync run --backfill {window} --project {name}"),
        ),
        None => warning,
    })
}

fn of_clock(clock: &clocks::WrongClock) -> Warning {
    let subject = clock.project.as_deref().unwrap_or("this machine");
    let prefix = format!("{subject}: ");
    let text = clock.text.strip_prefix(&prefix).unwrap_or(&clock.text);
    let text = format!("{text}; {}", clocks::ADVICE);
    let warning = Warning::new(Severity::Warning, subject, &text);
    match clock.project {
        None => warning.step("If this machine's clock is wrong:", "timedatectl set-ntp true"),
        Some(_) => warning.step("Compare all clocks again:", "argos-sync check"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::page::fixtures;

    #[test]
    fn the_most_severe_warning_comes_first_and_each_has_a_command() {
        let (known, outage) = (fixtures::degraded(), fixtures::outage());
        let warnings = all(Some(&known), Some(&outage), &fixtures::stopped(), known.read_at);
        let order: Vec<_> = warnings.iter().map(|warning| warning.severity).collect();
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(warnings[0].subject, "PostgreSQL");
        for warning in &warnings {
            assert!(!warning.steps.is_empty(), "{warning:?}");
        }
        let known = fixtures::healthy();
        assert_eq!(all(Some(&known), None, &fixtures::alive(), known.read_at), []);
    }

    #[test]
    fn a_history_that_is_not_read_again_in_time_is_a_warning() {
        let known = fixtures::healthy();
        let project = &known.report.projects[0];
        let limit = project.oldest_as_of.unwrap() + known.promises.oldest;
        assert_eq!(of_history_age(&known, project, limit), None);
        let late = limit + chrono::TimeDelta::seconds(1);
        assert!(of_history_age(&known, project, late).is_some());
        let paused = ProjectReport { paused_at: Some(limit), ..project.clone() };
        assert_eq!(of_history_age(&known, &paused, late), None);
    }

    #[test]
    fn consecutive_blocked_days_are_one_warning() {
        let known = fixtures::degraded();
        let warnings = of_blocked_days(&known, "main");
        let [warning] = warnings.as_slice() else { panic!("one warning: {warnings:?}") };
        assert!(warning.text.starts_with("2026-10-13..2026-10-15 could not be read: "));
        assert_eq!(
            warning.steps[0].command,
            "argos-sync run --backfill 2026-10-13..2026-10-15 --project main"
        );
    }

    #[test]
    fn a_schema_that_is_not_current_is_an_error() {
        for (schema, text) in [
            (SchemaState::Current, None),
            (SchemaState::Missing, Some("The database has no warehouse.")),
            (SchemaState::Older(1), Some("1 migration did not run yet.")),
            (SchemaState::Older(3), Some("3 migrations did not run yet.")),
            (SchemaState::Newer, Some("A newer release has migrated the schema.")),
            (SchemaState::Unreleased, Some("The schema is from before the first release.")),
        ] {
            assert_eq!(of_schema(schema).map(|warning| warning.text).as_deref(), text);
        }
    }

    #[test]
    fn a_refused_key_explains_the_age_of_the_data() {
        let known = fixtures::degraded();
        let project = known.report.projects.iter().find(|it| it.project == "addon").unwrap();
        assert!(known.report.too_old.contains(&"addon".to_owned()));
        let texts: Vec<_> =
            of_project(&known, project).into_iter().map(|warning| warning.text).collect();
        assert!(texts[0].starts_with("The vendor refuses the key since"), "{texts:?}");
        assert!(texts.iter().all(|text| !text.contains("The newest data")), "{texts:?}");
    }
}
