//! `explain` and `plan` report past and future work, without values and without a call.

use argos_sync::simulator::{Change, KycResult};

use crate::world::{ALL_DAYS, KEY, TestWorld};

#[tokio::test]
async fn explain_tells_what_happened_to_a_record_and_names_nobody() {
    let world = TestWorld::new(60, 20).await;
    world.backfill().await;
    let id: String = sqlx::query_scalar(
        "select submission_id from argos.submission join argos_pii.submission_identity using (project, submission_id)
         where kyc_result = 'approved' and date_of_birth is not null order by 1 limit 1",
    )
    .fetch_one(&world.pool)
    .await
    .expect("a submission");
    let rejected = Change::Decide { result: KycResult::Rejected, codes: vec!["other".to_owned()] };
    world.vendor.change(KEY, &id, rejected).expect("a decision");
    world.backfill().await;

    let told = world.run(&["explain", "submission", &id]).await;
    assert_eq!(told.code(), 0, "{told:?}");
    for part in [
        "backfill pass",
        "detail call: found",
        "kyc_result changed from approved to rejected (lane backfill)",
        "next list",
    ] {
        assert!(told.stdout.contains(part), "{part}: {told:?}");
    }
    let values: Vec<String> = sqlx::query_scalar(
        "select value from argos_pii.submission_identity as identity, jsonb_each_text(to_jsonb(identity))
         where submission_id = $1 and key not in ('project', 'submission_id') and length(value) > 4",
    )
    .bind(&id)
    .fetch_all(&world.pool)
    .await
    .expect("the person");
    assert!(values.len() > 5, "the test would prove nothing");
    for value in values {
        assert!(!told.stdout.contains(&value) && !told.stderr.contains(&value));
    }

    let unknown = world.run(&["explain", "submission", "nobody"]).await;
    assert_eq!(unknown.code(), 1, "{unknown:?}");
    assert!(unknown.stderr.contains("no record with this id is known"), "{unknown:?}");
}

#[tokio::test]
async fn a_plan_makes_no_call_and_tells_what_the_backfill_then_makes() {
    let world = TestWorld::new(60, 20).await;
    let calls = world.vendor.call_count();
    let unknown = world.run(&["plan", "--backfill", ALL_DAYS]).await;
    assert_eq!(unknown.code(), 0, "{unknown:?}");
    assert!(unknown.stdout.contains("main: 90 days were never read; the number of"), "{unknown:?}");
    assert_eq!(world.vendor.call_count(), calls);

    world.backfill().await;
    let planned = world.run(&["plan", "--backfill", ALL_DAYS, "--project", "main"]).await;
    assert_eq!(planned.code(), 0, "{planned:?}");
    let line = planned.stdout.lines().find(|line| line.contains("backfill")).expect("a line");
    let cells: Vec<_> = line.split_whitespace().collect();
    let calls = world.vendor.call_count();
    let ran = world.run(&["run", "--backfill", ALL_DAYS, "--project", "main"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(cells[3], (world.vendor.call_count() - calls).to_string(), "{planned:?}");
}
