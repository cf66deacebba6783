//! The state known at a moment: an error before the first observation, and the vendor's own times
//! as a substitute.

use argos_sync::{domain::Stream, simulator::Change};
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    deletions::{ids, once, synced},
    evidence::Clock,
    order::{Room, window},
    world::{FACE_KEY, TestWorld},
};

/// The SQLSTATE, the message and the hint with which a query fails.
async fn refusal(pool: &PgPool, sql: &'static str) -> (String, String, String) {
    let error = sqlx::query(sql).fetch_all(pool).await.expect_err(sql);
    let sqlx::Error::Database(fault) = &error else { panic!("{error}") };
    let state = fault.code().expect("a code").into_owned();
    let fault = fault.downcast_ref::<sqlx::postgres::PgDatabaseError>();
    (state, fault.message().to_owned(), fault.hint().unwrap_or_default().to_owned())
}

async fn texts(pool: &PgPool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(pool).await.expect(sql)
}

#[tokio::test]
async fn a_moment_before_the_first_observation_is_an_error_that_names_the_earliest_one() {
    let world = TestWorld::new(40, 20).await;
    for sql in [
        "select * from argos.submission_as_of(now())",
        "select * from argos.faceauth_as_of(now())",
        "select * from argos.submission_as_of(now(), 'main')",
    ] {
        let (state, message, _) = refusal(&world.pool, sql).await;
        assert_eq!(state, "22023");
        assert!(message.contains("none was observed yet"), "{message}");
    }
    world.backfill().await;
    for (stream, sql, earliest) in [
        (
            "submission",
            "select kyc_result from argos.submission_as_of('2025-06-30 15:00+00')
             where project = 'main'",
            "select to_char(min(first_seen_at) at time zone 'UTC',
                'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from argos.submission",
        ),
        (
            "faceauth",
            "select status from argos.faceauth_as_of('2025-06-30 15:00+00')",
            "select to_char(min(first_seen_at) at time zone 'UTC',
                'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from argos.faceauth",
        ),
    ] {
        let earliest = texts(&world.pool, earliest).await.concat();
        let (state, message, hint) = refusal(&world.pool, sql).await;
        assert_eq!(state, "22023");
        assert_eq!(message, format!("history of {stream}s begins at {earliest}"));
        assert!(hint.contains(&format!("argos.{stream}_by_vendor_times(..)")), "{hint}");
    }
    // From the first observation on, there is an answer.
    for sql in [
        "select count(*) from argos.submission_as_of(
            (select min(first_seen_at) from argos.submission))",
        "select count(*) from argos.faceauth_as_of(
            (select min(first_seen_at) from argos.faceauth))",
    ] {
        assert!(world.number(sql).await > 0, "{sql}");
    }
}

