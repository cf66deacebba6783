//! An empty list over days with live records is doubted until detail calls confirm it.

use argos_sync::simulator::{Change, Knobs};

use crate::{
    evidence::Clock,
    truth::assert_equal,
    world::{KEY, TestWorld},
};

const SINCE: [(&str, &str); 1] = [("sync.since", "2025-01-01")];
const DAYS: [(&str, &str); 2] = [SINCE[0], ("sync.window_days", "1")];
const ONCE_MAIN: [&str; 4] = ["run", "--once", "--project", "main"];
const SUSPECTS: &str = "select count(*) from argos_sync.suspect";
const DELETED: &str = "select count(*) from argos_sync.record where deleted_at is not null";
const READ_ON_THE_THIRD: &str =
    "select count(*) from argos_sync.coverage where as_of > '2025-04-03 00:00:00Z'";

#[tokio::test]
async fn lists_that_turn_empty_cover_nothing_and_delete_nothing_while_the_records_are_there() {
    let world = TestWorld::new(60, 30).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    assert_eq!(world.run_with(&SINCE, &["run", "--once"]).await.code(), 0);
    let friendly = world.vendor.knobs(KEY).expect("a project");
    world.vendor.set_all_knobs(&Knobs { dated_lists_are_empty: true, ..friendly.clone() });
    clock.forward(24 * 60).await;
    for _ in 0..2 {
        let ran = world.run_with(&SINCE, &["run", "--once"]).await;
        assert_eq!(ran.code(), 65, "{ran:?}");
        assert!(ran.stderr.contains("main: empty, unverified: 2025-"), "{ran:?}");
        assert!(ran.stderr.contains("a detail call finds a record"), "{ran:?}");
        clock.forward(61).await;
    }
    // Days without records may be covered, days with records may not.
    let covered =
        "select count(*) from argos_sync.coverage join argos_sync.record using (project, stream)
        where as_of > '2025-04-03 00:00:00Z' and window_day = day";
    assert_eq!(world.number(covered).await, 0);
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(
        status.stdout.contains("empty, unverified windows: live records are known there"),
        "{status:?}"
    );

    world.vendor.set_all_knobs(&friendly);
    assert_eq!(world.run_with(&SINCE, &["run", "--once"]).await.code(), 0);
    assert_eq!(world.run(&["status"]).await.code(), 0);
    assert_equal(&world).await;
}

#[tokio::test]
async fn an_empty_list_counts_once_the_records_of_its_days_are_gone_and_others_are_there() {
    let world = TestWorld::new(20, 5).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    let settings = [SINCE[0], ("sync.window_days", "1"), ("deletion.missing_min", "1000")];
    assert_eq!(world.run_with(&settings, &["run", "--once"]).await.code(), 0);
    // A day whose neighbours have no records, so that its whole list is empty.
    let day: String = sqlx::query_scalar(
        "select window_day::text from argos_sync.record as alone
         where stream = 'submission' and not exists (
            select from argos_sync.record as near
            where near.stream = 'submission' and near.id <> alone.id and abs(near.window_day - alone.window_day) <= 1)
         order by 1 limit 1",
    )
    .fetch_one(&world.pool)
    .await
    .expect("a day alone");
    let gone: Vec<String> = sqlx::query_scalar(
        "select id from argos_sync.record where stream = 'submission' and window_day = $1::text::date",
    )
    .bind(&day)
    .fetch_all(&world.pool)
    .await
    .expect("its records");
    for id in &gone {
        world.vendor.change(KEY, id, Change::Vanish).expect("the change");
    }
    for minutes in [25 * 60, 61] {
        clock.forward(minutes).await;
        let ran = world.run_with(&settings, &["run", "--once"]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
    }
    assert!(world.number(READ_ON_THE_THIRD).await > 90);
    assert_eq!(world.number(SUSPECTS).await, 0);
    let deleted = i64::try_from(gone.len()).expect("few");
    let now = world.number("select count(*) from argos_sync.record where deleted_by_absence").await;
    assert_eq!(now, deleted, "{day}");
}

/// A world of few records after its first run, and a record whose neighbours are days away, so that
/// its whole list is empty without it.
async fn with_a_lonely_record() -> (TestWorld, Clock, String) {
    let world = TestWorld::new(20, 0).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    assert_eq!(world.run_with(&DAYS, &ONCE_MAIN).await.code(), 0);
    let alone: String = sqlx::query_scalar(
        "select id from argos_sync.record as alone where not exists (
            select from argos_sync.record as near
            where near.id <> alone.id and abs(near.window_day - alone.window_day) <= 1)
         order by window_day limit 1",
    )
    .fetch_one(&world.pool)
    .await
    .expect("a record alone");
    world.vendor.change(KEY, &alone, Change::Unlist).expect("the change");
    (world, clock, alone)
}

