//! The daemon's HTTP service: health, metrics, and the status as JSON.

use std::{io::Write as _, net::Ipv4Addr, process::Stdio, time::Duration};

use reqwest::{Client, Response, StatusCode, header};
use serde_json::Value;
use tokio::{net::TcpListener, process::Child};

use crate::{
    evidence::{ended_within, skipped, terminate},
    kills::wire,
    world::{KEY, TestWorld},
};

const SOON: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
const SINCE: (&str, &str) = ("sync.since", "2025-01-01");

/// A daemon with its HTTP service.
pub(crate) struct Daemon {
    program: Child,
    /// Its address and port.
    listen: String,
    client: Client,
}

impl Daemon {
    /// Starts a daemon with a service on a free port.
    pub(crate) async fn start(world: &TestWorld, more: &[(&str, &str)]) -> Self {
        let listen = free_port().await;
        let mut settings = vec![SINCE, ("http.listen", listen.as_str())];
        settings.extend(more);
        let program = world.start_with(&settings, &["run"]);
        let client = Client::builder().no_proxy().timeout(SOON).build().expect("a client");
        Self { program, listen, client }
    }

    /// The answer at this path, once the service listens.
    pub(crate) async fn get(&self, path: &str) -> Response {
        let asking = async {
            loop {
                let url = format!("http://{}{path}", self.listen);
                match self.client.get(url).send().await {
                    Ok(response) => break response,
                    Err(_not_yet) => tokio::time::sleep(LOOK).await,
                }
            }
        };
        tokio::time::timeout(SOON, asking).await.expect("the service answers")
    }

    /// The text at this path, once its status is this one.
    pub(crate) async fn until(&self, path: &str, status: StatusCode) -> String {
        let asking = async {
            loop {
                let response = self.get(path).await;
                if response.status() == status {
                    break response.text().await.expect("a text");
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(SOON, asking).await.expect(path)
    }

    pub(crate) async fn end(self) {
        terminate(&self.program).await;
        let ran = ended_within(SOON, self.program).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    }
}

/// An address whose port is free once the listener is dropped.
async fn free_port() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    listener.local_addr().expect("an address").to_string()
}

#[tokio::test]
async fn a_daemon_answers_for_its_health_and_its_status() {
    let world = TestWorld::new(40, 10).await;
    let daemon = Daemon::start(&world, &[]).await;
    assert_eq!(daemon.until("/livez", StatusCode::OK).await, "ok\n");
    assert_eq!(daemon.until("/readyz", StatusCode::OK).await, "ok\n");
    let checks = daemon.until("/readyz?verbose", StatusCode::OK).await;
    assert_eq!(checks, "[+] database: ok\n[+] schema: ok\n[+] projects: ok\nok\n");
    let checks = daemon.until("/readyz?complete&verbose", StatusCode::OK).await;
    assert!(checks.contains("[+] complete main: ok\n"), "{checks}");

    let response = daemon.get("/status.json").await;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_TYPE, "application/json"),
    ] {
        assert_eq!(response.headers()[&name], value, "{name}");
    }
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("a text");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let shown = response.text().await.expect("a text");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let printed = world.run(&["status", "--json"]).await;
    let printed: Value = serde_json::from_str(&printed.stdout).expect("JSON");
    let keys = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect());
    assert_eq!(keys(&shown), keys(&printed) as Option<Vec<String>>);
    assert_eq!(keys(&shown["projects"][0]), keys(&printed["projects"][0]));

    for arguments in [&["health"][..], &["health", "--alive"], &["health", "--complete"]] {
        let ran = world.run_with(&[("http.listen", &daemon.listen)], arguments).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.stdout.ends_with("ok\n"), "{ran:?}");
    }
    let listen = daemon.listen.clone();
    daemon.end().await;
    let ran = world.run_with(&[("http.listen", &listen)], &["health"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("no daemon answers at"), "{ran:?}");
}

/// The value of this series; `None` if there is none.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().expect(series))
}

/// Demands that `promtool` has nothing to complain about.
fn check_by_promtool(metrics: &str) {
    let started = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        return skipped("promtool is not installed");
    };
    let mut input = promtool.stdin.take().expect("its input");
    input.write_all(metrics.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}{metrics}");
}

