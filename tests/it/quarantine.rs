//! Quarantine from outside: items are shown without values, stored again without overwriting newer
//! data, and dropped.

use std::sync::Arc;

use argos_sync::{
    domain::{Call, Cursor, CycleDetector, Day, Lane, ListScope, ReadNumber, Window},
    normalize::Refusal,
    warehouse::{DeletionRules, Observation, PageToStore, RunId, Scope, Warehouse},
};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::{
    order::{scope, warehouse},
    truth::fingerprint,
    world::{FACE_KEY, KEY, TestWorld},
};

/// Part of every value of a refused item.
const SECRET: &str = "Zaphod";

const KEPT: &str = "select count(*) from argos_sync.quarantine join argos_raw.quarantine using (project, stream, digest)";

/// A program of another release, which refused items that this one can store.
struct OtherRelease {
    warehouse: Warehouse,
    scope: Arc<Scope>,
    run: RunId,
}

impl OtherRelease {
    async fn of(world: &TestWorld) -> Self {
        let warehouse = warehouse(&world.database.url);
        let scope = scope(DeletionRules::default());
        let run = warehouse.begin_run("test", "test").await.expect("a run");
        Self { warehouse, scope, run }
    }

    async fn read_number(&self) -> ReadNumber {
        self.warehouse.draw_read_number().await.expect("a number")
    }

    /// Receives an item and refuses it.
    async fn refuse(&self, call: Call, read: ReadNumber, body: &str) {
        let body = body.as_bytes().to_vec().into();
        let refused = Observation {
            key: Err(Refusal::DamagedId),
            ..Observation::of(&self.scope, read, body)
        };
        let day = |month| Day::from_ymd_opt(2025, month, 1).expect("a day");
        let tally = match call {
            Call::Detail => self
                .warehouse
                .commit_fetched(&self.scope, self.run, &[refused])
                .await
                .expect("kept"),
            Call::List => {
                let window = Window::new(day(2), day(3)).expect("a window");
                let (project, stream) = (&self.scope.project, self.scope.stream);
                let claim =
                    self.warehouse.claim(project, stream, ListScope::Window(window), "test").await;
                let claim = claim.expect("an answer").claimed().expect("a claim");
                let pass = self.warehouse.open_pass(&claim, Lane::Recent, None).await;
                let pass = pass.expect("a pass");
                let cursor = Cursor { id: read.0.to_string(), date: "d".to_owned() };
                let number = pass.checkpoint.as_ref().map_or(1, |checkpoint| checkpoint.page + 1);
                let next = Some((cursor, CycleDetector::default()));
                let page = PageToStore::new(number, read, vec![refused], next);
                let stored = self
                    .warehouse
                    .commit_page(&self.scope, &claim, &pass, self.run, &page, None)
                    .await;
                self.warehouse.release(&claim).await.expect("released");
                stored.expect("kept").tally
            }
        };
        assert_eq!((tally.received, tally.quarantined), (1, 1));
    }
}

fn scored(id: &str, score: u32) -> String {
    format!(
        r#"{{"submission_id":"{id}","created_at":"2025-02-01T10:00:00.000Z","argos_score":{score},"memo":{{"text":"{SECRET}"}}}}"#
    )
}

async fn score(world: &TestWorld, id: &str) -> Option<f64> {
    sqlx::query_scalar("select argos_score from argos.submission where submission_id = $1")
        .bind(id)
        .fetch_optional(&world.pool)
        .await
        .expect("an answer")
        .flatten()
}

/// Retries; returns the project and counts: inserted, updated, superseded, refused, unreadable.
async fn retry(world: &TestWorld, arguments: &[&str]) -> Vec<String> {
    let ran = world.run(&[&["quarantine", "retry"], arguments].concat()).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(!format!("{ran:?}").contains(SECRET), "{ran:?}");
    let row = ran.stdout.lines().nth(1).unwrap_or_default();
    row.split_whitespace().map(str::to_owned).collect()
}

async fn listed(world: &TestWorld, arguments: &[&str]) -> Vec<Value> {
    let ran = world.run(&[&["quarantine", "list", "--json"], arguments].concat()).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(!format!("{ran:?}").contains(SECRET), "{ran:?}");
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    json["items"].as_array().expect("items").clone()
}

