//! A deletion is proven (I7): by the vendor's mark or by absence, confirmed twice. Too many at once
//! need an operator.

use argos_sync::{
    domain::Stream,
    simulator::{Addition, Change, Knobs, UnknownId},
};

use crate::{
    consumers::demand_numbers,
    evidence::Clock,
    truth::{assert_equal, remember},
    world::{FACE_KEY, KEY, Ran, TestWorld},
};

pub(crate) const SETTINGS: [(&str, &str); 1] = [("sync.since", "2025-01-01")];
pub(crate) const DELETED: &str =
    "select count(*) from argos_sync.record where deleted_at is not null";
pub(crate) const ABSENT: &str = "select count(*) from argos_sync.record where deleted_by_absence";
pub(crate) const SUSPECTS: &str = "select count(*) from argos_sync.suspect";

/// A complete warehouse, at noon after the last day of the population.
pub(crate) async fn synced(submissions: u32, faceauths: u32) -> (TestWorld, Clock) {
    let world = TestWorld::new(submissions, faceauths).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    demand_numbers(&world.pool).await;
    once(&world).await;
    (world, clock)
}

pub(crate) async fn once(world: &TestWorld) -> Ran {
    once_with(world, &SETTINGS).await
}

pub(crate) async fn once_with(world: &TestWorld, settings: &[(&str, &str)]) -> Ran {
    let ran = world.run_with(settings, &["run", "--once"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

pub(crate) fn ids(world: &TestWorld, stream: Stream) -> Vec<String> {
    match stream {
        Stream::Submission => world.vendor.submission_ids(KEY).collect(),
        Stream::Faceauth => world.vendor.faceauth_ids(FACE_KEY).collect(),
    }
}

pub(crate) async fn happens(world: &TestWorld, key: &str, ids: &[String], change: &Change) {
    let stream = if key == KEY { Stream::Submission } else { Stream::Faceauth };
    for id in ids {
        remember(world, stream, id).await;
        world.vendor.change(key, id, change.clone()).expect("the change");
    }
}

#[tokio::test]
async fn a_vanished_record_is_deleted_once_two_calls_an_hour_apart_agree_and_restored_when_it_returns()
 {
    for unknown_id in [UnknownId::Empty, UnknownId::BadRequest] {
        let (world, mut clock) = synced(60, 30).await;
        world.vendor.set_all_knobs(&Knobs { unknown_id, deleted_permille: 0, ..Knobs::default() });
        let submission = &ids(&world, Stream::Submission)[5..6];
        let face = &ids(&world, Stream::Faceauth)[5..6];
        happens(&world, KEY, submission, &Change::Vanish).await;
        happens(&world, FACE_KEY, face, &Change::Vanish).await;
        clock.forward(25 * 60).await;
        once(&world).await;
        assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (2, 0));
        clock.forward(50).await;
        once(&world).await;
        assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (2, 0));
        clock.forward(11).await;
        once(&world).await;
        assert_eq!((world.number(SUSPECTS).await, world.number(ABSENT).await), (0, 2));
        for (sql, rest) in [
            ("select count(*) from argos.submission where deleted_at is not null", 1),
            ("select count(*) from argos.faceauth where deleted_at is not null", 1),
            ("select count(*) from argos.submission", 60),
            ("select count(*) from argos_pii.submission_identity", 59),
            ("select count(*) from argos_raw.submission", 59),
            ("select count(*) from argos_raw.faceauth", 29),
        ] {
            assert_eq!(world.number(sql).await, rest, "{sql}");
        }
        happens(&world, KEY, submission, &Change::Return).await;
        happens(&world, FACE_KEY, face, &Change::Return).await;
        clock.forward(25 * 60).await;
        once(&world).await;
        assert_eq!(world.number(DELETED).await, 0);
        assert_equal(&world).await;
    }
}

#[tokio::test]
async fn an_api_that_finds_nothing_at_all_deletes_nothing() {
    let (world, mut clock) = synced(8, 5).await;
    happens(&world, KEY, &ids(&world, Stream::Submission), &Change::Vanish).await;
    for _ in 0..4 {
        clock.forward(25 * 60).await;
        // Neither lists nor detail calls find a known record, which proves nothing.
        let ran = world.run_with(&SETTINGS, &["run", "--once"]).await;
        assert_eq!(ran.code(), 65, "{ran:?}");
    }
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
}

#[tokio::test]
async fn a_pass_that_misses_all_of_five_records_is_not_believed() {
    let settings = [SETTINGS[0], ("sync.window_days", "120")];
    let one_pass =
        ["run", "--backfill", "2025-01-01..2025-03-31", "--workers", "1", "--project", "main"];
    for (count, suspects, alarm) in [(5, 0, 1), (4, 4, 0)] {
        let (world, mut clock) = synced(count, 5).await;
        let known = ids(&world, Stream::Submission);
        // Keeps the list from being empty, since an empty one would be doubted.
        let created_at_ms = Some(1_739_620_800_000);
        world.vendor.add(KEY, &Addition { created_at_ms, result: None }).expect("a submission");
        happens(&world, KEY, &known, &Change::Vanish).await;
        clock.forward(60).await;
        let ran = world.run_with(&settings, &one_pass).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(
            ran.stderr.contains("implausibly many records are missing"),
            alarm == 1,
            "{ran:?}"
        );
        assert_eq!(world.number(SUSPECTS).await, suspects, "{count}");
        assert_eq!(world.run(&["deletions", "list"]).await.code(), alarm, "{count}");
    }
}

/// Makes records vanish: a backfill misses them, and two detail calls an hour apart find none.
async fn are_confirmed_absent(world: &TestWorld, clock: &mut Clock, gone: &[String]) {
    happens(world, KEY, gone, &Change::Vanish).await;
    world.backfill().await;
    clock.forward(61).await;
    once(world).await;
}

#[tokio::test]
async fn absences_confirmed_within_a_day_stop_at_the_limit_until_a_person_decides() {
    let (world, mut clock) = synced(60, 30).await;
    let ids = ids(&world, Stream::Submission);
    clock.forward(60).await;
    are_confirmed_absent(&world, &mut clock, &ids[..6]).await;
    assert_eq!(world.number(DELETED).await, 6);
    clock.forward(10 * 60).await;
    are_confirmed_absent(&world, &mut clock, &ids[6..11]).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 6));
    let listed = world.run(&["deletions", "list"]).await;
    assert_eq!(listed.code(), 1, "{listed:?}");
    assert!(listed.stdout.contains("confirmed, too many in 24 hours"), "{listed:?}");
    let status = world.run(&["status"]).await;
    assert!(status.stdout.contains("argos-sync deletions"), "{status:?}");
    // Time alone decides nothing, and no other record is deleted meanwhile.
    clock.forward(30 * 60).await;
    are_confirmed_absent(&world, &mut clock, &ids[11..12]).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 6));

    let answer = ["deletions", "approve", "2025-01-01..2025-03-31", "--project", "main"];
    assert_eq!(world.run(&answer).await.code(), 0);
    once(&world).await;
    clock.forward(61).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 12));
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
}