#[tokio::test]
async fn metrics_count_the_work_and_show_the_state_in_both_formats() {
    let world = TestWorld::new(40, 10).await;
    let daemon = Daemon::start(&world, &[("sync.schedules", "* * * * * *")]).await;
    daemon.until("/readyz?complete", StatusCode::OK).await;
    let metrics = daemon.until("/metrics", StatusCode::OK).await;
    check_by_promtool(&metrics);
    let stream = r#"{project="main",stream="submission"}"#;
    let outcome = |name: &str, outcome: &str| {
        format!(
            r#"argos_sync_{name}_total{{project="main",stream="submission",outcome="{outcome}"}}"#
        )
    };
    for (series, expected) in [
        (format!("argos_sync_records{stream}"), 40.0),
        (format!("argos_sync_coverage_missing{stream}"), 0.0),
        (format!("argos_sync_detail_calls_due{stream}"), 0.0),
        (format!("argos_sync_project_blocked{stream}"), 0.0),
        (format!("argos_sync_freshness_target_seconds{stream}"), 120.0),
        ("argos_sync_database_up".to_owned(), 1.0),
        (r#"argos_sync_work_alive{project="main"}"#.to_owned(), 1.0),
        (r#"argos_sync_budget_calls{project="main"}"#.to_owned(), 200_000.0),
        (outcome("items", "inserted"), 40.0),
        (outcome("rounds", "failed"), 0.0),
    ] {
        assert_eq!(value(&metrics, &series), Some(expected), "{series} in {metrics}");
    }
    for (series, least) in [
        (outcome("rounds", "complete"), 1.0),
        (r#"argos_sync_calls_total{project="main",lane="recent",status="2xx"}"#.to_owned(), 1.0),
        (r#"argos_sync_call_duration_seconds_count{project="main",lane="recent"}"#.to_owned(), 1.0),
        (r#"argos_sync_commit_duration_seconds_count{project="main",kind="page"}"#.to_owned(), 1.0),
        (format!("argos_sync_freshness_seconds{stream}"), 0.0),
        ("process_resident_memory_bytes".to_owned(), 1_000_000.0),
    ] {
        let shown = value(&metrics, &series);
        assert!(shown.is_some_and(|shown| shown >= least), "{series} {shown:?} in {metrics}");
    }
    let request = daemon.client.get(format!("http://{}/metrics", daemon.listen));
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let response = request.header(header::ACCEPT, accept).send().await.expect("an answer");
    let kind = response.headers()[header::CONTENT_TYPE].to_str().expect("a text").to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let metrics = response.text().await.expect("a text");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(metrics.contains("# TYPE argos_sync_calls counter\n"), "{metrics}");
    assert!(world.vendor.submission_ids(KEY).all(|id| !metrics.contains(&id)));
    assert!(!metrics.contains(KEY), "a secret");
    daemon.end().await;
}

#[tokio::test]
async fn the_status_page_shows_each_project_without_scripts_and_values() {
    let world = TestWorld::new(40, 10).await;
    let daemon = Daemon::start(&world, &[("sync.schedules", "* * * * * *")]).await;
    daemon.until("/readyz?complete", StatusCode::OK).await;
    let response = daemon.get("/").await;
    let kind = response.headers()[header::CONTENT_TYPE].to_str().expect("a text").to_owned();
    assert_eq!(kind, "text/html; charset=utf-8");
    let page = response.text().await.expect("a text");
    for part in ["<!doctype html>", "main", "face", "lang=\"en\"", "style.css"] {
        assert!(page.to_lowercase().contains(part), "{part} in {page}");
    }
    for part in ["<script", "style=\"", "http://", KEY] {
        assert!(!page.contains(part), "{part} in {page}");
    }
    assert!(world.vendor.submission_ids(KEY).all(|id| !page.contains(&id)));
    for (path, kind) in [("/style.css", "text/css"), ("/favicon.svg", "image/svg+xml")] {
        let response = daemon.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let given = response.headers()[header::CONTENT_TYPE].to_str().expect("a text");
        assert!(given.starts_with(kind), "{path}: {given}");
    }
    daemon.end().await;
}

#[tokio::test]
async fn a_request_that_names_another_host_is_refused() {
    let world = TestWorld::new(5, 5).await;
    let daemon = Daemon::start(&world, &[("http.hosts", "sync.example")]).await;
    daemon.until("/livez", StatusCode::OK).await;
    for (host, status) in [
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("sync.example", StatusCode::OK),
        ("localhost:8642", StatusCode::OK),
    ] {
        let request = daemon.client.get(format!("http://{}/livez", daemon.listen));
        let response = request.header(header::HOST, host).send().await.expect("an answer");
        assert_eq!(response.status(), status, "{host}");
        assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "DENY", "{host}");
    }
    daemon.end().await;
}

#[tokio::test]
async fn while_postgresql_is_away_the_daemon_is_alive_and_shows_what_it_knew() {
    let world = TestWorld::new(40, 10).await;
    let (url, carrying) = wire(&world).await;
    let daemon = Daemon::start(&world, &[("database.url", &url)]).await;
    daemon.until("/readyz", StatusCode::OK).await;
    let known = daemon.get("/status.json").await;
    assert_eq!(known.status(), StatusCode::OK);
    carrying.abort();
    let why = daemon.until("/readyz", StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(why.starts_with("[-] database: "), "{why}");
    assert_eq!(daemon.get("/livez").await.status(), StatusCode::OK);
    let shown = daemon.get("/status.json").await;
    assert_eq!(shown.status(), StatusCode::OK);
    assert!(shown.headers().contains_key(header::AGE));
    let ran = world.run_with(&[("http.listen", &daemon.listen)], &["health"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stdout.contains("[-] database: "), "{ran:?}");
    daemon.end().await;
}

#[tokio::test]
async fn a_daemon_that_starts_before_postgresql_is_alive_and_not_ready() {
    let world = TestWorld::new(5, 5).await;
    let unused = free_port().await;
    let url = format!("postgres://someone:secret@{unused}/nothing?sslmode=disable");
    let daemon = Daemon::start(&world, &[("database.url", &url)]).await;
    assert_eq!(daemon.until("/livez", StatusCode::OK).await, "ok\n");
    let why = daemon.until("/readyz", StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(why.contains("[-] database: PostgreSQL has not answered yet"), "{why}");
    assert_eq!(daemon.get("/status.json").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    daemon.end().await;
}

#[tokio::test]
async fn a_used_port_is_reported_and_stops_no_sync() {
    let world = TestWorld::new(20, 5).await;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let listen = taken.local_addr().expect("an address").to_string();
    let program = world.start_with(&[SINCE, ("http.listen", &listen)], &["run"]);
    world.until("select count(*) = 20 from argos.submission").await;
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("cannot serve HTTP; the sync works without it"), "{ran:?}");
}