/// A vendor whose lists show two items without an id, one of them in each project.
async fn world_with_bad_items() -> TestWorld {
    let world = TestWorld::new(40, 20).await;
    for (key, time) in [(KEY, "created_at"), (FACE_KEY, "create_time")] {
        let id = if key == KEY {
            world.vendor.submission_ids(key).next()
        } else {
            world.vendor.faceauth_ids(key).next()
        };
        let raw = format!(r#"{{"{time}":"2025-02-01T10:00:00.000Z","note":"{SECRET}"}}"#);
        world.vendor.override_item(key, &id.expect("a record"), raw.into()).expect("an override");
    }
    world
}

#[tokio::test]
async fn a_bad_item_is_kept_once_and_read_again_it_writes_nothing() {
    let world = world_with_bad_items().await;
    world.backfill().await;
    assert_eq!(world.number(KEPT).await, 2);
    let numbers = world.number("select count(read_number) from argos_sync.quarantine").await;
    assert_eq!(numbers, 2, "it is noted when they were read");
    let before = fingerprint(&world.pool).await;
    let ran = world.backfill().await;
    assert!(ran.stdout.lines().any(|line| line.contains("main")), "{ran:?}");
    assert_eq!(fingerprint(&world.pool).await, before);
}

#[tokio::test]
async fn the_list_names_items_and_shows_no_value() {
    let world = world_with_bad_items().await;
    let empty = world.run(&["quarantine", "list"]).await;
    assert_eq!((empty.code(), empty.stdout.as_str()), (0, "quarantine is empty\n"), "{empty:?}");
    world.backfill().await;
    let items = listed(&world, &[]).await;
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            ["project", "stream", "call", "reason"].map(|name| item[name].as_str().expect("a word"))
        })
        .collect();
    assert_eq!(
        told,
        [["face", "faceauth", "list", "id missing"], ["main", "submission", "list", "id missing"]]
    );
    let digest = items[1]["digest"].as_str().expect("a digest");
    let (short, _) = digest.split_at(8);
    assert_eq!(digest.len(), 32);
    assert!(items[1]["bytes"].as_i64().is_some_and(|bytes| bytes > 20), "{items:?}");
    assert_eq!(listed(&world, &["--project", "main"]).await, items[1..]);

    let ran = world.run(&["quarantine", "list"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.lines().nth(2).is_some_and(|line| line.starts_with(short)), "{ran:?}");
    assert!(!format!("{ran:?}").contains(SECRET), "{ran:?}");
}

#[tokio::test]
async fn what_is_dropped_is_told_and_gone_with_its_body() {
    let world = world_with_bad_items().await;
    world.backfill().await;
    let items = listed(&world, &[]).await;
    let digest = items[0]["digest"].as_str().expect("a digest");
    let (short, _) = digest.split_at(8);
    for (arguments, code) in [
        (&["drop"][..], 2),
        (&["drop", "--all", digest], 2),
        (&["drop", "nonsense"], 2),
        (&["drop", "0123456789"], 1),
        (&["drop", digest, "0123456789"], 1),
        (&["drop", digest, "--project", "main"], 1),
        (&["retry", "0123456789"], 1),
    ] {
        let ran = world.run(&[&["quarantine"], arguments].concat()).await;
        assert_eq!(ran.code(), code, "{arguments:?} {ran:?}");
        assert_eq!(world.number(KEPT).await, 2);
    }
    let ran = world.run(&["quarantine", "drop", short]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.contains(short) && ran.stdout.ends_with("1 dropped\n"), "{ran:?}");
    assert_eq!(listed(&world, &[]).await, items[1..]);
    let ran = world.run(&["quarantine", "drop", "--all", "--project", "face"]).await;
    assert_eq!(ran.stdout, "0 dropped\n", "{ran:?}");
    let ran = world.run(&["quarantine", "drop", "--all"]).await;
    assert!(ran.stdout.ends_with("1 dropped\n"), "{ran:?}");
    assert_eq!(world.number("select count(*) from argos_raw.quarantine").await, 0);
    // The vendor still sends them.
    world.backfill().await;
    assert_eq!(listed(&world, &[]).await.len(), 2);
}

