//! Lagging lists revert nothing: an older item raises doubt, and one detail call decides.

use argos_sync::{
    simulator::{CallKind, Change, Knobs, KycResult},
    warehouse::{DetailAnswer, Observation, Priority},
};

use crate::{
    order::{Room, window},
    sync::listed,
    truth::fingerprint,
    world::{ALL_DAYS, KEY, TestWorld},
};

/// Longer than a test takes.
const AN_HOUR_MS: u32 = 3_600_000;

impl TestWorld {
    /// Backfills the submissions; returns the number of detail calls.
    async fn detail_calls(&self, settings: &[(&str, &str)]) -> u64 {
        let count = || self.vendor.calls_by_kind()[&CallKind::SubmissionSingle];
        let before = count();
        let backfill = ["run", "--backfill", ALL_DAYS, "--project", "main"];
        let ran = self.run_with(settings, &backfill).await;
        assert_eq!(ran.code(), 0, "{ran:?}");
        count() - before
    }

    /// A pending submission that lists show with its times.
    async fn pending(&self) -> String {
        let listed = listed(self).await.into_iter();
        let mut pending = listed.filter(|(_, item)| {
            item["kyc"]["result"] == "pending" && item["updated_at"].is_string()
        });
        pending.next().expect("one waits for a reviewer").0
    }

    fn lists_lag(&self, list_lag_ms: u32) {
        self.vendor.set_all_knobs(&Knobs { list_lag_ms, deleted_permille: 0, ..Knobs::default() });
    }

    fn approve(&self, id: &str) {
        let change = Change::Decide { result: KycResult::Approved, codes: vec![] };
        self.vendor.change(KEY, id, change).expect("a decision");
    }

    async fn state(&self, id: &str) -> String {
        let sql = "select kyc_result from argos.submission where submission_id = $1";
        sqlx::query_scalar(sql).bind(id).fetch_one(&self.pool).await.expect("a state")
    }

    /// The decisions in history, in order.
    async fn decisions(&self) -> Vec<String> {
        let sql = "select old_value || ' -> ' || new_value from argos.submission_change
            where field = 'kyc_result' order by change_id";
        sqlx::query_scalar(sql).fetch_all(&self.pool).await.expect("the history")
    }
}

#[tokio::test]
async fn a_list_that_lags_behind_takes_no_decision_back_and_asks_once() {
    let world = TestWorld::new(150, 0).await;
    world.lists_lag(0);
    world.detail_calls(&[]).await;
    let id = world.pending().await;
    world.approve(&id);
    assert_eq!(world.detail_calls(&[]).await, 1);
    assert_eq!(world.state(&id).await, "approved");
    let moved = "select extract(epoch from max(changed_at))::bigint from argos_sync.record";
    let changed_at = world.number(moved).await;

    world.lists_lag(AN_HOUR_MS);
    assert_eq!(world.detail_calls(&[]).await, 1, "one detail call decides");
    assert_eq!(world.state(&id).await, "approved");
    let explained = world.run(&["explain", "submission", &id]).await;
    assert!(explained.stdout.contains("set aside"), "{explained:?}");
    let before = fingerprint(&world.pool).await;
    for _ in 0..2 {
        assert_eq!(world.detail_calls(&[]).await, 0, "the same item asks no more");
    }
    assert_eq!(fingerprint(&world.pool).await, before, "and costs no write");

    world.lists_lag(0);
    assert_eq!(world.detail_calls(&[]).await, 0);
    assert_eq!(world.state(&id).await, "approved");
    assert_eq!(world.decisions().await, ["pending -> approved"], "nothing else ever happened");
    assert_eq!(world.number(moved).await, changed_at);
}

#[tokio::test]
async fn with_details_off_a_lagging_list_brings_one_detail_call_all_the_same() {
    let world = TestWorld::new(150, 0).await;
    world.lists_lag(0);
    let never = [("sync.details", "never")];
    assert_eq!(world.detail_calls(&never).await, 0);
    let id = world.pending().await;
    world.approve(&id);
    assert_eq!(world.detail_calls(&never).await, 0);
    world.lists_lag(AN_HOUR_MS);
    for calls in [1, 0, 0] {
        assert_eq!(world.detail_calls(&never).await, calls);
        assert_eq!(world.state(&id).await, "approved");
    }
    world.lists_lag(0);
    assert_eq!(world.detail_calls(&never).await, 0);
    assert_eq!(world.decisions().await, ["pending -> approved"]);
}

