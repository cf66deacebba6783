//! Many projects in one warehouse: a failure of one does not affect the others, and no key appears
//! anywhere.

use argos_sync::{
    domain::Stream,
    simulator::{Forbid, Knobs, SimulatedProject},
};

use crate::world::{ALL_DAYS, FACE_KEY, KEY, Ran, TestWorld, population};

const BACKFILL: [&str; 5] = ["--log", "trace", "run", "--backfill", ALL_DAYS];

/// Name, kind and key of five projects.
const PROJECTS: [(&str, &str, &str); 5] = [
    ("korea", "idcheck", "sekret-key-of-korea"),
    ("japan", "idcheck", "sekret-key-of-japan"),
    ("peru", "idcheck", "sekret-key-of-peru"),
    ("korea_face", "faceauth", "sekret-key-of-the-face-of-korea"),
    ("japan_face", "faceauth", "sekret-key-of-the-face-of-japan"),
];

/// The prefix of every key, right or wrong, which no output may show.
const SECRET: &str = "sekret";

async fn five_projects() -> TestWorld {
    let project = |(seed, (_, kind, key)): (u64, &(&str, &str, &str))| {
        let stream = if *kind == "idcheck" { Stream::Submission } else { Stream::Faceauth };
        let population = argos_sync::simulator::Population { seed, ..population(40, 20) };
        SimulatedProject { key: (*key).to_owned(), stream, population }
    };
    TestWorld::of((0..).zip(&PROJECTS).map(project).collect()).await
}

/// Configures all five, one of them optionally with another key.
fn configure(world: &TestWorld, wrong: Option<(&str, &str)>) {
    let mut text = format!(
        "[database]\nurl = \"{}\"\n[client]\ncalls_per_second = 5000\n",
        world.database.url
    );
    for (name, kind, key) in PROJECTS {
        let key = wrong.filter(|(wrong, _)| *wrong == name).map_or(key, |(_, wrong)| wrong);
        let parent = name.strip_suffix("_face").map(|parent| format!("parent = \"{parent}\"\n"));
        let section = format!(
            "[project.{name}]\nkind = \"{kind}\"\nbase_url = \"{}\"\napi_key = \"{key}\"\n{}",
            world.url,
            parent.unwrap_or_default()
        );
        text += &section;
    }
    world.configure_whole(&text);
}

/// The password of the test server, if it requires one.
fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.split_once('@')?;
    Some(user.split_once(':')?.1)
}

async fn nothing_secret_shows(world: &TestWorld, ran: &Ran) {
    let operators = world.all_that_operators_see().await;
    for text in [&ran.stdout, &ran.stderr, &operators] {
        assert!(!text.contains(SECRET), "a key shows:\n{text}");
        let password = password(&world.database.url);
        assert!(!password.is_some_and(|word| text.contains(word)), "the password shows:\n{text}");
    }
}

async fn records_by_project(world: &TestWorld) -> Vec<(String, i64)> {
    let sql = "select project, count(*) from argos_sync.record group by project order by project";
    sqlx::query_as(sql).fetch_all(&world.pool).await.expect(sql)
}

fn expected(without: Option<&str>) -> Vec<(String, i64)> {
    let mut expected: Vec<_> = PROJECTS
        .iter()
        .filter(|(name, ..)| Some(*name) != without)
        .map(|(name, kind, _)| ((*name).to_owned(), if *kind == "idcheck" { 40 } else { 20 }))
        .collect();
    expected.sort();
    expected
}

