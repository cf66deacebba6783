//! The log of a daemon: complete when something happens, and short when nothing does.

use std::time::Duration;

use crate::{
    evidence::{Clock, ended_within, terminate},
    world::{KEY, TestWorld},
};

const SOON: Duration = Duration::from_secs(30);

/// Simulated rounds, five minutes apart. `ARGOS_SYNC_ROUNDS=288` plays a day.
fn rounds() -> usize {
    let rounds = std::env::var_os("ARGOS_SYNC_ROUNDS");
    rounds.and_then(|rounds| rounds.into_string().ok()?.parse().ok()).unwrap_or(12)
}

#[tokio::test]
async fn a_steady_daemon_writes_at_most_a_line_for_each_project_and_round() {
    let world = TestWorld::new(60, 20).await;
    assert_eq!(world.run(&["migrate"]).await.code(), 0);
    let mut clock = Clock::replace(&world.pool, "2025-06-01 00:00:00+00").await;
    let settings = [("sync.since", "2025-01-01"), ("sync.schedules", "* * * * * *")];
    let program = world.start_with(&settings, &["run"]);
    world.until("select count(*) = 60 from argos.submission").await;
    world.until("select count(*) = 0 from argos_sync.detail_due").await;
    for _ in 0..rounds() {
        let before = world.number("select max(run_id) from argos_sync.run").await;
        clock.forward(5).await;
        let ended = async {
            let sql =
                "select count(*) from argos_sync.run where ended_at is not null and run_id > $1";
            loop {
                let ended: i64 = sqlx::query_scalar(sql)
                    .bind(before)
                    .fetch_one(&world.pool)
                    .await
                    .expect("a number");
                if ended >= 2 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(SOON, ended).await.expect("both projects end a round");
    }
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    // The test's own clock runs away from the others, and each change is worth a line.
    let lines: Vec<_> = ran.stderr.lines().filter(|line| !line.contains(" clock is ")).collect();
    if std::env::var_os("ARGOS_SYNC_ROUNDS").is_some() {
        println!("{}", lines.join("\n"));
    }
    let start = lines.first().expect("a line");
    for part in
        ["argos-sync is starting", "version=", "projects=\"face, main\"", "since=\"2025-01-01\""]
    {
        assert!(start.contains(part), "{part} in {start}");
    }
    let (windows, rest): (Vec<_>, Vec<_>) =
        lines.iter().skip(1).partition(|line| line.contains("window read"));
    assert!(!windows.is_empty(), "the first load is told: {ran:?}");
    let is_round = |line: &&&str| line.contains("round ended");
    let others: Vec<_> = rest.iter().filter(|line| !is_round(line)).collect();
    let allowed = ["binding", "bound", "key", "stopping", "serving"];
    let unexpected: Vec<_> =
        others.iter().filter(|line| !allowed.iter().any(|word| line.contains(word))).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    for line in rest.iter().filter(is_round) {
        assert!(line.contains("outcome=\"complete"), "{line}");
        assert!(line.contains("received=") && line.contains("seconds="), "{line}");
    }
}

#[tokio::test]
async fn an_error_is_logged_once_with_its_next_step() {
    let world = TestWorld::new(20, 5).await;
    let settings = [
        ("sync.since", "2025-01-01"),
        ("sync.schedules", "* * * * * *"),
        ("sync.blocked_retry_minutes", "0"),
    ];
    let program = world.start_with(&settings, &["run"]);
    world.until("select count(*) = 20 from argos.submission").await;
    world.vendor.set_accepted_keys(KEY, vec!["another".to_owned()]).expect("a project");
    world
        .until("select blocked_at is not null from argos_sync.project where project = 'main'")
        .await;
    let rounds = "select count(*) >= 8 from argos_sync.run where outcome = 'blocked'";
    world.until(rounds).await;
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let errors: Vec<_> = ran.stderr.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    for part in ["run{id=", "project=main", "advice="] {
        assert!(errors[0].contains(part), "{part} in {errors:?}");
    }
}
