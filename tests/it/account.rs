//! One vendor account per project (I12): with a key of another account, nothing is written and
//! nothing is deleted.

use std::collections::BTreeSet;

use argos_sync::{
    domain::Stream,
    simulator::{
        CallKind, Change, CiphertextForm, Faults, Knobs, ModeMismatch, Population, SimulatedProject,
    },
};

use crate::{
    evidence::{Clock, ended_within},
    world::{ALL_DAYS, FACE_KEY, KEY, Ran, TestWorld, population},
};

/// The keys of another customer.
const OTHER_KEY: &str = "idcheck-key-of-another-customer";
const OTHER_FACE_KEY: &str = "faceauth-key-of-another-customer";

const SINCE: (&str, &str) = ("sync.since", "2025-01-01");
const OTHER: [(&str, &str); 2] = [SINCE, ("project.main.api_key", OTHER_KEY)];
const ONCE: [&str; 4] = ["run", "--once", "--project", "main"];
const BACKFILL: [&str; 3] = ["run", "--backfill", ALL_DAYS];
const DELETED: &str = "select count(*) from argos_sync.record where deleted_at is not null";
const SUBMISSIONS: &str = "select count(*) from argos.submission";
const KEYS: &str = "select count(*) from argos_sync.project_key where project = 'main'";

/// Two customers with projects of both kinds; the configuration contains the keys of the first.
async fn two_customers(submissions: u32, faceauths: u32) -> TestWorld {
    let project = |key: &str, stream, seed| SimulatedProject {
        key: key.to_owned(),
        stream,
        population: Population { seed, ..population(submissions, faceauths) },
    };
    let world = TestWorld::of(vec![
        project(KEY, Stream::Submission, 7),
        project(FACE_KEY, Stream::Faceauth, 7),
        project(OTHER_KEY, Stream::Submission, 8),
        project(OTHER_FACE_KEY, Stream::Faceauth, 8),
    ])
    .await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    world
}

async fn ends_with(
    world: &TestWorld,
    settings: &[(&str, &str)],
    arguments: &[&str],
    code: i32,
) -> Ran {
    let ran = world.run_with(settings, arguments).await;
    assert_eq!(ran.code(), code, "{arguments:?}: {ran:?}");
    for key in [KEY, OTHER_KEY, FACE_KEY, OTHER_FACE_KEY] {
        assert!(!ran.stderr.contains(key) && !ran.stdout.contains(key), "{ran:?}");
    }
    ran
}

/// Number of stored submissions of this customer, and of other stored submissions.
async fn of_customer(world: &TestWorld, key: &str) -> (usize, usize) {
    let held: Vec<String> = sqlx::query_scalar("select submission_id from argos.submission")
        .fetch_all(&world.pool)
        .await
        .expect("the submissions");
    let own: BTreeSet<String> = world.vendor.submission_ids(key).collect();
    let count = held.iter().filter(|id| own.contains(*id)).count();
    (count, held.len() - count)
}

fn detail_calls(world: &TestWorld) -> u64 {
    world.vendor.calls_by_kind()[&CallKind::SubmissionSingle]
}

#[tokio::test]
async fn the_key_of_another_customer_stores_no_row_and_deletes_none_a_day_later() {
    let world = two_customers(60, 10).await;
    let first = world.vendor.submission_ids(KEY).next().expect("a record");
    world.vendor.override_item(KEY, &first, b"{\"no\":\"id\"}".to_vec()).expect("a record");
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    ends_with(&world, &[SINCE], &ONCE, 0).await;
    let quarantined = "select count(*) from argos_sync.quarantine";
    assert!(world.number(quarantined).await > 0);
    let before = world.tables().await;
    let id = world.vendor.submission_ids(OTHER_KEY).next().expect("a record");
    for minutes in [25 * 60, 2 * 60, 25 * 60] {
        clock.forward(minutes).await;
        let backfill = ["run", "--backfill", ALL_DAYS, "--project", "main"];
        for arguments in [&ONCE[..], &backfill, &["fetch", "submission", "--id", &id]] {
            let ran = ends_with(&world, &OTHER, arguments, 69).await;
            assert!(ran.stderr.contains("argos-sync project rebind main"), "{ran:?}");
        }
        let retried = ends_with(&world, &OTHER, &["quarantine", "retry"], 69).await;
        assert!(retried.stderr.contains("argos-sync project rebind main"), "{retried:?}");
        let status = ends_with(&world, &OTHER, &["status"], 1).await;
        assert!(status.stdout.contains("argos-sync project rebind main"), "{status:?}");
        let check = ends_with(&world, &OTHER, &["check"], 1).await;
        assert!(check.stdout.contains("wrong  project main: "), "{check:?}");
        assert_eq!(world.tables().await, before);
    }
    assert_eq!(
        world.number("select count(*) from argos_sync.api_finding where project = 'main'").await,
        0
    );
    assert_eq!(world.number(DELETED).await, 0);
    // The first customer's key still works.
    ends_with(&world, &[SINCE], &ONCE, 0).await;
    let status = ends_with(&world, &[SINCE], &["status"], 0).await;
    assert!(!status.stdout.contains("rebind"), "{status:?}");
}