async fn a_wrong_key_blocks_only(world: &TestWorld, name: &str, answer: &str, advice: &str) {
    configure(world, Some((name, "sekret-but-wrong")));
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 69, "{ran:?}");
    assert!(ran.stderr.contains(answer), "{ran:?}");
    assert!(ran.stderr.contains(advice), "{ran:?}");
    assert_eq!(ran.stdout.matches("complete").count(), 4, "{ran:?}");
    assert_eq!(ran.stdout.matches("blocked").count(), 1, "{ran:?}");
    assert_eq!(records_by_project(world).await, expected(Some(name)));
    nothing_secret_shows(world, &ran).await;

    let status = world.run(&["--log", "trace", "status"]).await;
    assert_eq!(status.code(), 1, "{status:?}");
    assert!(status.stdout.contains(&format!("{name} is blocked since")), "{status:?}");
    assert!(status.stdout.contains(answer), "{status:?}");
    nothing_secret_shows(world, &status).await;

    let check = world.run(&["--log", "trace", "check"]).await;
    assert_eq!(check.code(), 1, "{check:?}");
    assert!(check.stdout.contains(&format!("wrong  project {name}: ")), "{check:?}");
    assert!(check.stdout.contains(advice), "{check:?}");
    assert_eq!(check.stdout.matches("ok     project").count(), 4, "{check:?}");
    nothing_secret_shows(world, &check).await;

    configure(world, None);
    let ran = world.run(&BACKFILL).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(records_by_project(world).await, expected(None));
    let status = world.run(&["status"]).await;
    assert_eq!(status.code(), 0, "{status:?}");
    assert!(!status.stdout.contains("is blocked since"), "{status:?}");
    nothing_secret_shows(world, &ran).await;
}

/// Detail calls that are due now; those that confirm a deletion wait for an hour.
const DUE: &str = "select count(*) from argos_sync.detail_due where due_at <= argos_sync.clock()";

#[tokio::test]
async fn a_wrong_key_blocks_its_project_and_no_other() {
    let world = five_projects().await;
    let advice = "check that this project's API key is complete and still valid";
    a_wrong_key_blocks_only(&world, "peru", "`Forbidden`", advice).await;
}

#[tokio::test]
async fn a_wrong_face_authentication_key_blocks_its_project_and_no_other() {
    let world = five_projects().await;
    let answer = "`NOT_FOUND`: faceAuth_project not found";
    let advice = "a face authentication project needs its own key";
    a_wrong_key_blocks_only(&world, "japan_face", answer, advice).await;
}

#[tokio::test]
async fn an_address_that_is_not_allowed_has_its_own_advice() {
    let world = TestWorld::new(20, 10).await;
    let knobs = Knobs { forbid: Forbid::ExplicitDeny, ..Knobs::default() };
    world.vendor.set_knobs(KEY, knobs).expect("a project");
    let ran = world.run(&["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 69, "{ran:?}");
    assert!(ran.stderr.contains("add it in the vendor's dashboard"), "{ran:?}");
    assert!(!ran.stderr.contains("API key is complete"), "{ran:?}");
    assert_eq!(world.number("select count(*) from argos.faceauth").await, 10);

    world.vendor.set_knobs(KEY, Knobs::default()).expect("a project");
    world.backfill().await;
    assert_eq!(world.number("select count(*) from argos.submission").await, 20);
}

#[tokio::test]
async fn a_key_that_is_revoked_between_lists_and_detail_calls_blocks_and_goes_on_later() {
    let world = TestWorld::new(200, 10).await;
    world.slow_vendor(crate::evidence::SLOW);
    let program = world.start_with(&[], &["run", "--backfill", ALL_DAYS]);
    world.until("select count(*) > 100 from argos_sync.record").await;
    world.vendor.set_accepted_keys(KEY, vec!["another".to_owned()]).expect("a project");
    let ran = crate::evidence::ended_within(std::time::Duration::from_mins(1), program).await;
    assert_eq!(ran.code(), 69, "{ran:?}");
    world.vendor.set_accepted_keys(KEY, vec![KEY.to_owned()]).expect("a project");
    world.slow_vendor(0);
    world.backfill().await;
    assert_eq!(world.number(DUE).await, 0);
    assert_eq!(world.number("select count(*) from argos.submission").await, 200);
}

#[tokio::test]
async fn projects_with_swapped_kinds_of_keys_are_both_blocked() {
    let world = TestWorld::new(20, 10).await;
    let settings = [("project.main.api_key", FACE_KEY), ("project.face.api_key", KEY)];
    let ran = world.run_with(&settings, &["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 69, "{ran:?}");
    assert_eq!(ran.stdout.matches("blocked").count(), 2, "{ran:?}");
    assert_eq!(world.number("select count(*) from argos_sync.record").await, 0);
}