#[tokio::test]
async fn what_can_be_stored_now_leaves_quarantine_and_overwrites_nothing_newer() {
    let world = TestWorld::new(20, 10).await;
    let other = OtherRelease::of(&world).await;
    let before = other.read_number().await;
    world.backfill().await;
    let after = other.read_number().await;
    let ids: Vec<_> = world.vendor.submission_ids(KEY).take(4).collect();
    let scores = [score(&world, &ids[0]).await, score(&world, &ids[1]).await];
    for (call, read, body) in [
        (Call::List, before, scored(&ids[0], 1001)),
        (Call::Detail, before, scored(&ids[1], 1002)),
        (Call::List, after, scored(&ids[2], 1003)),
        (Call::Detail, after, scored(&ids[3], 1004)),
        (Call::List, before, scored("unknown-list", 1005)),
        (Call::Detail, before, scored("unknown-detail", 1006)),
        (Call::List, after, format!(r#"{{"created_at":"2025-02-01","note":"{SECRET}"}}"#)),
    ] {
        other.refuse(call, read, &body).await;
    }
    let calls = world.vendor.call_count();
    assert_eq!(retry(&world, &[]).await, ["main", "2", "2", "2", "1", "0"]);
    assert_eq!(world.vendor.call_count(), calls, "no call is made");
    assert_eq!([score(&world, &ids[0]).await, score(&world, &ids[1]).await], scores);
    for (id, expected) in [
        (&*ids[2], 1003.0),
        (&ids[3], 1004.0),
        ("unknown-list", 1005.0),
        ("unknown-detail", 1006.0),
    ] {
        assert_eq!(score(&world, id).await, Some(expected), "{id}");
    }
    assert_eq!(world.number(KEPT).await, 1, "what has no id stays");
    let due: Vec<String> = sqlx::query_scalar("select id from argos_sync.detail_due order by id")
        .fetch_all(&world.pool)
        .await
        .expect("what is due");
    assert_eq!(
        due,
        [&ids[2], "unknown-list"].map(String::from),
        "news in lists want their detail calls"
    );
    assert_eq!(retry(&world, &[]).await, ["main", "0", "0", "0", "1", "0"]);

    // The vendor's items differ, and were requested later.
    world.configure("[sync]\ndetails = \"always\"\n");
    world.backfill().await;
    assert_ne!(score(&world, &ids[2]).await, Some(1003.0));
    assert_ne!(score(&world, &ids[3]).await, Some(1004.0));
}

#[tokio::test]
async fn without_a_read_number_an_item_makes_new_records_only() {
    let world = TestWorld::new(20, 0).await;
    world.run(&["run", "--backfill", "2025-01-01..2025-03-31", "--project", "main"]).await;
    let other = OtherRelease::of(&world).await;
    // As if only detail calls had been made, so that there is no list item to compare with.
    let ids: Vec<_> = world.vendor.submission_ids(KEY).take(2).collect();
    let forget = "update argos_sync.record set list_digest = null, list_read = null where id = $1";
    sqlx::query(forget).bind(&ids[1]).execute(&world.pool).await.expect("forgotten");
    let read = other.read_number().await;
    for (call, id) in [
        (Call::List, &*ids[0]),
        (Call::Detail, &ids[0]),
        (Call::List, &ids[1]),
        (Call::List, "unknown"),
    ] {
        let score = if call == Call::List { 1001 } else { 1002 };
        other.refuse(call, read, &scored(id, score)).await;
    }
    sqlx::query("update argos_sync.quarantine set read_number = null")
        .execute(&world.pool)
        .await
        .expect("as an older release left it");
    let known = "select md5(string_agg(t::text, '' order by id)) from argos_sync.record as t where id <> 'unknown'";
    let records = async || -> String {
        sqlx::query_scalar(known).fetch_one(&world.pool).await.expect("a fingerprint")
    };
    let before = records().await;
    assert_eq!(retry(&world, &["--project", "main"]).await, ["main", "1", "0", "3", "0", "0"]);
    assert_eq!(records().await, before);
    assert_eq!(score(&world, "unknown").await, Some(1001.0));
    assert_eq!(world.number(KEPT).await, 0);
}

#[tokio::test]
async fn items_without_body_or_project_stay_and_are_told() {
    let world = TestWorld::new(5, 0).await;
    let other = OtherRelease::of(&world).await;
    other
        .warehouse
        .register(&other.scope.project, &argos_sync::domain::Kind::IdCheck)
        .await
        .expect("known");
    let read = other.read_number().await;
    other.refuse(Call::Detail, read, &scored("a", 1)).await;
    other.refuse(Call::Detail, read, &scored("b", 1)).await;
    other.refuse(Call::Detail, read, &scored("c", 1)).await;
    let items = listed(&world, &[]).await;
    let digest = |at: usize| items[at]["digest"].as_str().expect("a digest");
    for (column, at) in [("body = '\\x00'", 0), ("project = 'gone'", 1)] {
        let sql = format!(
            "update argos_raw.quarantine set {column} where encode(digest, 'hex') = '{}'",
            digest(at)
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.expect("broken");
    }
    assert_eq!(retry(&world, &[digest(0), digest(1)]).await, ["main", "0", "0", "0", "0", "2"]);
    assert_eq!(retry(&world, &[]).await, ["main", "1", "0", "0", "0", "2"]);
    sqlx::raw_sql("update argos_sync.quarantine set project = 'another'")
        .execute(&world.pool)
        .await
        .expect("of another project");
    let ran = world.run(&["quarantine", "retry"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(
        ran.stderr.contains("no [project.another]") && ran.stderr.contains("2 items stay"),
        "{ran:?}"
    );
}
