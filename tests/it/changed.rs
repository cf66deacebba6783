//! Of a changed record, only tables with changed rows are written. All tables are compared if the
//! stored items do not prove what they contain.

use argos_sync::simulator::{Change, Knobs, KycResult};

use crate::{
    sync::listed,
    world::{ALL_DAYS, KEY, TestWorld},
};

/// Deletes attempts by hand. A later change elsewhere in the record restores them only if they are
/// compared.
const ATTEMPTS_TAKEN: &str = "delete from argos.kyc_attempt where submission_id = $1";

async fn backfill(world: &TestWorld, pseudonym_key: &str) {
    let settings = [("sync.details", "never"), ("privacy.pseudonym_key", pseudonym_key)];
    let ran = world.run_with(&settings, &["run", "--backfill", ALL_DAYS]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
}

async fn execute(world: &TestWorld, sql: &'static str, id: &str) {
    sqlx::query(sql).bind(id).execute(&world.pool).await.expect(sql);
}

async fn text(world: &TestWorld, sql: &'static str, id: &str) -> String {
    sqlx::query_scalar(sql).bind(id).fetch_one(&world.pool).await.expect(sql)
}

/// Deletes a submission's attempts, and has AML monitoring flag it, which changes other tables.
async fn take_and_flag(world: &TestWorld, id: &str) {
    execute(world, ATTEMPTS_TAKEN, id).await;
    world.vendor.change(KEY, id, Change::FlagAml).expect("a change");
}

/// Submissions with attempts that AML monitoring has not screened.
async fn unflagged(world: &TestWorld) -> impl Iterator<Item = String> {
    listed(world).await.into_iter().filter_map(|(id, item)| {
        let is_free = item["aml"]["currentstatus"] == "Not Screened"
            && item["kyc"]["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty());
        is_free.then_some(id)
    })
}

#[tokio::test]
async fn all_tables_are_compared_where_what_is_kept_does_not_tell_what_stands_in_them() {
    let world = TestWorld::new(200, 20).await;
    backfill(&world, "a key of pseudonyms").await;
    let mut free = unflagged(&world).await;
    let others = [
        ("another normalizer", "update argos_sync.record set normalizer_version = 1 where id = $1"),
        ("no raw item", "delete from argos_raw.submission where submission_id = $1"),
        (
            "a raw item that cannot be read",
            "update argos_raw.submission set list_body = 'x' where submission_id = $1",
        ),
        (
            "another raw item",
            "update argos_raw.submission set list_body = other.list_body from argos_raw.submission as other
             where submission.submission_id = $1 and other.submission_id <> $1",
        ),
    ];
    let known = free.next().expect("enough people");
    let unknown: Vec<_> = others.iter().map(|(why, sql)| (*why, *sql, free.next())).collect();
    take_and_flag(&world, &known).await;
    for (_, sql, id) in &unknown {
        let id = id.as_deref().expect("enough people");
        take_and_flag(&world, id).await;
        execute(&world, sql, id).await;
    }
    backfill(&world, "a key of pseudonyms").await;
    let attempts = "select count(*)::text from argos.kyc_attempt where submission_id = $1";
    let matches = "select (count(*) > 0)::text from argos.aml_match where submission_id = $1";
    for (why, _, id) in &unknown {
        let id = id.as_deref().expect("enough people");
        assert_ne!(text(&world, attempts, id).await, "0", "{why}");
        assert_eq!(text(&world, matches, id).await, "true", "{why}");
    }
    assert_eq!(text(&world, matches, &known).await, "true");
    assert_eq!(text(&world, attempts, &known).await, "0", "nobody looked, since none moved");
}

#[tokio::test]
async fn a_raw_item_of_another_time_tells_nothing() {
    let world = TestWorld::new(100, 20).await;
    backfill(&world, "a key of pseudonyms").await;
    let id = unflagged(&world).await.next().expect("somebody");
    let change = |change| world.vendor.change(KEY, &id, change).expect("a change");
    change(Change::FlagAml);
    backfill(&world, "a key of pseudonyms").await;
    let keep = "create table public.flagged as select list_body from argos_raw.submission where submission_id = ";
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{keep}'{id}'")))
        .execute(&world.pool)
        .await
        .expect("kept");
    change(Change::ClearAml);
    backfill(&world, "a key of pseudonyms").await;
    let flagged = "update argos_raw.submission set list_body = (select list_body from public.flagged) where submission_id = $1";
    execute(&world, flagged, &id).await;
    change(Change::FlagAml);
    backfill(&world, "a key of pseudonyms").await;
    let matches = "select count(*)::text from argos.aml_match where submission_id = $1";
    assert_ne!(text(&world, matches, &id).await, "0");
}

#[tokio::test]
async fn rows_that_somebody_took_away_come_back_when_they_move() {
    let world = TestWorld::new(200, 20).await;
    world.vendor.set_all_knobs(&Knobs { full_list_items: true, ..Knobs::default() });
    backfill(&world, "a key of pseudonyms").await;
    let mut free = listed(&world).await.into_iter().filter(|(_, item)| {
        item["kyc"]["result"] == "approved"
            && item["kyc"]["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty())
    });
    let rejected =
        || Change::Decide { result: KycResult::Rejected, codes: vec!["duplicate_user".to_owned()] };
    let (taken, other) = (free.next().expect("somebody").0, free.next().expect("another").0);
    execute(&world, ATTEMPTS_TAKEN, &taken).await;
    let attempts = "select coalesce(md5(string_agg(kyc_attempt::text, ' ' order by ordinal)), 'none') from argos.kyc_attempt
        where submission_id = $1";
    let before = text(&world, attempts, &other).await;
    for id in [&taken, &other] {
        world.vendor.change(KEY, id, rejected()).expect("a change");
    }
    backfill(&world, "a key of pseudonyms").await;
    let after = text(&world, attempts, &other).await;
    assert_ne!(after, before, "a decision moves what stands in the attempts");
    assert_ne!(text(&world, attempts, &taken).await, "none");
    let missing = "select count(*)::text from argos.kyc_attempt full join argos_pii.kyc_attempt_verification
        using (project, submission_id, ordinal)
        where submission_id = $1 and (kyc_attempt.project is null or kyc_attempt_verification.project is null)";
    assert_eq!(text(&world, missing, &taken).await, "0");
}

#[tokio::test]
async fn json_that_did_not_move_is_left_as_it_stands_and_all_that_moved_is_written() {
    let world = TestWorld::new(100, 20).await;
    world.vendor.set_all_knobs(&Knobs { full_list_items: true, ..Knobs::default() });
    backfill(&world, "a key of pseudonyms").await;
    let listed = listed(&world).await;
    let mut read = listed.into_iter().filter(|(_, item)| item["ocr"]["fullName"].is_string());
    let ((moved, mut whole), (other, mut small)) =
        (read.next().expect("somebody"), read.next().expect("another"));
    for id in [&moved, &other] {
        let by_hand = "update argos_pii.submission_identity set review = '\"by hand\"' where submission_id = $1";
        execute(&world, by_hand, id).await;
    }
    whole["ocr"]["fullName"] = "ERIKA MUSTERMANN".into();
    for (id, item) in [(&moved, &mut whole), (&other, &mut small)] {
        item["memo"] = serde_json::json!({ "text": "called back" });
        let item = serde_json::to_vec(&item).expect("an item");
        world.vendor.override_item(KEY, id, item).expect("an override");
    }
    backfill(&world, "a key of pseudonyms").await;
    let shown = "select concat_ws(', ', memo, ocr ->> 'fullName' = 'ERIKA MUSTERMANN', review = '\"by hand\"')
        from argos_pii.submission_identity where submission_id = $1";
    assert_eq!(text(&world, shown, &moved).await, "called back, t, f");
    assert_eq!(text(&world, shown, &other).await, "called back, f, t");
}

#[tokio::test]
async fn a_record_that_changed_gets_the_pseudonyms_of_the_key_that_is_configured_now() {
    let world = TestWorld::new(100, 20).await;
    backfill(&world, "the first key of pseudonyms").await;
    let changed = unflagged(&world).await.next().expect("somebody");
    let pseudonyms = "select concat(userid_pseudonym, ' ', email_pseudonym) from argos.submission where submission_id = $1";
    let before = text(&world, pseudonyms, &changed).await;
    assert!(before.len() > 60, "{before}");
    world.vendor.change(KEY, &changed, Change::FlagAml).expect("a change");
    backfill(&world, "the second key of pseudonyms").await;
    assert_ne!(text(&world, pseudonyms, &changed).await, before);
}
