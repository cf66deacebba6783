//! An operator steers the daemon: `pause`, `resume`, `resync`, and SIGHUP.

use std::{fs, time::Duration};

use argos_sync::simulator::Addition;

use crate::{
    evidence::{ended_within, hang_up, terminate},
    world::{KEY, TestWorld},
};

const SOON: Duration = Duration::from_secs(30);
const EACH_SECOND: [(&str, &str); 2] =
    [("sync.since", "2025-01-01"), ("sync.schedules", "* * * * * *")];

#[tokio::test]
async fn a_paused_project_makes_no_calls_until_it_is_resumed() {
    let world = TestWorld::new(40, 10).await;
    assert_eq!(world.run(&["migrate"]).await.code(), 0);
    let ran = world.run(&["pause", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.starts_with("main is paused"), "{ran:?}");
    let program = world.start_with(&EACH_SECOND, &["run"]);
    world.until("select count(*) = 10 from argos.faceauth").await;
    world
        .until(
            "select last_outcome = 'in_progress' and last_run_error like '%is paused%'
             from argos_sync.project where project = 'main'",
        )
        .await;
    assert_eq!(world.number("select count(*) from argos.submission").await, 0);
    let status = world.run(&["status"]).await;
    assert!(status.stdout.contains("main is paused since "), "{status:?}");
    assert!(status.stdout.contains("`argos-sync resume main` continues"), "{status:?}");

    let ran = world.run(&["resume", "main"]).await;
    assert_eq!((ran.code(), ran.stdout.as_str()), (0, "main continues with the next round\n"));
    world.until("select count(*) = 40 from argos.submission").await;
    let ran = world.run(&["resume", "main"]).await;
    assert_eq!((ran.code(), ran.stdout.as_str()), (0, "main was not paused\n"));
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let told = ran.stderr.matches("window postponed").count();
    assert_eq!(told, 1, "rounds of the pause repeat nothing: {ran:?}");
}

#[tokio::test]
async fn a_pause_stops_a_running_backfill_which_continues_later() {
    let world = TestWorld::new(400, 10).await;
    let slow = [("client.calls_per_second", "20"), ("sync.details", "always")];
    let days = ["run", "--backfill", crate::world::ALL_DAYS, "--project", "main"];
    let mut program = world.start_with(&slow, &days);
    assert!(world.until_calls(&mut program, 0, 10).await, "it runs");
    let ran = world.run(&["pause", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("the project is paused; `argos-sync resume main`"), "{ran:?}");
    assert!(ran.stdout.contains("in progress"), "{ran:?}");
    assert_eq!(world.run(&["resume", "main"]).await.code(), 0);
    let ran = world.run_with(&[("sync.details", "always")], &days).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let due = "select count(*) from argos_sync.detail_due where due_at <= argos_sync.clock()";
    assert_eq!(world.number(due).await, 0);
}

#[tokio::test]
async fn a_resync_reads_days_and_records_again() {
    let world = TestWorld::new(40, 10).await;
    let program = world.start_with(&EACH_SECOND, &["run"]);
    world.until("select count(*) = 40 from argos.submission").await;
    world.until("select count(*) = 0 from argos_sync.detail_due").await;
    world.execute("create table before as select now() as at, clock_timestamp() as from_at").await;
    let ran = world.run(&["resync", "main", "2025-01-01..2025-01-31"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.contains("the daemon reads 2025-01-01..2025-01-31"), "{ran:?}");
    world
        .until(
            "select bool_and(as_of > (select from_at from before)) and count(*) = 31
             from argos_sync.coverage
             where project = 'main' and day between '2025-01-01' and '2025-01-31'",
        )
        .await;
    world
        .until(
            "select bool_and(detail_read_at > (select from_at from before)) from argos.submission
             where created_at < '2025-02-01' and project = 'main'",
        )
        .await;
    world.until("select count(*) = 0 from argos_sync.backfill where ended_at is null").await;

    let id: String = sqlx::query_scalar("select max(submission_id) from argos.submission")
        .fetch_one(&world.pool)
        .await
        .expect("an id");
    let before = world.vendor.call_count();
    let ran = world.run(&["resync", "main", "--id", &id]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    world.until("select count(*) = 0 from argos_sync.detail_due").await;
    assert!(world.vendor.call_count() > before);
    let ran = world.run(&["resync", "main", "--id", "nothing"]).await;
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("no record with this id is known"), "{ran:?}");
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}

#[tokio::test]
async fn a_hangup_reads_secrets_and_the_log_filter_again() {
    let world = TestWorld::new(40, 10).await;
    let (key, text) = (world.dir.path().join("main.key"), fs::read_to_string(world.config()));
    let text = text.expect("the configuration");
    fs::write(&key, KEY).expect("a file");
    let with_filter = |filter: &str| {
        let text = text.replace(
            &format!("api_key = \"{KEY}\""),
            &format!("api_key_file = \"{}\"", key.display()),
        );
        world.configure_whole(&format!("{text}\n[log]\nfilter = \"{filter}\"\n"));
    };
    with_filter("info");
    let program = world.start_with(&EACH_SECOND, &["run"]);
    world.until("select count(*) = 40 from argos.submission").await;
    let other = "the-key-that-replaces-it";
    world.vendor.set_accepted_keys(KEY, vec![other.to_owned()]).expect("a project");
    fs::write(&key, other).expect("a file");
    with_filter("debug");
    hang_up(&program).await;
    world.vendor.add(KEY, &Addition::default()).expect("a submission");
    world.until("select count(*) = 41 from argos.submission").await;
    with_filter("not a filter[");
    hang_up(&program).await;
    world.vendor.add(KEY, &Addition::default()).expect("a submission");
    world.until("select count(*) = 42 from argos.submission").await;
    terminate(&program).await;
    let ran = ended_within(SOON, program).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("secrets and log filter were read again"), "{ran:?}");
    assert!(ran.stderr.contains("DEBUG"), "{ran:?}");
    assert!(!ran.stderr.contains(other) && !ran.stderr.contains(KEY), "{ran:?}");
}
