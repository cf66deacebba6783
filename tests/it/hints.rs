//! Lists with `request_type=aml`: if detail calls are too few, a changed digest makes a detail call
//! due at once.

use argos_sync::{
    domain::Digest,
    simulator::{CallKind, Change, Knobs},
    warehouse::Hint,
};

use crate::{
    evidence::Clock,
    order::{Room, window},
    sparse::{A_DAY, APPROVED, SCREENED, once, without_aml},
    world::{KEY, TestWorld},
};

/// Half of 40% of these are three detail calls a day, so a turn takes days.
const FEW: [(&str, &str); 2] =
    [("budget.calls_per_day", "15"), ("sync.give_up_after_minutes", "0")];

/// A world that was read completely and checked, with complete or sparse lists of AML data.
async fn checked(aml_lists_are_whole: bool) -> (TestWorld, Clock) {
    let world = TestWorld::new(150, 0).await;
    let knobs = Knobs { deleted_permille: 0, aml_lists_are_whole, ..Knobs::default() };
    world.vendor.set_all_knobs(&knobs);
    let clock = Clock::replace(&world.pool, "2025-04-02 12:00:00Z").await;
    for _ in 0..2 {
        once(&world, &[]).await;
    }
    let check = world.run(&["check"]).await;
    let found = if aml_lists_are_whole { "complete" } else { "sparse" };
    let line = format!("main: lists by request_type=aml: {found}");
    assert!(check.stdout.contains(&line), "{check:?}");
    (world, clock)
}

impl TestWorld {
    fn parts(&self) -> u64 {
        self.vendor.calls_by_kind()[&CallKind::SubmissionParts]
    }

    /// The submission whose scheduled call comes last.
    async fn read_last(&self) -> String {
        let sql = "select id from argos_sync.record where sparse is not null order by detail_next_at desc limit 1";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("one")
    }

    async fn is_flagged(&self, id: &str) -> bool {
        let sql = "select coalesce(aml_status = 'red flag', false) from argos.submission where submission_id = $1";
        sqlx::query_scalar(sql).bind(id).fetch_one(&self.pool).await.expect("it is known")
    }

    /// Everything that lists of AML data must not change.
    async fn facts(&self) -> String {
        let sql = "select string_agg(held::text, E'\\n' order by id) from (
            select id, list_digest, list_read, detail_digest, detail_read, changed_at, sparse from argos_sync.record) as held";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("facts")
    }
}

#[tokio::test]
async fn where_calls_are_few_a_list_of_aml_data_brings_a_detail_call_forward() {
    let (world, mut clock) = checked(true).await;
    let sparse = without_aml(&world).await;
    assert!(sparse.len() > 8, "{sparse:?}");
    let before = world.parts();
    clock.forward(A_DAY).await;
    once(&world, &[]).await;
    assert_eq!(world.parts(), before, "with enough calls no such list is asked for");

    // The first turn stores the digests.
    let facts = world.facts().await;
    for _ in 0..6 {
        clock.forward(A_DAY).await;
        once(&world, &FEW).await;
    }
    let hinted = "select count(*) from argos_sync.record where hint_digest is not null";
    let count = i64::try_from(sparse.len()).expect("few");
    assert_eq!(world.number(hinted).await, count, "of records that other lists do not show whole");
    let others =
        "select count(*) from argos_sync.record where hint_digest is not null and sparse is null";
    assert_eq!(world.number(others).await, 0);
    let lists = world.parts() - before;
    assert!((1..=6).contains(&lists), "one call a day at most, {lists} in six days");
    assert_eq!(world.facts().await, facts, "nothing else of such lists is stored");

    let flagged = world.read_last().await;
    world.vendor.change(KEY, &flagged, Change::FlagAml).expect("a flag");
    let next_at = "select extract(epoch from max(detail_next_at) - argos_sync.clock())::bigint from argos_sync.record";
    let scheduled_in = world.number(next_at).await;
    let mut days = 0;
    while !world.is_flagged(&flagged).await {
        clock.forward(A_DAY).await;
        once(&world, &FEW).await;
        days += 1;
        assert!(days < 10, "it was never seen");
    }
    assert!(i64::from(days) * 86_400 < scheduled_in, "{days} days instead of {scheduled_in} s");
    let status = world.run_with(&FEW, &["status"]).await;
    assert!(status.stdout.contains("earlier if a list of AML data shows a change"), "{status:?}");
}

#[tokio::test]
async fn lists_of_aml_data_that_show_no_more_are_not_asked_for() {
    let (world, mut clock) = checked(false).await;
    let before = world.parts();
    for _ in 0..3 {
        clock.forward(A_DAY).await;
        once(&world, &FEW).await;
    }
    assert_eq!(world.parts(), before);
}

#[tokio::test]
async fn the_first_hint_is_noted_alone_and_only_a_change_makes_a_detail_call_due() {
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    room.see(&mut walk, 1, &[("hidden", APPROVED, SCREENED), ("whole", SCREENED, SCREENED)]).await;
    let take = async |number| {
        let hint = |id: &str| Hint { id: id.to_owned(), digest: Digest([number; 16]) };
        let hints = ["hidden", "whole", "unknown"].map(hint);
        room.warehouse.take_hints(&room.scope, &hints).await.expect("hints are compared")
    };
    let due = async || -> Vec<String> {
        let sql = "select id from argos_sync.detail_due";
        sqlx::query_scalar(sql).fetch_all(&room.pool).await.expect("what is due")
    };
    let settle = async || {
        let sql = "delete from argos_sync.detail_due";
        sqlx::raw_sql(sql).execute(&room.pool).await.expect("nothing is due");
    };
    settle().await;
    assert_eq!((take(1).await, take(1).await, due().await), (0, 0, vec![]), "the first is noted");
    assert_eq!((take(2).await, due().await), (1, vec!["hidden".to_owned()]));
    settle().await;
    assert_eq!((take(2).await, due().await), (0, vec![]), "once for each change");
}