#[tokio::test]
async fn a_rejected_alarm_of_confirmed_absences_keeps_its_records() {
    let (world, mut clock) = synced(60, 30).await;
    let ids = ids(&world, Stream::Submission);
    clock.forward(60).await;
    are_confirmed_absent(&world, &mut clock, &ids[..6]).await;
    are_confirmed_absent(&world, &mut clock, &ids[6..11]).await;
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 1);
    let answer = [
        "deletions",
        "reject",
        "2025-01-01..2025-03-31",
        "--project",
        "main",
        "--valid-hours",
        "100",
    ];
    assert_eq!(world.run(&answer).await.code(), 0);
    world.backfill().await;
    clock.forward(61).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 6));
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
}

#[tokio::test]
async fn a_walk_that_misses_half_of_all_records_deletes_nothing_and_says_so() {
    let (world, mut clock) = synced(200, 100).await;
    let gone: Vec<_> = ids(&world, Stream::Submission).into_iter().step_by(2).collect();
    happens(&world, KEY, &gone, &Change::Vanish).await;
    clock.forward(25 * 60).await;
    let ran = once(&world).await;
    assert!(ran.stderr.contains("implausibly many records are missing"), "{ran:?}");
    clock.forward(2 * 60).await;
    once(&world).await;
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
    let listed = world.run(&["deletions", "list"]).await;
    assert_eq!(listed.code(), 1, "{listed:?}");
    assert!(listed.stdout.contains("main") && !listed.stdout.contains("face"), "{listed:?}");
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(status.stdout.contains("argos-sync deletions"), "{status:?}");

    happens(&world, KEY, &gone, &Change::Return).await;
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
    assert_equal(&world).await;
}