const UNLISTED: &str = "select count(*) from argos_sync.record where unlisted";

#[tokio::test]
async fn a_record_that_lists_leave_out_keeps_its_day_unverified_until_a_later_run() {
    let (world, mut clock, alone) = with_a_lonely_record().await;
    clock.forward(25 * 60).await;
    let ran = world.run_with(&DAYS, &ONCE_MAIN).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("a detail call finds a record"), "{ran:?}");
    assert!(!ran.stderr.contains("lists of these days leave out"), "{ran:?}");
    assert_eq!(world.number(UNLISTED).await, 0);

    clock.forward(61).await;
    let ran = world.run_with(&DAYS, &ONCE_MAIN).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("lists of these days leave out records that exist"), "{ran:?}");
    let unlisted: String =
        sqlx::query_scalar("select string_agg(id, ' ') from argos_sync.record where unlisted")
            .fetch_one(&world.pool)
            .await
            .expect("the unlisted records");
    assert_eq!(unlisted, alone);
    assert!(world.number(READ_ON_THE_THIRD).await > 90);
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
}

#[tokio::test]
async fn a_list_that_is_empty_in_one_run_only_marks_no_record_as_unlisted() {
    let (world, mut clock, alone) = with_a_lonely_record().await;
    clock.forward(25 * 60).await;
    assert_eq!(world.run_with(&DAYS, &ONCE_MAIN).await.code(), 65);
    world.vendor.change(KEY, &alone, Change::Relist).expect("the change");
    clock.forward(61).await;
    let ran = world.run_with(&DAYS, &ONCE_MAIN).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(world.number(UNLISTED).await, 0);
    // The fault of the list has left nothing behind: the next one counts as the first again.
    world.vendor.change(KEY, &alone, Change::Unlist).expect("the change");
    clock.forward(25 * 60).await;
    assert_eq!(world.run_with(&DAYS, &ONCE_MAIN).await.code(), 65);
    assert_eq!(world.number(UNLISTED).await, 0);
}

#[tokio::test]
async fn an_api_that_finds_nothing_at_all_empties_no_day() {
    let world = TestWorld::new(60, 5).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    assert_eq!(world.run_with(&SINCE, &["run", "--once"]).await.code(), 0);
    let all: Vec<_> = world.vendor.submission_ids(KEY).collect();
    for id in &all {
        world.vendor.change(KEY, id, Change::Vanish).expect("the change");
    }
    clock.forward(25 * 60).await;
    let ran = world.run_with(&SINCE, &["run", "--once"]).await;
    assert_eq!(ran.code(), 65, "{ran:?}");
    assert!(ran.stderr.contains("detail calls find no record"), "{ran:?}");
    assert_eq!(world.number(SUSPECTS).await, 0);
}

#[tokio::test]
async fn one_of_three_records_that_is_still_there_is_enough_to_doubt_an_empty_list() {
    for survivor in 0..3 {
        let world = TestWorld::new(3, 0).await;
        let friendly = Knobs { deleted_permille: 0, ..Knobs::default() };
        world.vendor.set_all_knobs(&friendly);
        let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
        let settings = [SINCE[0], ("sync.window_days", "120")];
        assert_eq!(
            world.run_with(&settings, &["run", "--once", "--project", "main"]).await.code(),
            0
        );
        for (number, id) in world.vendor.submission_ids(KEY).enumerate() {
            if number != survivor {
                world.vendor.change(KEY, &id, Change::Vanish).expect("the change");
            }
        }
        world.vendor.set_all_knobs(&Knobs { dated_lists_are_empty: true, ..friendly });
        // Two records are too few for an alarm, so only the third one keeps them.
        for minutes in [25 * 60, 61, 61] {
            clock.forward(minutes).await;
            let ran = world.run_with(&settings, &["run", "--once", "--project", "main"]).await;
            assert_eq!(ran.code(), 65, "{survivor}: {ran:?}");
            assert!(ran.stderr.contains("a detail call finds a record"), "{ran:?}");
            let evidence = (world.number(SUSPECTS).await, world.number(DELETED).await);
            assert_eq!(evidence, (0, 0), "{survivor}");
        }
    }
}