#[tokio::test]
async fn a_rotated_key_of_the_same_account_is_verified_once_and_both_stay_valid() {
    let world = two_customers(60, 10).await;
    ends_with(&world, &[], &BACKFILL, 0).await;
    let accepted = vec![KEY.to_owned(), "rotated".to_owned()];
    world.vendor.set_accepted_keys(KEY, accepted).expect("a project");
    let rotated = [("project.main.api_key", "rotated")];
    let check = ends_with(&world, &rotated, &["check"], 0).await;
    assert!(check.stdout.contains("opens the bound account"), "{check:?}");
    assert_eq!(world.number(KEYS).await, 1, "`check` binds nothing");
    let calls = detail_calls(&world);
    ends_with(&world, &rotated, &BACKFILL, 0).await;
    assert_eq!((detail_calls(&world) - calls, world.number(KEYS).await), (1, 2));
    // The first key was bound before any record was known. Next to another key that is not enough:
    // one call verifies it.
    for (settings, expected) in [(&rotated[..], 0), (&[], 1), (&[], 0), (&rotated, 0)] {
        let calls = detail_calls(&world);
        ends_with(&world, settings, &BACKFILL, 0).await;
        assert_eq!(detail_calls(&world) - calls, expected);
    }
    let check = ends_with(&world, &rotated, &["check"], 0).await;
    assert!(check.stdout.contains("which is verified"), "{check:?}");
}

