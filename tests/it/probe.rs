//! `check`: its findings about the API, their storage, and the calls that they save a run.

use argos_sync::simulator::{CiphertextForm, DateFormat, FilterZone, Knobs, Order};

use crate::world::{FACE_KEY, KEY, Ran, TestWorld};

impl TestWorld {
    /// Runs `check`; returns the printed findings about `main`.
    async fn found(&self, settings: &[(&str, &str)], code: i32) -> Vec<String> {
        let ran = self.run_with(settings, &["check"]).await;
        assert_eq!(ran.code(), code, "{ran:?}");
        of_main(&ran)
    }

    async fn kept(&self, fact: &str) -> (String, Option<String>, bool) {
        let sql = "select finding, before, changed_at is not null from argos_sync.api_finding
            where project = 'main' and fact = $1";
        sqlx::query_as(sql).bind(fact).fetch_one(&self.pool).await.expect("a finding")
    }

    fn knobs(&self, knobs: &Knobs) {
        self.vendor.set_all_knobs(knobs);
    }
}

/// The facts and findings of `main`, without the leading word.
fn of_main(ran: &Ran) -> Vec<String> {
    let lines = ran.stdout.lines().filter_map(|line| line.get(7..)?.strip_prefix("main: "));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_friendly_vendor_is_found_out_with_a_handful_of_calls() {
    let world = TestWorld::new(400, 200).await;
    let found = world.found(&[("client.page_size", "500")], 0).await;
    let expected = [
        "date style: dashed",
        "order of lists: descending",
        "end day: included",
        "filter zone: utc",
        "page limit: unknown",
        "lists: sparse",
        "encryption: none",
        "lists by request_type=aml: sparse",
    ];
    assert_eq!(found, expected);
    // The keys are tried as well, with one uncounted call each.
    let calls = world.vendor.call_count();
    assert!(calls <= 14, "{calls}");
    let counted = "select sum(taken)::bigint from argos_sync.key_budget where lane = 'audit'";
    assert_eq!(world.number(counted).await, i64::try_from(calls).expect("a number") - 2);
}

#[tokio::test]
async fn every_oddity_of_a_vendor_is_found_out() {
    let world = TestWorld::new(400, 0).await;
    let one = |knobs: Knobs, found: [&'static str; 6]| (knobs, found);
    let known = Knobs::default;
    for (knobs, expected) in [
        one(
            Knobs { order: Order::Ascending, end_exclusive: true, max_count: 100, ..known() },
            ["dashed", "ascending", "excluded", "utc", "100", "sparse"],
        ),
        one(
            Knobs {
                order: Order::ShuffledPages,
                filter_zone: FilterZone::Kst,
                date_format: DateFormat::Compact,
                full_list_items: true,
                ..known()
            },
            ["compact", "none", "included", "+09:00", "at least 200", "complete"],
        ),
        one(
            Knobs { filter_zone: FilterZone::Kst, end_exclusive: true, ..known() },
            ["dashed", "descending", "excluded", "+09:00", "at least 200", "sparse"],
        ),
        // A filter that returns nothing does not reveal how it works.
        one(
            Knobs { dated_lists_are_empty: true, ..known() },
            ["dashed", "descending", "unknown", "unknown", "at least 200", "sparse"],
        ),
    ] {
        world.knobs(&knobs);
        sqlx::raw_sql("delete from argos_sync.api_finding")
            .execute(&world.pool)
            .await
            .expect("none");
        let found = world.found(&[("client.page_size", "200")], 0).await;
        let found: Vec<_> =
            found.iter().filter_map(|line| Some(line.split_once(": ")?.1)).take(6).collect();
        assert_eq!(found, expected, "{knobs:?}");
    }
}

#[tokio::test]
async fn a_vendor_that_changes_is_told_of_once() {
    let world = TestWorld::new(400, 20).await;
    world.found(&[], 0).await;
    world.found(&[], 0).await;
    let changed = Knobs { order: Order::Ascending, end_exclusive: true, ..Knobs::default() };
    world.knobs(&changed);
    let found = world.found(&[], 1).await;
    for line in [
        "order of lists: ascending (changed: was descending)",
        "end day: excluded (changed: was included)",
        "filter zone: utc",
    ] {
        assert!(found.iter().any(|found| found == line), "{line}: {found:?}");
    }
    let before = |finding: &str, before: &str| (finding.to_owned(), Some(before.to_owned()), true);
    assert_eq!(world.kept("end day").await, before("excluded", "included"));
    assert_eq!(world.kept("filter zone").await, ("utc".to_owned(), None, false));
    let found = world.found(&[], 0).await;
    assert!(found.iter().all(|line| !line.contains("changed")), "{found:?}");
    // An inconclusive check reports no change and keeps earlier findings.
    world.knobs(&Knobs { dated_lists_are_empty: true, ..changed });
    world.found(&[], 0).await;
    assert_eq!(world.kept("end day").await, before("excluded", "included"));
}

#[tokio::test]
async fn a_larger_warehouse_and_a_smaller_page_are_no_change() {
    let world = TestWorld::new(400, 0).await;
    world.knobs(&Knobs { max_count: 100, ..Knobs::default() });
    for (page_size, limit) in [("50", "at least 50"), ("200", "100"), ("60", "at least 60")] {
        let found = world.found(&[("client.page_size", page_size)], 0).await;
        assert!(found.contains(&format!("page limit: {limit}")), "{found:?}");
    }
    assert_eq!(world.kept("page limit").await, ("100".to_owned(), None, false));
}

#[tokio::test]
async fn a_run_begins_with_the_date_style_that_was_found() {
    let world = TestWorld::new(40, 0).await;
    world.configure("[sync]\ndetails = \"never\"\nworkers = 1\n");
    let compact = Knobs { date_format: DateFormat::Compact, ..Knobs::default() };
    world.knobs(&compact);
    let calls = async || {
        let before = world.vendor.call_count();
        let ran =
            world.run(&["run", "--backfill", crate::world::ALL_DAYS, "--project", "main"]).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        world.vendor.call_count() - before
    };
    let without = calls().await;
    world.found(&[], 0).await;
    // A backfill that ended starts again: the same calls, except the refused one.
    assert_eq!(calls().await, without - 1);
    // The vendor changes after the check: one more refusal, and nothing is lost.
    world.knobs(&Knobs::default());
    let records = "select count(*) from argos.submission";
    sqlx::raw_sql("truncate argos.submission, argos_sync.record, argos_sync.coverage")
        .execute(&world.pool)
        .await
        .expect("an empty warehouse");
    assert_eq!(calls().await, without);
    assert_eq!(world.number(records).await, 40);
}

#[tokio::test]
async fn a_project_that_encrypts_says_how() {
    let world = TestWorld::new(40, 0).await;
    let knobs = Knobs { encryption: CiphertextForm::Hex, ..Knobs::default() };
    world.vendor.set_knobs(KEY, knobs).expect("a project");
    let found = world.found(&[("project.main.encryption", "hex")], 0).await;
    assert!(found.contains(&"encryption: hex".to_owned()), "{found:?}");
}

#[tokio::test]
async fn without_a_schema_nothing_is_kept_and_all_is_shown() {
    let world = TestWorld::new(60, 0).await;
    sqlx::raw_sql(
        "drop schema argos cascade; drop schema argos_pii cascade; drop schema argos_raw cascade;
         drop schema argos_sync cascade",
    )
    .execute(&world.pool)
    .await
    .expect("the schemas go");
    let found = world.found(&[], 0).await;
    assert!(found.contains(&"order of lists: descending".to_owned()), "{found:?}");
    let schemas = "select count(*) from pg_namespace where nspname like 'argos%'";
    assert_eq!(world.number(schemas).await, 0);
}

#[tokio::test]
async fn without_calls_left_nothing_is_found_out_and_nothing_is_wrong() {
    let world = TestWorld::new(60, 0).await;
    let settings = [("budget.calls_per_day", "1")];
    let ran = world.run_with(&settings, &["check"]).await;
    let ran_again = world.run_with(&settings, &["check"]).await;
    assert_eq!((ran.code(), ran_again.code()), (0, 0), "{ran:?} {ran_again:?}");
    assert!(of_main(&ran_again)[0].starts_with("the probe failed: "), "{ran_again:?}");
}

#[tokio::test]
async fn no_value_of_a_record_is_kept_or_printed() {
    let world = TestWorld::new(200, 100).await;
    let ran = world.run(&["--log", "trace", "check"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let operators = world.all_that_operators_see().await;
    assert!(operators.contains("order of lists"), "{operators}");
    let ids = world.vendor.submission_ids(KEY).chain(world.vendor.faceauth_ids(FACE_KEY));
    for text in ids.chain(["@mail.example".to_owned(), "2025-0".to_owned(), KEY.to_owned()]) {
        for shown in [&ran.stdout, &ran.stderr, &operators] {
            assert!(!shown.contains(&text), "`{text}` shows:\n{shown}");
        }
    }
}
