//! A list ends only if nothing indicates another page (contract Q4, I2 of the design).

use argos_sync::{
    domain::Stream,
    simulator::{Addition, CiphertextForm, FaceauthShape, Knobs, NextPageKey},
};
use chrono::{DateTime, Utc};

use crate::{
    evidence::Clock,
    truth::assert_equal,
    world::{ALL_DAYS, FACE_KEY, KEY, Ran, TestWorld},
};

const SUBMISSIONS: &str = "select count(*) from argos.submission";
const COVERED: &str = "select count(*) from argos_sync.coverage";
const MARKED: &str = "select count(*) from argos_sync.project where end_marked";

/// Pages of 20, and no detail calls.
const SMALL_PAGES: [(&str, &str); 2] = [("client.page_size", "20"), ("sync.details", "never")];

fn spelled(next_page_key: NextPageKey) -> Knobs {
    Knobs { next_page_key, ..Knobs::default() }
}

async fn backfill(world: &TestWorld, settings: &[(&str, &str)]) -> Ran {
    world.run_with(settings, &["run", "--backfill", ALL_DAYS]).await
}

#[tokio::test]
async fn a_next_page_key_is_followed_in_every_documented_spelling() {
    for key in [NextPageKey::Camel, NextPageKey::Title, NextPageKey::Snake, NextPageKey::Flat] {
        let world = TestWorld::new(100, 60).await;
        world.vendor.set_all_knobs(&spelled(key));
        let ran = world.run_with(&SMALL_PAGES[..1], &["run", "--backfill", ALL_DAYS]).await;
        assert_eq!(ran.code(), 0, "{key:?}: {ran:?}");
        assert_equal(&world).await;
        assert_eq!(world.number(COVERED).await, 180, "{key:?}");
        let splits =
            world.number("select count(*) from argos_sync.pass where state = 'split'").await;
        assert_eq!(
            (splits, world.number(MARKED).await),
            (0, 2),
            "{key:?}: by passes of some pages"
        );
    }
}

#[tokio::test]
async fn days_whose_lists_have_no_known_key_are_read_in_windows_that_need_none() {
    let flat = Knobs { faceauth_shape: FaceauthShape::Flat, ..Knobs::default() };
    for knobs in [
        spelled(NextPageKey::Unknown),
        spelled(NextPageKey::Unnamed),
        spelled(NextPageKey::Missing),
        flat,
    ] {
        let world = TestWorld::new(100, 60).await;
        world.vendor.set_all_knobs(&knobs);
        let ran = world.run_with(&SMALL_PAGES[..1], &["run", "--backfill", ALL_DAYS]).await;
        assert_eq!(ran.code(), 0, "{knobs:?}: {ran:?}");
        assert!(ran.stderr.contains("the end of the list is uncertain"), "{knobs:?}: {ran:?}");
        assert_equal(&world).await;
        assert_eq!(world.number(COVERED).await, 180, "{knobs:?}");
    }
}

#[tokio::test]
async fn an_encrypted_project_is_read_alike() {
    for (key, splits) in [(NextPageKey::Camel, false), (NextPageKey::Unknown, true)] {
        let world = TestWorld::new(100, 0).await;
        let knobs = Knobs { encryption: CiphertextForm::Base64, ..spelled(key) };
        world.vendor.set_knobs(KEY, knobs).expect("a project");
        let settings = [("client.page_size", "20"), ("project.main.encryption", "base64")];
        let arguments = ["run", "--backfill", ALL_DAYS, "--project", "main"];
        let ran = world.run_with(&settings, &arguments).await;
        assert_eq!(ran.code(), 0, "{key:?}: {ran:?}");
        assert_eq!(world.number(SUBMISSIONS).await, 100, "{key:?}");
        let split =
            world.number("select count(*) from argos_sync.pass where state = 'split'").await;
        assert_eq!(split > 0, splits, "{key:?}");
    }
}