#[tokio::test]
async fn a_key_is_verified_by_any_of_the_records_known_longest() {
    let world = two_customers(60, 10).await;
    ends_with(&world, &[], &BACKFILL, 0).await;
    world.vendor.set_accepted_keys(KEY, vec!["rotated".to_owned()]).expect("a project");
    let oldest: Vec<String> = sqlx::query_scalar(
        "select id from argos_sync.record where stream = 'submission' order by first_read, id limit 3",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the records known longest");
    for id in &oldest[..2] {
        world.vendor.change(KEY, id, Change::Vanish).expect("the change");
    }
    let rotated = [("project.main.api_key", "rotated")];
    ends_with(&world, &rotated, &["fetch", "submission", "--id", &oldest[2]], 0).await;
    assert_eq!(world.number(KEYS).await, 2);
    // A third key finds none of these records any more.
    world.vendor.set_accepted_keys(KEY, vec!["third".to_owned()]).expect("a project");
    world.vendor.change(KEY, &oldest[2], Change::Vanish).expect("the change");
    let third = [("project.main.api_key", "third")];
    ends_with(&world, &third, &BACKFILL, 69).await;
    assert_eq!(world.number(KEYS).await, 2);
}

#[tokio::test]
async fn a_warehouse_of_an_earlier_release_is_bound_by_its_records() {
    let world = two_customers(20, 10).await;
    ends_with(&world, &[], &BACKFILL, 0).await;
    let before = "delete from argos_sync.project_key;
        update argos_sync.project set account_last_read = null, vendor_project = null";
    sqlx::raw_sql(before).execute(&world.pool).await.expect("as before the upgrade");
    let arguments = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    ends_with(&world, &[("project.main.api_key", OTHER_KEY)], &arguments, 69).await;
    ends_with(&world, &[], &arguments, 0).await;
    let proof =
        "select count(*) from argos_sync.project_key where project = 'main' and proof = 'record'";
    assert_eq!(world.number(proof).await, 1);
    assert_eq!(of_customer(&world, KEY).await, (20, 0));
}

#[tokio::test]
async fn an_empty_warehouse_accepts_a_key_with_a_notice_and_keeps_none_that_opens_nothing() {
    let world = two_customers(20, 10).await;
    let wrong = [("project.main.api_key", "wrong")];
    ends_with(&world, &wrong, &BACKFILL, 69).await;
    assert_eq!(world.number(KEYS).await, 0);
    let check = ends_with(&world, &[], &["check"], 0).await;
    assert!(check.stdout.contains("no record is known yet"), "{check:?}");
    let ran = ends_with(&world, &[], &BACKFILL, 0).await;
    assert!(ran.stderr.contains("bound to the account of this API key"), "{ran:?}");
    assert_eq!(world.number(KEYS).await, 1);
}

#[tokio::test]
async fn a_project_that_is_bound_again_accepts_the_next_key_and_no_longer_the_last() {
    let world = two_customers(60, 10).await;
    ends_with(&world, &[], &BACKFILL, 0).await;
    let other = [("project.main.api_key", OTHER_KEY)];
    ends_with(&world, &other, &BACKFILL, 69).await;
    let unknown = ends_with(&world, &other, &["project", "rebind", "nobody"], 1).await;
    assert!(unknown.stderr.contains("`nobody`"), "{unknown:?}");
    let rebound = ends_with(&world, &other, &["project", "rebind", "main"], 0).await;
    assert!(rebound.stdout.contains("the next key is bound without verification"), "{rebound:?}");
    let status = ends_with(&world, &other, &["status"], 0).await;
    assert!(!status.stdout.contains("is blocked"), "{status:?}");
    ends_with(&world, &other, &BACKFILL, 0).await;
    assert_eq!(of_customer(&world, OTHER_KEY).await, (60, 60));
    ends_with(&world, &[], &BACKFILL, 69).await;
    ends_with(&world, &other, &BACKFILL, 0).await;
}

#[tokio::test]
async fn two_configurations_with_keys_of_two_accounts_store_the_records_of_one() {
    let world = two_customers(60, 10).await;
    world.vendor.set_all_knobs(&Knobs { latency_ms: 40, deleted_permille: 0, ..Knobs::default() });
    let arguments = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    let other = [("project.main.api_key", OTHER_KEY)];
    let programs = [world.start_with(&[], &arguments), world.start_with(&other, &arguments)];
    let mut codes = Vec::new();
    for program in programs {
        codes.push(ended_within(std::time::Duration::from_mins(3), program).await.code());
    }
    codes.sort_unstable();
    assert_eq!(codes, [0, 69]);
    let (own, foreign) = of_customer(&world, KEY).await;
    assert!((own, foreign) == (60, 0) || (own, foreign) == (0, 60), "{own} {foreign}");
}

#[tokio::test]
async fn a_failure_of_the_api_is_no_verdict() {
    let world = two_customers(20, 10).await;
    ends_with(&world, &[], &BACKFILL, 0).await;
    world.vendor.set_accepted_keys(KEY, vec!["rotated".to_owned()]).expect("a project");
    world.vendor.set_faults(Faults { server_error: 1.0, ..Faults::default() });
    let settings = [
        ("project.main.api_key", "rotated"),
        ("client.retry_budget_seconds", "0"),
        ("sync.give_up_after_minutes", "0"),
    ];
    let arguments = ["run", "--backfill", ALL_DAYS, "--project", "main"];
    ends_with(&world, &settings, &arguments, 65).await;
    assert_eq!(world.number(KEYS).await, 1);
    world.vendor.set_faults(Faults::default());
    ends_with(&world, &settings, &arguments, 0).await;
    assert_eq!(world.number(KEYS).await, 2);
}

#[tokio::test]
async fn a_page_that_names_another_vendor_project_is_refused_before_it_is_written() {
    let world = two_customers(10, 40).await;
    ends_with(&world, &[], &BACKFILL, 0).await;
    let before = world.tables().await;
    // The key is verified already; the vendor now makes it open another project.
    world.vendor.set_accepted_keys(FACE_KEY, Vec::new()).expect("a project");
    world.vendor.set_accepted_keys(OTHER_FACE_KEY, vec![FACE_KEY.to_owned()]).expect("a project");
    let ran = ends_with(&world, &[], &BACKFILL, 69).await;
    assert!(ran.stderr.contains("argos-sync project rebind face"), "{ran:?}");
    assert_eq!(world.tables().await, before);
    let id = world.vendor.faceauth_ids(OTHER_FACE_KEY).next().expect("a record");
    ends_with(&world, &[], &["fetch", "faceauth", "--id", &id], 69).await;
    assert_eq!(world.tables().await, before);
}

#[tokio::test]
async fn face_authentications_verify_a_key_by_the_vendor_project_or_by_records() {
    use argos_sync::simulator::FaceauthShape;
    for shape in [FaceauthShape::Wrapped, FaceauthShape::FlatSingle, FaceauthShape::Flat] {
        let world = two_customers(10, 40).await;
        let knobs = Knobs { faceauth_shape: shape, deleted_permille: 0, ..Knobs::default() };
        world.vendor.set_all_knobs(&knobs);
        ends_with(&world, &[], &BACKFILL, 0).await;
        let before = world.tables().await;
        let other = [("project.face.api_key", OTHER_FACE_KEY)];
        ends_with(&world, &other, &BACKFILL, 69).await;
        assert_eq!(world.tables().await, before, "{shape:?}");
        let accepted = vec!["rotated".to_owned()];
        world.vendor.set_accepted_keys(FACE_KEY, accepted).expect("a project");
        ends_with(&world, &[("project.face.api_key", "rotated")], &BACKFILL, 0).await;
        let proof: String = sqlx::query_scalar(
            "select proof from argos_sync.project_key where project = 'face' and proof <> 'first'",
        )
        .fetch_one(&world.pool)
        .await
        .expect("a proof");
        let is_named = shape == FaceauthShape::Wrapped;
        assert_eq!(proof, if is_named { "vendor_project" } else { "record" }, "{shape:?}");
    }
}

#[tokio::test]
async fn projects_that_encrypt_are_bound_too() {
    let world = two_customers(20, 10).await;
    let encryption = CiphertextForm::Hex;
    let knobs = Knobs {
        encryption,
        mode_mismatch: ModeMismatch::Refused,
        deleted_permille: 0,
        ..Knobs::default()
    };
    for key in [KEY, OTHER_KEY] {
        world.vendor.set_knobs(key, knobs.clone()).expect("a project");
    }
    let with = |key| [("project.main.encryption", "hex"), ("project.main.api_key", key)];
    ends_with(&world, &with(KEY), &BACKFILL, 0).await;
    ends_with(&world, &with(OTHER_KEY), &BACKFILL, 69).await;
    assert_eq!(of_customer(&world, KEY).await, (20, 0));
    world.vendor.set_accepted_keys(KEY, vec!["rotated".to_owned()]).expect("a project");
    ends_with(&world, &with("rotated"), &BACKFILL, 0).await;
    assert_eq!(world.number(KEYS).await, 2);
}

#[tokio::test]
async fn an_account_that_changes_behind_a_verified_key_deletes_nothing() {
    // A few records, so that missing all of them is plausible.
    let world = two_customers(4, 10).await;
    let mut clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    ends_with(&world, &[SINCE], &ONCE, 0).await;
    world.vendor.set_accepted_keys(KEY, Vec::new()).expect("a project");
    world.vendor.set_accepted_keys(OTHER_KEY, vec![KEY.to_owned()]).expect("a project");
    for minutes in [25 * 60, 61, 61, 25 * 60, 61, 61] {
        clock.forward(minutes).await;
        let ran = world.run_with(&[SINCE], &ONCE).await;
        assert!([0, 65].contains(&ran.code()), "{ran:?}");
    }
    assert!(world.number("select count(*) from argos_sync.suspect").await > 0);
    assert!(world.number(SUBMISSIONS).await > 4);
    assert_eq!(world.number(DELETED).await, 0);
}

#[tokio::test]
async fn a_warehouse_names_a_key_by_a_digest_that_no_other_warehouse_has() {
    let mut names = Vec::new();
    for secret in ["first", "second"] {
        let world = two_customers(20, 0).await;
        // The tests' warehouses are copies of one, and so are their secrets.
        sqlx::query("update argos_sync.key_secret set value = sha256($1::text::bytea)")
            .bind(secret)
            .execute(&world.pool)
            .await
            .expect("a secret of its own");
        ends_with(&world, &[], &[&BACKFILL[..], &["--project", "main"]].concat(), 0).await;
        let plain = format!(
            "select count(*) from argos_sync.project_key
             where position('{KEY}'::bytea in key_id) > 0 or key_id = sha256('{KEY}'::bytea)"
        );
        let plain: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(plain))
            .fetch_one(&world.pool)
            .await
            .expect("a count");
        assert_eq!(plain, 0, "whoever has a list of keys must not find them again");
        let name: Vec<u8> = sqlx::query_scalar("select key_id from argos_sync.project_key")
            .fetch_one(&world.pool)
            .await
            .expect("one key");
        names.push(name);
    }
    assert_ne!(names[0], names[1], "the same key in two warehouses");
}
