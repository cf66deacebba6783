//! Submissions whose list items omit `kyc` or `aml`: detail calls read them on a schedule, and the
//! program reports its interval.

use std::collections::BTreeSet;

use argos_sync::simulator::{CallKind, Change, Knobs, KycResult};
use chrono::{DateTime, Utc};

use crate::{
    evidence::Clock,
    order::{Room, Walk, window},
    sync::listed,
    world::{KEY, Ran, TestWorld},
};

const SINCE: (&str, &str) = ("sync.since", "2025-01-01");
/// The slow cycle takes years, so detail calls have other causes.
const SLOW_CYCLE: (&str, &str) = ("audit.detail_cycle_days", "3650");
/// Slightly more than a day, in minutes.
pub(crate) const A_DAY: i32 = 25 * 60;

/// A world that was read at noon after the last day of the population.
async fn read() -> (TestWorld, Clock) {
    let world = TestWorld::new(150, 0).await;
    world.vendor.set_all_knobs(&Knobs { deleted_permille: 0, ..Knobs::default() });
    let clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    for _ in 0..2 {
        once(&world, &[]).await;
    }
    (world, clock)
}

pub(crate) async fn once(world: &TestWorld, more: &[(&str, &str)]) -> Ran {
    let settings = [&[SINCE, SLOW_CYCLE], more].concat();
    let ran = world.run_with(&settings, &["run", "--once", "--project", "main"]).await;
    // With few calls a day, some lists remain for later.
    assert!(ran.code() == 0 || (ran.code() == 65 && !more.is_empty()), "{ran:?}");
    ran
}

/// The ids of submissions whose list items omit `aml`.
pub(crate) async fn without_aml(world: &TestWorld) -> BTreeSet<String> {
    let listed = listed(world).await.into_iter();
    listed.filter(|(_, item)| item.get("aml").is_none()).map(|(id, _)| id).collect()
}

async fn text(world: &TestWorld, sql: &'static str, id: &str) -> String {
    sqlx::query_scalar(sql).bind(id).fetch_one(&world.pool).await.expect(sql)
}

async fn read_at(world: &TestWorld, id: &str) -> DateTime<Utc> {
    let sql = "select detail_read_at from argos.submission where submission_id = $1";
    sqlx::query_scalar(sql).bind(id).fetch_one(&world.pool).await.expect("it was read")
}

#[tokio::test]
async fn a_flag_that_no_list_shows_is_seen_within_the_cycle_of_lists() {
    let (world, mut clock) = read().await;
    let sparse = without_aml(&world).await;
    assert!(sparse.len() > 8, "{sparse:?}");
    let noted: Vec<String> =
        sqlx::query_scalar("select id from argos_sync.record where sparse is not null")
            .fetch_all(&world.pool)
            .await
            .expect("ids");
    assert_eq!(noted.into_iter().collect::<BTreeSet<_>>(), sparse);
    let unflagged =
        "select coalesce(aml_status, '-') from argos.submission where submission_id = $1";
    let mut flagged = None;
    for id in &sparse {
        let item = world.vendor.submission(KEY, id).expect("an item");
        let item: serde_json::Value = serde_json::from_slice(&item).expect("JSON");
        if item["kyc"]["result"] == "approved" && item["aml"]["currentstatus"] == "Not Screened" {
            flagged = Some(id.clone());
        }
    }
    let flagged = flagged.expect("one that is approved and not flagged");
    assert_eq!(text(&world, unflagged, &flagged).await, "not screened");
    let changed = "select to_char(max(changed_at), 'YYYY-MM-DD HH24:MI:SS') from argos.submission where submission_id <> $1";
    let changed_at = text(&world, changed, &flagged).await;
    let first_read_at = read_at(&world, &flagged).await;
    world.vendor.change(KEY, &flagged, Change::FlagAml).expect("a flag");

    let single = || world.vendor.calls_by_kind()[&CallKind::SubmissionSingle];
    let before = single();
    clock.forward(A_DAY).await;
    once(&world, &[]).await;
    let count = u64::try_from(sparse.len()).expect("few");
    assert_eq!(single() - before, count, "one call for each of them, and no other");
    assert_eq!(text(&world, unflagged, &flagged).await, "red flag");
    assert!(read_at(&world, &flagged).await > first_read_at);
    // The others were read, too, which changed nothing else.
    assert_eq!(text(&world, changed, &flagged).await, changed_at);
    let oldest =
        "select count(*) from argos.submission join argos_sync.record on id = submission_id
        where sparse is not null and detail_read_at < argos_sync.clock()";
    assert_eq!(world.number(oldest).await, 0);
    let others = "select count(*) from argos.submission_change where field not like 'aml_%'";
    assert_eq!(world.number(others).await, 0);
    once(&world, &[]).await;
    assert_eq!(single() - before, count, "none is due before its time");
}