#[tokio::test]
async fn a_retention_policy_is_approved_once_and_done() {
    let (world, mut clock) = synced(240, 20).await;
    let january: Vec<_> = ids(&world, Stream::Submission)
        .into_iter()
        .filter(|id| {
            let item = world.vendor.submission(KEY, id).expect("an item");
            String::from_utf8_lossy(&item).contains(r#""created_at":"2025-01-"#)
        })
        .step_by(3)
        .collect();
    assert!(january.len() > 20, "{}", january.len());
    happens(&world, KEY, &january, &Change::Vanish).await;
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 1);
    let answer = ["deletions", "approve", "2025-01-01..2025-01-31", "--project", "main"];
    let approved = world.run(&answer).await;
    assert_eq!(approved.code(), 0, "{approved:?}");
    once(&world).await;
    assert_eq!(world.number(DELETED).await, 0, "detail calls decide, and they are an hour apart");
    clock.forward(61).await;
    once(&world).await;
    assert_eq!(world.number(ABSENT).await, i64::try_from(january.len()).expect("few"));
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!(world.number(SUSPECTS).await, 0);
}

#[tokio::test]
async fn what_a_person_rejects_is_kept_and_no_longer_asked_about() {
    let (world, mut clock) = synced(200, 20).await;
    let gone: Vec<_> = ids(&world, Stream::Submission).into_iter().step_by(2).collect();
    happens(&world, KEY, &gone, &Change::Vanish).await;
    clock.forward(25 * 60).await;
    once(&world).await;
    let answer = [
        "deletions",
        "reject",
        "2025-01-01..2025-03-31",
        "--project",
        "main",
        "--valid-hours",
        "100",
    ];
    assert_eq!(world.run(&answer).await.code(), 0);
    clock.forward(26 * 60).await;
    once(&world).await;
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
    assert_eq!((world.number(SUSPECTS).await, world.number(DELETED).await), (0, 0));
}

#[tokio::test]
async fn the_vendors_marks_need_no_person_however_many_they_are() {
    let (world, mut clock) = synced(120, 60).await;
    let gone: Vec<_> = ids(&world, Stream::Submission).into_iter().step_by(2).collect();
    happens(&world, KEY, &gone, &Change::Delete).await;
    let faces: Vec<_> = ids(&world, Stream::Faceauth).into_iter().step_by(2).collect();
    happens(&world, FACE_KEY, &faces, &Change::DeleteFaceauth { keep_result: false }).await;
    clock.forward(25 * 60).await;
    once(&world).await;
    assert_eq!(world.number(DELETED).await, 0);
    assert_equal(&world).await;
    clock.forward(61).await;
    once(&world).await;
    assert_eq!(world.number(DELETED).await, 90);
    assert_eq!(world.run(&["deletions", "list"]).await.code(), 0);
    assert_equal(&world).await;
}
