//! Invented states for tests.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::{
    domain::{ByLane, Day, Lane, OtherClock, Pace, RateBounds, RateCause, Skew, Window},
    service::{
        board::{Check, KnownState, Outage, Promises},
        trend::Trends,
    },
    status::{
        clocks::WrongClock,
        rate::Rate,
        report::{CallsToday, StatusReport},
        sparse::{DetailCause, Sparse},
    },
    warehouse::{
        BackfillReport, BlockedDay, DayReport, ProjectReport, RateReport, RunReport, SampleReport,
        SchemaState, SparseReport, WindowReport, WindowState,
    },
};

/// When the states were read.
const READ_AT: &str = "2026-11-30T14:20:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The days from the first to the last one.
fn days(from: &str, last: &str) -> Window {
    Window::new(day(from), day(last).succ_opt().unwrap()).unwrap()
}

fn project(name: &str, stream: &str) -> ProjectReport {
    ProjectReport {
        project: name.to_owned(),
        stream: stream.to_owned(),
        records: 128_460,
        deleted: 112,
        covered_from: Some(day("2026-09-01")),
        covered_to: Some(day("2026-11-30")),
        covered_days: 91,
        covered_days_before: 0,
        covered_days_since: 90,
        records_before: 0,
        days_since: 90,
        oldest_as_of: Some(at("2026-11-18T03:04:00Z")),
        newest_as_of: Some(at("2026-11-30T14:18:00Z")),
        details_due: 0,
        is_details_due_estimated: false,
        quarantined: 0,
        passes_open: 0,
        empty_unverified: 0,
        is_doubted: false,
        suspects: 0,
        alarms: 0,
        drift_paths: 0,
        claims: 0,
        paused_at: None,
        blocked_at: None,
        blocked_reason: None,
        open_pass_error: None,
        last_outcome: Some("complete".to_owned()),
        last_ended_at: Some(at("2026-11-30T14:18:20Z")),
        last_run_error: None,
    }
}

fn calls(name: &str, total: u64, per_second: f64) -> CallsToday {
    let lanes = Lane::ALL.into_iter().zip([total / 8, total / 4, total / 2, 0, total / 8]);
    let report = RateReport {
        project: name.to_owned(),
        calls_per_second: Some(per_second),
        changed: Some((at("2026-11-30T14:02:11Z"), RateCause::Healthy)),
        refused_calls_per_second: None,
        paused_until: None,
    };
    let shares = [10, 20, 40, 20, 10].map(|percent| percent * 1000);
    let shares: BTreeMap<&str, u64> = Lane::ALL.map(Lane::as_str).into_iter().zip(shares).collect();
    CallsToday {
        total,
        limit: Some(100_000),
        by_lane: lanes.map(|(lane, calls)| (lane.as_str(), calls)).collect(),
        rate: Some(Rate::of(&report, Some(Pace::Adaptive(RateBounds { start: 5.0, max: 50.0 })))),
        fixed_rate: None,
        guaranteed: Some(ByLane::of(|lane| shares[lane.as_str()])),
    }
}

fn run(number: i64, minute: i64, outcome: Option<&str>) -> RunReport {
    let started_at = at("2026-11-30T14:18:00Z") - TimeDelta::minutes(minute);
    RunReport {
        run_id: number,
        command: "run".to_owned(),
        started_at,
        ended_at: outcome.map(|_| started_at + TimeDelta::seconds(21)),
        outcome: outcome.map(str::to_owned),
        received: 1_842,
        inserted: 31,
        updated: 12,
        unchanged: 1_799,
        quarantined: 0,
        duplicate: 0,
        skipped: 0,
    }
}

/// Days of a project that were all read at this time.
fn read_days(project: &str, days: Window, as_of: DateTime<Utc>) -> impl Iterator<Item = DayReport> {
    days.days().zip(0..).map(move |(day, number)| DayReport {
        project: project.to_owned(),
        day,
        as_of: as_of.max(day.and_time(NaiveTime::MIN).and_utc()),
        records: 1000 + number * 37 % 400,
    })
}

/// The days from the first to yesterday, and today.
fn all_days(project: &str, from: &str) -> Vec<DayReport> {
    let past = read_days(project, days(from, "2026-11-29"), at("2026-11-30T03:00:00Z"));
    past.chain(read_days(project, Window::day(day("2026-11-30")), at("2026-11-30T14:18:00Z")))
        .collect()
}