#[tokio::test]
async fn what_the_detail_call_confirms_is_stored_whatever_its_times_say() {
    let world = TestWorld::new(150, 0).await;
    world.lists_lag(0);
    world.detail_calls(&[]).await;
    let id = world.pending().await;
    let earlier = world.vendor.submission(KEY, &id).expect("an item");
    world.approve(&id);
    assert_eq!(world.detail_calls(&[]).await, 1);
    // The decision is withdrawn, and the vendor shows the earlier times.
    world.vendor.override_item(KEY, &id, earlier).expect("an item");
    assert_eq!(world.detail_calls(&[]).await, 1);
    assert_eq!(world.state(&id).await, "pending");
    assert_eq!(world.detail_calls(&[]).await, 0, "the list agrees with the detail call");
    let before = fingerprint(&world.pool).await;
    assert_eq!(world.detail_calls(&[]).await, 0);
    assert_eq!(fingerprint(&world.pool).await, before);
    assert_eq!(world.decisions().await, ["pending -> approved", "approved -> pending"]);
    let doubted = "select count(*) from argos_sync.record where doubted_read is not null";
    assert_eq!(world.number(doubted).await, 0);
}

/// An item of the record `a` with this state and hour of its last update.
fn item(result: &str, hour: u32) -> String {
    item_with("updated_at", result, hour)
}

/// An item of the record `a` with this state and a time with this name and hour.
fn item_with(time: &str, result: &str, hour: u32) -> String {
    format!(
        r#"{{"submission_id":"a","created_at":"2025-01-05T10:00:00Z","kyc":{{"result":"{result}"}},"{time}":"2025-01-05T{hour}:00:00.000Z"}}"#
    )
}

impl Room {
    async fn state(&self) -> String {
        let sql = "select kyc_result from argos.submission";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("a state")
    }

    async fn answer(&self, answer: impl Fn() -> DetailAnswer) -> usize {
        let due = self.warehouse.claim_details(&self.scope, "worker", Priority::Cycle, 10).await;
        let answers: Vec<_> = due.expect("due").into_iter().map(|due| (due, answer())).collect();
        let stored = self.warehouse.commit_details(&self.scope, self.run, &answers, true).await;
        stored.expect("stored");
        answers.len()
    }

    async fn calls_that_wait(&self) -> i64 {
        let sql = "select count(*) from argos_sync.detail_due";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("a count")
    }
}

#[tokio::test]
async fn a_stale_item_in_any_order_of_arriving_takes_nothing_back() {
    #[derive(Clone, Copy)]
    enum Seen {
        List,
        Stale,
        Detail,
    }
    use Seen::{Detail, List, Stale};
    let orders = [
        [List, Detail, Stale],
        [List, Stale, Detail],
        [Detail, List, Stale],
        [Detail, Stale, List],
        [Stale, List, Detail],
        [Stale, Detail, List],
    ];
    let times = ["updated_at", "kyc_result_at"];
    for (order, time) in orders.into_iter().flat_map(|order| times.map(|time| (order, time))) {
        let room = Room::new().await;
        let mut walk = room.walk(window(1, 10), "one").await;
        for seen in order {
            // The stale item was requested last.
            let (read, text) = match seen {
                List => (1, item_with(time, "approved", 12)),
                Detail => (2, item_with(time, "approved", 12)),
                Stale => (3, item_with(time, "pending", 11)),
            };
            let observed: Observation = room.observe(read, text);
            let tally = match seen {
                List | Stale => room.next_page(&mut walk, vec![observed]).await,
                Detail => room.fetched(&[observed]).await,
            };
            assert_eq!(tally.received, 1);
        }
        assert_eq!(room.state().await, "approved", "{time}");
    }
}

#[tokio::test]
async fn while_the_detail_call_fails_the_old_value_stays_and_the_call_stays_due() {
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    room.next_page(&mut walk, vec![room.observe(1, item("approved", 12))]).await;
    assert_eq!(room.answer(|| DetailAnswer::Found(room.observe(2, item("approved", 12)))).await, 1);
    assert_eq!(room.calls_that_wait().await, 0);
    let stale = room.next_page(&mut walk, vec![room.observe(3, item("pending", 11))]).await;
    assert_eq!((stale.updated, stale.unchanged), (0, 1), "no row changed");
    assert_eq!(room.answer(|| DetailAnswer::Failed).await, 1);
    let again = room.next_page(&mut walk, vec![room.observe(4, item("pending", 11))]).await;
    assert_eq!((again.updated, again.unchanged), (0, 1));
    assert_eq!((room.calls_that_wait().await, room.state().await.as_str()), (1, "approved"));
    // A newer item ends the doubt.
    let newer = room.next_page(&mut walk, vec![room.observe(5, item("rejected", 13))]).await;
    assert_eq!((newer.updated, room.state().await.as_str()), (1, "rejected"));
}