#[tokio::test]
async fn scheduled_calls_keep_to_half_of_the_share_and_approved_records_come_first() {
    let (world, mut clock) = read().await;
    let sparse = without_aml(&world).await;
    for id in sparse.iter().take(4) {
        let codes = vec!["duplicate_user".to_owned()];
        let change = Change::Decide { result: KycResult::Rejected, codes };
        world.vendor.change(KEY, id, change).expect("a decision");
    }
    clock.forward(A_DAY).await;
    once(&world, &[]).await;
    let first = "select count(*) from argos_sync.record where sparse = 0";
    let (all, first) = (u64::try_from(sparse.len()).expect("few"), world.number(first).await);
    assert!(first > 3 && first < i64::try_from(all).expect("few"), "{first} of {all}");
    // Half of 40% of these are three calls a day.
    let few = [("budget.calls_per_day", "15"), ("sync.give_up_after_minutes", "0")];
    let single = || world.vendor.calls_by_kind()[&CallKind::SubmissionSingle];
    clock.forward(A_DAY).await;
    let before = single();
    once(&world, &few).await;
    assert!(single() - before <= 1, "the calls of a day do not come at once");
    let rank = "select count(*) from argos.submission join argos_sync.record on id = submission_id
        where sparse = 1 and detail_read_at = argos_sync.clock()";
    assert_eq!(world.number(rank).await, 0, "others wait");
    for _ in 0..12 {
        clock.forward(125).await;
        once(&world, &few).await;
    }
    let made = single() - before;
    assert!((2..=5).contains(&made), "{made} calls in 26 hours");
    let planned = world.run_with(&[&[SINCE, SLOW_CYCLE], &few[..]].concat(), &["plan"]).await;
    let promise =
        format!("main: lists omit kyc or aml for {all} submissions: detail calls read each within");
    assert!(planned.stdout.contains(&promise), "{planned:?}");
    assert!(
        planned
            .stdout
            .contains(", at most 3 a day; the one that is due first was read at 2025-04-0"),
        "{planned:?}"
    );
    let status = world.run_with(&few, &["status"]).await;
    assert!(status.stdout.contains(&promise), "{status:?}");
    let never = world.run_with(&[("sync.details", "never")], &["status"]).await;
    assert!(never.stdout.contains("no detail call is made for them"), "{never:?}");
}

#[tokio::test]
async fn a_clock_that_was_ahead_holds_no_scheduled_call_up() {
    let (world, mut clock) = read().await;
    let sparse = i64::try_from(without_aml(&world).await.len()).expect("few");
    clock.forward(40 * A_DAY).await;
    once(&world, &[]).await;
    clock.forward(-40 * A_DAY).await;
    once(&world, &[]).await;
    let read_ahead =
        "select count(*) from argos.submission join argos_sync.record on id = submission_id
        where sparse is not null and detail_read_at > argos_sync.clock()";
    assert!(world.number(read_ahead).await > sparse / 2, "they were read by the wrong clock");
    clock.forward(A_DAY).await;
    once(&world, &[]).await;
    assert_eq!(world.number(read_ahead).await, 0, "each is read within the cycle of lists");
}

