//! Output and log that cannot be written.

use std::time::Duration;

use crate::{
    evidence::{ended_within, terminate},
    world::{ALL_DAYS, TestWorld},
};

#[tokio::test]
async fn a_reader_that_goes_away_is_no_fault() {
    let world = TestWorld::new(0, 0).await;
    let mut program = world.start_with(&[], &["completions", "bash"]);
    drop(program.stdout.take());
    let ran = ended_within(Duration::from_mins(1), program).await;
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "{ran:?}");
}

#[tokio::test]
async fn output_that_cannot_be_written_is_an_error_and_a_log_that_cannot_is_none() {
    let world = TestWorld::new(20, 0).await;
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("a full disk");
    let backfill = ["--log", "debug", "run", "--backfill", ALL_DAYS, "--project", "main"];
    let program = world.command(&backfill).stderr(full()).spawn().expect("it runs");
    let ran = ended_within(Duration::from_mins(1), program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.submission").await, 20);
    let program = world.command(&["status"]).stdout(full()).spawn().expect("it runs");
    let ran = ended_within(Duration::from_mins(1), program).await;
    assert_eq!(ran.code(), 74, "{ran:?}");
    assert!(ran.stderr.contains("the output could not be written"), "{ran:?}");
}

#[tokio::test]
async fn a_daemon_whose_log_nobody_reads_any_more_goes_on() {
    let world = TestWorld::new(20, 0).await;
    let settings = [("sync.since", "2025-01-01"), ("sync.schedules", "* * * * * *")];
    let mut daemon = world.start_with(&settings, &["--log", "debug", "run", "--project", "main"]);
    drop(daemon.stderr.take());
    world.until("select count(*) > 2 from argos_sync.run where ended_at is not null").await;
    assert!(daemon.try_wait().expect("it can be asked").is_none(), "it still runs");
    terminate(&daemon).await;
    let ended = ended_within(Duration::from_mins(1), daemon).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[tokio::test]
async fn with_json_logs_standard_error_is_json_alone() {
    let world = TestWorld::new(20, 10).await;
    for (settings, arguments) in [
        (&[("project.main.api_key", "wrong")][..], &["run", "--backfill", ALL_DAYS][..]),
        (&[], &["run", "--backfill", ALL_DAYS]),
        (&[], &["raw", "submission", "no-such-record"]),
        (&[("database.url", "postgres://u:sekret@127.0.0.1:9/db")], &["status"]),
        (&[("client.page_size", "sekret")], &["status"]),
        (&[("client.page_size", "sekret")], &["config", "show"]),
    ] {
        let settings = [settings, &[("log.format", "json")]].concat();
        let ran = world.run_with(&settings, arguments).await;
        assert!(!ran.stderr.is_empty(), "{ran:?}");
        for line in ran.stderr.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect(line);
            for member in ["timestamp", "level", "message"] {
                assert!(line[member].is_string(), "{line}");
            }
        }
        let last: serde_json::Value =
            serde_json::from_str(ran.stderr.lines().last().expect("a line")).expect("JSON");
        assert_eq!(last["level"] == "ERROR", ran.code() != 0, "{ran:?}");
    }
}