#[tokio::test]
async fn a_day_that_fills_a_page_without_a_known_key_is_blocked_by_name() {
    for (key, why) in [
        (NextPageKey::Unknown, "an unknown member `nextPageCursor`"),
        (NextPageKey::Missing, "a full page of 20 items has no next-page key"),
    ] {
        let world = TestWorld::new(60, 0).await;
        world.vendor.set_all_knobs(&spelled(key));
        let noon: DateTime<Utc> = "2025-02-10T12:00:00Z".parse().expect("a time");
        for _ in 0..40 {
            let created_at_ms = Some(noon.timestamp_millis());
            let addition = Addition { created_at_ms, ..Addition::default() };
            world.vendor.add(KEY, &addition).expect("an addition");
        }
        let arguments = ["run", "--backfill", ALL_DAYS, "--project", "main"];
        let ran = world.run_with(&SMALL_PAGES, &arguments).await;
        assert_eq!(ran.code(), 65, "{ran:?}");
        for part in [why, "ask the vendor how this list marks its next page"] {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        // A day is requested together with its neighbours, for any meaning of a window's ends.
        let blocked = "select count(*) from argos_sync.pass
            where state = 'blocked' and window_from between '2025-02-08' and '2025-02-11'";
        assert_eq!(world.number(blocked).await, 4);
        assert_eq!(world.number(COVERED).await, 86);
        let status = world.run(&["status"]).await;
        assert_eq!(status.code(), 1, "{status:?}");
        for part in ["could not read 2025-02-10, abandoned at", why] {
            assert!(status.stdout.contains(part), "{part}: {status:?}");
        }
        // A vendor that works again, or an argos-sync that supports the key, makes them readable.
        world.vendor.set_all_knobs(&Knobs::default());
        let ran = world.run_with(&SMALL_PAGES, &arguments).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(world.number(SUBMISSIONS).await, 100);
        assert_eq!(world.run(&["status"]).await.code(), 0);
    }
}

#[tokio::test]
async fn a_page_that_happens_to_be_full_costs_one_call_once() {
    let world = TestWorld::new(20, 20).await;
    let settings = [SMALL_PAGES[0], SMALL_PAGES[1], ("sync.window_days", "365")];
    let mut calls = Vec::new();
    for _ in 0..3 {
        let before = world.vendor.call_count();
        let ran = backfill(&world, &settings).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        calls.push(world.vendor.call_count() - before);
    }
    assert_eq!(calls, [4, 2, 2], "a list and a half for each project, then a list");
    assert_eq!(world.number(MARKED).await, 2);
    assert_equal_lists(&world).await;
}

#[tokio::test]
async fn a_vendor_whose_lists_fit_into_a_page_pays_no_call_more() {
    let world = TestWorld::new(19, 19).await;
    world.vendor.set_all_knobs(&Knobs { unknown_members: true, ..Knobs::default() });
    let settings = [SMALL_PAGES[0], SMALL_PAGES[1], ("sync.window_days", "365")];
    for _ in 0..2 {
        let before = world.vendor.call_count();
        let ran = backfill(&world, &settings).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(world.vendor.call_count() - before, 2);
    }
    assert_eq!(world.number(MARKED).await, 0, "nothing has shown it, nor had to");
    assert_equal_lists(&world).await;
}

/// Demands that all listed records are stored.
async fn assert_equal_lists(world: &TestWorld) {
    let count = |stream| match stream {
        Stream::Submission => world.vendor.submission_ids(KEY).count(),
        Stream::Faceauth => world.vendor.faceauth_ids(FACE_KEY).count(),
    };
    for (stream, sql) in [
        (Stream::Submission, SUBMISSIONS),
        (Stream::Faceauth, "select count(*) from argos.faceauth"),
    ] {
        let stored = usize::try_from(world.number(sql).await).expect("few");
        assert_eq!(stored, count(stream), "{stream}");
    }
    assert_eq!(world.number(COVERED).await, 180);
}

#[tokio::test]
async fn members_that_the_contract_does_not_name_are_drift_without_a_value() {
    let world = TestWorld::new(60, 30).await;
    let knobs = Knobs { unknown_members: true, ..Knobs::default() };
    world.vendor.set_all_knobs(&knobs);
    world.backfill().await;
    assert_equal(&world).await;
    let drift: Vec<(String, String, String)> = sqlx::query_as(
        "select project, path, json_type from argos_sync.schema_drift
         where found = 'unknown member of a list' order by 1, 2",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the drift");
    let drift: Vec<_> =
        drift.iter().map(|(project, path, kind)| [&**project, &**path, &**kind]).collect();
    assert_eq!(
        drift,
        [
            ["face", "ScannedCount", "number"],
            ["face", "meta", "object"],
            ["main", "ScannedCount", "number"],
            ["main", "meta", "object"],
        ]
    );
    assert!(!world.all_that_operators_see().await.contains("ap-northeast-2"));
}

#[tokio::test]
async fn a_walk_over_everything_whose_end_is_in_doubt_is_left_by_name_and_blocks_no_day() {
    let world = TestWorld::new(60, 0).await;
    let _clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    world.vendor.set_all_knobs(&spelled(NextPageKey::Missing));
    let settings = [SMALL_PAGES[0], SMALL_PAGES[1], ("sync.since", "2025-01-01")];
    let days = world.run_with(&settings, &["run", "--once", "--project", "main"]).await;
    assert_eq!(days.code(), 0, "{days:?}");
    let everything = world.run_with(&settings, &["run", "--once", "--project", "main"]).await;
    assert_eq!(everything.code(), 65, "{everything:?}");
    assert!(
        everything.stderr.contains("everything: the end of the list is uncertain"),
        "{everything:?}"
    );
    let blocked = "select count(*) from argos_sync.pass where state = 'blocked'";
    assert_eq!(world.number(blocked).await, 0);
    let read = "select count(*) from argos_sync.project where unfiltered_as_of is not null";
    assert_eq!(world.number(read).await, 0);
    world.vendor.set_all_knobs(&Knobs::default());
    let well = world.run_with(&settings, &["run", "--once", "--project", "main"]).await;
    assert_eq!((well.code(), world.number(read).await), (0, 1), "{well:?}");
}

#[tokio::test]
async fn check_finds_out_nothing_from_a_list_whose_end_is_in_doubt_and_says_what_it_can() {
    let world = TestWorld::new(60, 30).await;
    world.vendor.set_all_knobs(&spelled(NextPageKey::Missing));
    let check = world.run_with(&SMALL_PAGES[..1], &["check"]).await;
    assert_eq!(check.code(), 0, "{check:?}");
    assert!(check.stdout.contains("main: page limit: unknown"), "{check:?}");
}

#[tokio::test]
async fn an_error_beside_the_items_ends_no_list() {
    let world = TestWorld::new(100, 60).await;
    let knobs = Knobs { error_beside_items_every: 3, ..Knobs::default() };
    world.vendor.set_all_knobs(&knobs);
    let ran = world.run_with(&SMALL_PAGES[..1], &["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_equal(&world).await;
    assert_eq!(world.number(COVERED).await, 180);
}