/// The course of the project `main`, with a sample each minute: today's calls and detail calls due.
fn trends(report: &mut StatusReport, samples: &[(u64, i64)]) -> Trends {
    let mut trends = Trends::default();
    let main = report.projects.iter().position(|project| project.project == "main").unwrap();
    let last = i64::try_from(samples.len()).unwrap() - 1;
    for ((calls, due), number) in samples.iter().zip(0..) {
        report.calls[main].total = *calls;
        report.projects[main].details_due = *due;
        trends.add(report, at(READ_AT) - TimeDelta::minutes(last - number));
    }
    trends
}

fn report(projects: Vec<ProjectReport>) -> StatusReport {
    StatusReport {
        since: Some(day("2026-09-01")),
        calls: projects.iter().map(|project| calls(&project.project, 18_240, 12.5)).collect(),
        configured: projects.iter().map(|_| true).collect(),
        projects,
        blocked_days: Vec::new(),
        backfills: Vec::new(),
        samples: vec![SampleReport {
            project: "main".to_owned(),
            stream: "submission".to_owned(),
            since: Some(day("2026-11-23")),
            compared: 8_064,
            differing: 0,
            known: 0,
            known_by_table: BTreeMap::new(),
        }],
        runs: (0..5).map(|run_| run(4_812 - run_, run_ * 5, Some("complete"))).collect(),
        wrong_clocks: Vec::new(),
        sparse: Vec::new(),
        daemon_seen_at: Some(at("2026-11-30T14:18:21Z")),
        too_old: Vec::new(),
    }
}

fn known(mut report: StatusReport, days: Vec<DayReport>, samples: &[(u64, i64)]) -> KnownState {
    let trends = trends(&mut report, samples);
    KnownState {
        report,
        days,
        windows: Vec::new(),
        trends,
        json: "{}".into(),
        schema: SchemaState::Current,
        promises: Promises {
            newest: TimeDelta::minutes(10),
            oldest: TimeDelta::days(30),
            settle: TimeDelta::hours(1),
        },
        read_at: at(READ_AT),
        read: Instant::now(),
        next_at: Instant::now(),
    }
}

/// Two projects that are complete and current.
pub(super) fn healthy() -> KnownState {
    let report = report(vec![project("addon", "faceauth"), project("main", "submission")]);
    let days = [all_days("addon", "2026-09-01"), all_days("main", "2026-09-01")].concat();
    known(report, days, &[(17_200, 0), (17_480, 30), (17_900, 60), (18_100, 0), (18_240, 0)])
}

/// Something of everything that can be wrong.
pub(super) fn degraded() -> KnownState {
    let main = ProjectReport {
        details_due: 412,
        quarantined: 3,
        passes_open: 1,
        claims: 1,
        drift_paths: 4,
        empty_unverified: 1,
        suspects: 5,
        alarms: 2,
        open_pass_error: Some("the vendor answered with 502".to_owned()),
        last_outcome: Some("failed".to_owned()),
        last_run_error: Some("a list was cut off; see the log".to_owned()),
        ..project("main", "submission")
    };
    let addon = ProjectReport {
        blocked_at: Some(at("2026-11-29T22:10:05Z")),
        blocked_reason: Some("the key is not valid <401>".to_owned()),
        newest_as_of: Some(at("2026-11-29T22:05:00Z")),
        ..project("addon", "faceauth")
    };
    let former = ProjectReport {
        newest_as_of: None,
        oldest_as_of: None,
        paused_at: Some(at("2026-11-01T10:00:00Z")),
        covered_days: 0,
        covered_days_since: 0,
        last_outcome: None,
        last_ended_at: None,
        ..project("former", "submission")
    };
    let mut report = report(vec![addon, former, main]);
    report.configured = vec![true, false, true];
    report.calls[1] = CallsToday {
        total: 0,
        limit: None,
        by_lane: BTreeMap::new(),
        rate: None,
        fixed_rate: None,
        guaranteed: None,
    };
    report.too_old = vec!["addon".to_owned()];
    report.blocked_days = blocked_days();
    report.samples[0].known = 2;
    report.samples[0].known_by_table =
        [("argos.submission".to_owned(), 2), ("argos.aml_match".to_owned(), 1)].into();
    let skew = |clock, minutes| Skew { clock, ahead: TimeDelta::minutes(minutes) };
    report.wrong_clocks = vec![
        WrongClock::of("main", &skew(OtherClock::Host, 12)),
        WrongClock::of("main", &skew(OtherClock::Vendor, -8)),
    ];
    report.sparse = vec![Sparse::new(
        SparseReport {
            project: "main".to_owned(),
            records: 1_204,
            due: 31,
            first_read_at: Some(at("2026-11-28T09:00:00Z")),
        },
        DetailCause::Always,
    )];
    report.runs[0] = RunReport { quarantined: 3, ..run(4_812, 0, Some("failed")) };
    let gone = [days("2026-10-13", "2026-10-15"), days("2026-11-01", "2026-11-01")];
    let mut read = all_days("main", "2026-09-01");
    read.retain(|report| gone.iter().all(|gone| !gone.contains(report.day)));
    read.extend(read_days("addon", days("2026-09-01", "2026-11-29"), at("2026-11-29T22:05:00Z")));
    let mut state = known(report, read, &[(18_000, 300), (18_120, 380), (18_240, 412)]);
    state.windows = [
        (gone[1], WindowState::EmptyUnverified, 0),
        (days("2026-11-30", "2026-12-07"), WindowState::Open, 140),
    ]
    .map(|(days, state, received)| window(days, state, received))
    .into();
    state
}