#[tokio::test]
async fn a_project_that_came_later_has_an_earliest_moment_of_its_own() {
    let room = Room::new().await;
    let mut clock = Clock::replace(&room.pool, "2025-02-01T12:00Z").await;
    let mut walk = room.walk(window(1, 10), "one").await;
    let item = |id: &str| format!(r#"{{"submission_id":"{id}","kyc":{{"result":"pending"}}}}"#);
    room.next_page(&mut walk, vec![room.observe(1, item("a"))]).await;
    clock.forward(24 * 60).await;
    let mut later = (*room.scope).clone();
    later.project = "later".parse().expect("a name");
    let later = std::sync::Arc::new(later);
    let seen = [room.observe(2, item("b"))];
    room.warehouse.commit_fetched(&later, room.run, &seen).await.expect("stored");
    let known = "select submission_id from argos.submission_as_of('2025-02-01T13:00Z', 'main')";
    assert_eq!(texts(&room.pool, known).await, ["a"]);
    let known = "select submission_id from argos.submission_as_of('2025-02-02T13:00Z', 'later')";
    assert_eq!(texts(&room.pool, known).await, ["b"]);
    let sql = "select * from argos.submission_as_of('2025-02-01T13:00Z', 'later')";
    let (_, message, _) = refusal(&room.pool, sql).await;
    let wanted = "history of submissions of project later begins at 2025-02-02T12:00:00.000000Z";
    assert_eq!(message, wanted);
}

/// An item of a submission with these members.
fn item(id: &str, created_at: &str, members: &str) -> String {
    format!(r#"{{"submission_id":"{id}","created_at":"{created_at}",{members}}}"#)
}

#[tokio::test]
async fn the_vendor_s_own_times_answer_where_history_does_not_reach_and_say_what_they_rest_on() {
    let room = Room::new().await;
    let mut clock = Clock::replace(&room.pool, "2025-02-01T12:00Z").await;
    let created = "2025-01-05T10:00:00Z";
    let decided = |result: &str, at: &str, more: &str| {
        format!(r#""reviewer":"agent","kyc_result_at":"{at}","kyc":{{"result":"{result}"}}{more}"#)
    };
    let flagged = r#","aml":{"currentstatus":"Red Flag","matches":[{"resource_id":"x"}]}"#;
    let pending_at = |at: &str| format!(r#""pending_at":"{at}","kyc":{{"result":"pending"}}"#);
    let items = [
        item("a early", created, &decided("approved", "2025-01-05T10:01:00Z", flagged)),
        item("b late", created, &decided("rejected", "2025-01-20T10:00:00Z", "")),
        item("c pending", created, &pending_at("2025-01-06T10:00:00Z")),
        item("d not yet", created, &pending_at("2025-01-20T10:00:00Z")),
        item("e begun", created, r#""kyc":{"result":"incomplete"}"#),
        item(
            "f gone",
            created,
            r#""kyc":{"result":"approved"},"memo":{"text":"Deleted Submission"}"#,
        ),
        item("g new", "2025-01-11T10:00:00Z", &decided("approved", "2025-01-11T10:00:00Z", "")),
        item("h revised", created, &decided("approved", "2025-01-06T10:00:00Z", "")),
    ];
    let seen: Vec<_> = items.iter().map(|item| room.observe(1, item.clone())).collect();
    room.fetched(&seen).await;
    clock.forward(24 * 60).await;
    // The time of its first decision is overwritten.
    let revised = item("h revised", created, &decided("rejected", "2025-02-02T10:00:00Z", ""));
    room.fetched(&[room.observe(2, revised)]).await;

    let told = async |at: &str| -> Vec<String> {
        sqlx::query_scalar(
            "select concat_ws(', ', submission_id, coalesce(kyc_result, '-'),
                coalesce(reviewer, '-'), coalesce(aml_status, '-'),
                coalesce(aml_matches::text, '-'), source)
             from argos.submission_by_vendor_times($1::timestamptz) order by submission_id",
        )
        .bind(at)
        .fetch_all(&room.pool)
        .await
        .expect("what the vendor's times tell")
    };
    assert_eq!(
        told("2025-01-10T00:00Z").await,
        [
            "a early, approved, agent, -, -, kyc_result_at",
            "b late, -, -, -, -, unknown",
            "c pending, pending, -, -, -, pending_at",
            "d not yet, -, -, -, -, unknown",
            "e begun, incomplete, -, -, -, created_at",
            "f gone, -, -, -, -, unknown",
            "h revised, -, -, -, -, unknown",
        ]
    );
    assert_eq!(told("2025-01-01T00:00Z").await, [""; 0]);
    // Where history exists, it answers.
    let then = told("2025-02-01T12:00Z").await;
    assert!(then.iter().all(|line| line.ends_with(", history")), "{then:?}");
    assert_eq!(then.len(), items.len());
    assert!(
        then.contains(&"a early, approved, agent, red flag, {x}, history".to_owned()),
        "{then:?}"
    );
    assert!(then.contains(&"h revised, approved, agent, -, {}, history".to_owned()), "{then:?}");
}

#[tokio::test]
async fn face_authentications_are_told_from_the_vendor_s_times_too() {
    let world = TestWorld::new(40, 60).await;
    world.backfill().await;
    // Half of today's records were created by then; none was observed before the backfill.
    let differing = "with asked as (
            select percentile_disc(0.5) within group (order by created_at) as at
            from argos.faceauth),
         told as (
            select t.* from asked cross join lateral argos.faceauth_by_vendor_times(asked.at) as t),
         wanted as (
            select project, auth_id, status, case when deleted_at <= at then deleted_at end,
                'created_at', first_seen_at
            from argos.faceauth cross join asked where created_at <= at)
         select count(*) from (
            (table told except table wanted) union all (table wanted except table told)) as other";
    assert_eq!(world.number(differing).await, 0);
    let told = "select count(*) from argos.faceauth_by_vendor_times(
        (select percentile_disc(0.5) within group (order by created_at) from argos.faceauth))";
    assert!(world.number(told).await >= 25);
}

#[tokio::test]
async fn a_deletion_that_the_vendor_dates_is_told_for_moments_before_the_first_observation() {
    let (world, mut clock) = synced(10, 20).await;
    let id = ids(&world, Stream::Faceauth)[2].clone();
    let at: DateTime<Utc> = "2025-04-01T12:00:00Z".parse().expect("a time");
    world.vendor.set_now_ms(at.timestamp_millis());
    let deletion = Change::DeleteFaceauth { keep_result: false };
    world.vendor.change(FACE_KEY, &id, deletion).expect("the change");
    for minutes in [25 * 60, 61] {
        clock.forward(minutes).await;
        once(&world).await;
    }
    let told = async |moment: &str| -> Option<DateTime<Utc>> {
        let sql = "select deleted_at from argos.faceauth_by_vendor_times($1::timestamptz) where auth_id = $2";
        sqlx::query_scalar(sql).bind(moment).bind(&id).fetch_one(&world.pool).await.expect("a row")
    };
    assert_eq!(told("2025-04-01T11:00Z").await, None);
    assert_eq!(told("2025-04-01T13:00Z").await, Some(at));
    assert_eq!(told("2025-04-02T12:30Z").await, None, "history tells what was known then");
    assert!(told("2025-04-04T00:00Z").await.is_some_and(|noticed| noticed > at));
}