#[tokio::test]
async fn more_calls_a_day_keep_their_promise_at_once() {
    let (world, mut clock) = read().await;
    // Three calls a day: the next reads are days away.
    let few = [("budget.calls_per_day", "15"), ("sync.give_up_after_minutes", "0")];
    for _ in 0..3 {
        clock.forward(A_DAY).await;
        once(&world, &few).await;
    }
    once(&world, &[]).await;
    clock.forward(A_DAY).await;
    once(&world, &[]).await;
    let late = "select count(*) from argos.submission join argos_sync.record on id = submission_id
        where sparse is not null and detail_read_at < argos_sync.clock() - interval '26 hours'";
    assert_eq!(world.number(late).await, 0);
}

/// An item of a submission with these members.
fn item(id: &str, members: &str) -> String {
    format!(r#"{{"submission_id":"{id}","created_at":"2025-01-05T10:00:00Z",{members}}}"#)
}

pub(crate) const APPROVED: &str = r#""kyc":{"result":"approved"}"#;
pub(crate) const SCREENED: &str =
    r#""kyc":{"result":"approved"},"aml":{"currentstatus":"Not Screened"}"#;

impl Room {
    /// Lists these submissions, and reads each by a detail call.
    pub(crate) async fn see(&self, walk: &mut Walk, first_read: i64, seen: &[(&str, &str, &str)]) {
        let list = |(id, list, _): &(&str, &str, &str)| self.observe(first_read, item(id, list));
        self.next_page(walk, seen.iter().map(list).collect()).await;
        let read =
            |(id, _, detail): &(&str, &str, &str)| self.observe(first_read + 1, item(id, detail));
        self.fetched(&seen.iter().map(read).collect::<Vec<_>>()).await;
    }

    async fn sparse(&self) -> Vec<(String, i16)> {
        sqlx::query_as(
            "select id, sparse from argos_sync.record where sparse is not null order by id",
        )
        .fetch_all(&self.pool)
        .await
        .expect("the sparse records")
    }
}

#[tokio::test]
async fn a_list_item_lacks_what_its_detail_or_details_of_its_state_usually_carry() {
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    let known = |id: &str, rank: i16| (id.to_owned(), rank);
    // No stored detail shows a screening, so no list item counts as incomplete.
    room.see(&mut walk, 1, &[("a", APPROVED, APPROVED), ("b", APPROVED, APPROVED)]).await;
    assert_eq!(room.sparse().await, []);
    // List items that omit the screening, omit also the decision, or show all.
    room.see(
        &mut walk,
        11,
        &[
            ("c", APPROVED, SCREENED),
            ("d", r#""email":"d@x.example""#, SCREENED),
            ("e", SCREENED, SCREENED),
            ("f", r#""email":"f@x.example""#, APPROVED),
        ],
    )
    .await;
    assert_eq!(room.sparse().await, [known("c", 0), known("d", 0), known("f", 1)]);
    // Most are screened by now, so a detail without a screening counts as not screened yet.
    room.see(&mut walk, 21, &[("g", APPROVED, SCREENED), ("h", APPROVED, SCREENED)]).await;
    room.see(
        &mut walk,
        31,
        &[
            ("i", APPROVED, APPROVED),
            ("j", r#""kyc":{"result":"pending"}"#, r#""kyc":{"result":"pending"}"#),
        ],
    )
    .await;
    let expected = [("c", 0), ("d", 0), ("f", 1), ("g", 0), ("h", 0), ("i", 1)];
    assert_eq!(room.sparse().await, expected.map(|(id, rank)| known(id, rank)));
    // A list item that shows the screening ends this.
    room.see(&mut walk, 41, &[("c", SCREENED, SCREENED)]).await;
    assert!(!room.sparse().await.contains(&known("c", 0)));
}