fn window(days: Window, state: WindowState, received: i64) -> WindowReport {
    WindowReport { project: "main".to_owned(), days, state, received }
}

fn blocked_days() -> Vec<BlockedDay> {
    let blocked = days("2026-10-13", "2026-10-15").days().map(|day| BlockedDay {
        project: "main".to_owned(),
        stream: "submission".to_owned(),
        day,
        ended_at: Some(at("2026-11-30T09:12:00Z")),
        error: Some("an item of 40 MiB exceeds the limit of a page".to_owned()),
    });
    blocked.collect()
}

/// A warehouse whose first backfill is running.
pub(super) fn first_backfill() -> KnownState {
    let main = ProjectReport {
        records: 41_890,
        deleted: 0,
        covered_days: 31,
        covered_days_since: 30,
        covered_from: Some(day("2026-10-31")),
        oldest_as_of: Some(at("2026-11-30T12:58:00Z")),
        details_due: 41_520,
        passes_open: 2,
        claims: 2,
        last_outcome: None,
        last_ended_at: None,
        ..project("main", "submission")
    };
    let mut report = report(vec![main]);
    report.calls[0] = calls("main", 20_480, 8.0);
    report.backfills = vec![BackfillReport {
        project: "main".to_owned(),
        stream: "submission".to_owned(),
        days: days("2026-09-01", "2026-11-29"),
        requested_at: at("2026-11-30T13:00:00Z"),
        windows_left: 4,
    }];
    report.samples.clear();
    let backfill = RunReport { command: "backfill".to_owned(), ..run(1, 78, None) };
    report.runs = vec![RunReport { unchanged: 0, updated: 0, ..run(2, 0, None) }, backfill];
    let read = read_days("main", days("2026-10-31", "2026-11-28"), at("2026-11-30T13:40:00Z"))
        .chain(read_days("main", days("2026-11-29", "2026-11-29"), at("2026-11-30T12:58:00Z")))
        .chain(read_days("main", days("2026-11-30", "2026-11-30"), at("2026-11-30T14:18:00Z")));
    let samples = (0..40_u32)
        .map(|minute| (u64::from(minute) * 487 + 1_487, i64::from(minute) * 500 + 22_020));
    let samples: Vec<_> = samples.collect();
    let mut state = known(report, read.collect(), &samples);
    state.windows =
        [(days("2026-10-01", "2026-10-15"), 12_250), (days("2026-10-16", "2026-10-30"), 6_000)]
            .map(|(days, received)| window(days, WindowState::Open, received))
            .into();
    state
}

/// PostgreSQL does not answer.
pub(super) fn outage() -> Outage {
    Outage {
        error: "PostgreSQL refused the connection".to_owned(),
        advice: "check that the server is running",
    }
}

fn check(project: &str, problem: Option<&str>) -> Check {
    Check {
        name: format!("project {project}"),
        project: project.parse().ok(),
        problem: problem.map(str::to_owned),
    }
}

/// The loops of all projects continue.
pub(super) fn alive() -> Vec<Check> {
    ["addon", "main"].map(|name| check(name, None)).into()
}

/// The loop of a project has stopped.
pub(super) fn stopped() -> Vec<Check> {
    let problem = "its loop neither works nor waits; restart the daemon";
    vec![check("addon", None), check("main", Some(problem))]
}
