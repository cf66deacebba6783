//! Consumers that read changes by the recipe in README.md lose none, whatever happens between two
//! reads.

use std::{collections::BTreeMap, time::Duration};

use argos_sync::warehouse::Observation;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use crate::{
    evidence::Clock,
    order::{Room, window},
};

/// The first statement of the recipe.
const WATERMARK: &str = "select argos.change_watermark(), argos.change_line()";

/// The second statement, for the consumer's own copy.
const ROWS: &str = "select submission_id, to_jsonb(submission)::text from argos.submission
    where change_number >= $1 and change_number < $2";

/// All rows; the copy of a consumer that lost nothing is the same.
const ALL_ROWS: &str = "select submission_id, to_jsonb(submission)::text from argos.submission";

/// A consumer with its copy of `argos.submission`.
#[derive(Debug, Clone, Default)]
struct Consumer {
    /// The watermark at which the last read ended.
    last: i64,
    line: Option<String>,
    copy: BTreeMap<String, String>,
}

impl Consumer {
    async fn watermark(connection: &mut PgConnection) -> (i64, Option<String>) {
        sqlx::query_as(WATERMARK).fetch_one(connection).await.expect("the watermark")
    }

    async fn rows(&mut self, connection: &mut PgConnection, next: i64) {
        let rows: Vec<(String, String)> = sqlx::query_as(ROWS)
            .bind(self.last)
            .bind(next)
            .fetch_all(connection)
            .await
            .expect("the changed rows");
        self.copy.extend(rows);
        self.last = next;
    }

    async fn read_by(&mut self, connection: &mut PgConnection) {
        let (next, line) = Self::watermark(connection).await;
        self.line = line;
        self.rows(connection, next).await;
    }

    async fn read(&mut self, pool: &PgPool) {
        others_have_ended(pool).await;
        self.read_by(&mut pool.acquire().await.expect("a connection")).await;
    }

    /// Whether the copy equals the table.
    async fn has_all(&self, pool: &PgPool) -> bool {
        let rows: Vec<(String, String)> =
            sqlx::query_as(ALL_ROWS).fetch_all(pool).await.expect("all rows");
        self.copy == rows.into_iter().collect()
    }
}

/// An observation of a submission with this result.
fn seen(room: &Room, read: i64, id: &str, result: &str) -> Observation {
    let item = format!(
        r#"{{"submission_id":"{id}","created_at":"2025-01-05T10:00:00Z","kyc":{{"result":"{result}"}}}}"#
    );
    room.observe(read, item)
}

/// Two pending submissions, `a` and `b`, and a consumer that has read them.
async fn two_submissions() -> (Room, Consumer) {
    let room = Room::new().await;
    let mut walk = room.walk(window(1, 10), "one").await;
    let items = vec![seen(&room, 1, "a", "pending"), seen(&room, 1, "b", "pending")];
    room.next_page(&mut walk, items).await;
    let mut consumer = Consumer::default();
    consumer.read(&room.pool).await;
    assert_eq!(consumer.copy.len(), 2);
    assert!(consumer.has_all(&room.pool).await);
    (room, consumer)
}

/// Waits for open transactions of other tests on the same server, which hold the watermark back.
async fn others_have_ended(pool: &PgPool) {
    const NEXT: &str = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
    const OTHERS: &str = "select exists (select from pg_stat_activity
        where datname is distinct from current_database() and backend_xid::text::bigint < $1)";
    let next: i64 = sqlx::query_scalar(NEXT).fetch_one(pool).await.expect(NEXT);
    while sqlx::query_scalar::<_, bool>(OTHERS).bind(next).fetch_one(pool).await.expect(OTHERS) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn execute(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.expect(sql);
}

/// Makes every later write fail that does not number its row.
pub(crate) async fn demand_numbers(pool: &PgPool) {
    execute(
        pool,
        "create function argos_sync.demand_number() returns trigger language plpgsql as $$ begin
            if new.change_number is distinct from argos_sync.change_number() then
                raise exception 'a row was written without its number';
            end if;
            return null;
         end $$;
         create trigger demand_number after insert or update on argos.submission
            for each row execute function argos_sync.demand_number();
         create trigger demand_number after insert or update on argos.faceauth
            for each row execute function argos_sync.demand_number();
         create trigger demand_number after insert or update on argos.submission_change
            for each row execute function argos_sync.demand_number();
         create trigger demand_number after insert or update on argos.faceauth_change
            for each row execute function argos_sync.demand_number()",
    )
    .await;
}

#[tokio::test]
async fn a_writer_that_waits_while_others_commit_is_not_lost() {
    const WAITS: &str = "select exists (select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock')";
    let (room, mut consumer) = two_submissions().await;
    let mut maintenance = room.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("select from argos.submission where submission_id = 'a' for update")
        .execute(&mut *maintenance)
        .await
        .expect("a lock");
    let late = [seen(&room, 2, "a", "approved")];
    tokio::join!(room.fetched(&late), async {
        while !sqlx::query_scalar::<_, bool>(WAITS).fetch_one(&room.pool).await.expect(WAITS) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        room.fetched(&[seen(&room, 3, "b", "approved")]).await;
        consumer.read(&room.pool).await;
        maintenance.rollback().await.expect("the lock goes");
    });
    let is_dated_back: bool = sqlx::query_scalar(
        "select (select changed_at from argos.submission where submission_id = 'a')
            < (select changed_at from argos.submission where submission_id = 'b')",
    )
    .fetch_one(&room.pool)
    .await
    .expect("two times");
    assert!(is_dated_back, "a consumer by changed_at would have lost it");
    consumer.read(&room.pool).await;
    assert!(consumer.has_all(&room.pool).await, "{consumer:#?}");
}

#[tokio::test]
async fn a_commit_between_the_snapshot_the_watermark_and_the_rows_is_read_the_next_time() {
    let (room, mut consumer) = two_submissions().await;
    let mut reading = room.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("set transaction isolation level repeatable read; select from argos.submission")
        .execute(&mut *reading)
        .await
        .expect("a snapshot");
    room.fetched(&[seen(&room, 2, "a", "approved")]).await;
    consumer.read_by(&mut reading).await;
    assert!(!consumer.has_all(&room.pool).await, "the snapshot is older than the commit");
    reading.rollback().await.expect("the end");
    consumer.read(&room.pool).await;
    assert!(consumer.has_all(&room.pool).await, "{consumer:#?}");

    // Watermark first, then rows, without one snapshot for both.
    let mut connection = room.pool.acquire().await.expect("a connection");
    let (next, _) = Consumer::watermark(&mut connection).await;
    room.fetched(&[seen(&room, 3, "a", "rejected"), seen(&room, 3, "b", "approved")]).await;
    consumer.rows(&mut connection, next).await;
    assert!(!consumer.has_all(&room.pool).await, "the commit is above the watermark");
    consumer.read(&room.pool).await;
    assert!(consumer.has_all(&room.pool).await, "{consumer:#?}");
}

#[tokio::test]
async fn an_unrelated_long_transaction_makes_changes_late_and_loses_none() {
    let (room, mut consumer) = two_submissions().await;
    let mut unrelated = room.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("create table public.unrelated ()").execute(&mut *unrelated).await.expect("work");
    room.fetched(&[seen(&room, 2, "a", "approved")]).await;
    consumer.read(&room.pool).await;
    assert!(!consumer.has_all(&room.pool).await, "held back by the transaction");
    unrelated.commit().await.expect("its end");
    consumer.read(&room.pool).await;
    assert!(consumer.has_all(&room.pool).await, "{consumer:#?}");
}

#[tokio::test]
async fn a_clock_that_steps_back_loses_no_change() {
    let (room, mut consumer) = two_submissions().await;
    let mut clock = Clock::replace(&room.pool, "2025-02-01T12:00Z").await;
    room.fetched(&[seen(&room, 2, "a", "approved")]).await;
    consumer.read(&room.pool).await;
    assert!(consumer.has_all(&room.pool).await, "{consumer:#?}");
    clock.forward(-3 * 24 * 60).await;
    room.fetched(&[seen(&room, 3, "b", "approved")]).await;
    consumer.read(&room.pool).await;
    assert!(consumer.has_all(&room.pool).await, "{consumer:#?}");
}

#[tokio::test]
async fn the_history_is_read_by_the_same_watermark() {
    let (room, consumer) = two_submissions().await;
    demand_numbers(&room.pool).await;
    let changes = async |from: i64| -> Vec<String> {
        others_have_ended(&room.pool).await;
        sqlx::query_scalar(
            "select submission_id || ' ' || field from argos.submission_change
             where change_number >= $1 and change_number < argos.change_watermark() order by 1",
        )
        .bind(from)
        .fetch_all(&room.pool)
        .await
        .expect("the changes")
    };
    let matched = r#"{"submission_id":"a","created_at":"2025-01-05T10:00:00Z","kyc":{"result":"approved"},
        "aml":{"matches":[{"resource_id":"x"}]}}"#;
    room.fetched(&[room.observe(2, matched.to_owned())]).await;
    assert_eq!(changes(consumer.last).await, ["a kyc_result"]);
    others_have_ended(&room.pool).await;
    let (next, _) =
        Consumer::watermark(&mut room.pool.acquire().await.expect("a connection")).await;
    room.fetched(&[room.observe(3, matched.replace('x', "y"))]).await;
    assert_eq!(changes(next).await, ["a aml_match", "a aml_match"]);
}

#[tokio::test]
async fn an_analyst_who_may_read_argos_alone_may_ask_for_the_watermark() {
    let (room, consumer) = two_submissions().await;
    let mut connection = room.pool.acquire().await.expect("a connection");
    let name: String = sqlx::query_scalar("select current_database() || '_analyst'")
        .fetch_one(&mut *connection)
        .await
        .expect("a name");
    let grant = format!(
        "create role {name}; grant usage on schema argos to {name};
         grant select on all tables in schema argos to {name};
         grant {name} to current_user; set role {name}"
    );
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut *connection).await.expect("an analyst");
    let mut analyst = Consumer::default();
    others_have_ended(&room.pool).await;
    analyst.read_by(&mut connection).await;
    assert_eq!(analyst.copy, consumer.copy);
    let moment = "select count(*) from argos.submission_as_of(now())";
    let known: i64 =
        sqlx::query_scalar(moment).fetch_one(&mut *connection).await.expect("what was known");
    assert_eq!(known, 2);
    let drop = format!("reset role; drop owned by {name}; drop role {name}");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *connection).await.expect("no role");
}

#[tokio::test]
async fn the_documented_recipe_is_the_one_that_is_tested() {
    let readme = include_str!("../../README.md");
    for text in [
        "argos.change_watermark()",
        "argos.change_line()",
        "where change_number >= :last and change_number < :next",
    ] {
        assert!(readme.contains(text), "{text}");
    }
}

/// Restored rows have numbers of a cluster that was far ahead; transactions of the new one start
/// low.
#[cfg(feature = "embedded")]
#[tokio::test]
async fn a_dump_restored_into_another_cluster_loses_no_change_and_is_noticed() {
    let (room, _) = two_submissions().await;
    // Uses up many transaction ids of this cluster.
    execute(
        &room.pool,
        "do $$ begin for n in 1..20000 loop perform pg_current_xact_id(); commit; end loop; end $$",
    )
    .await;
    room.fetched(&[seen(&room, 2, "a", "approved")]).await;
    let mut consumer = Consumer::default();
    consumer.read(&room.pool).await;
    assert!(consumer.has_all(&room.pool).await);

    let other = crate::database::elsewhere().await;
    let pool = other.database.pool().await;
    restore(&room.pool, &pool).await;
    // One consumer reads before anything is written there, the other does not.
    let mut eager = consumer.clone();
    eager.read(&pool).await;
    assert!(eager.last < consumer.last, "the cluster's own transactions begin low");
    let warehouse = crate::order::warehouse(&other.database.url);
    let changed = [seen(&room, 3, "b", "rejected")];
    warehouse.commit_fetched(&room.scope, room.run, &changed).await.expect("a change");
    for mut reader in [consumer, eager] {
        let line = reader.line.clone();
        reader.read(&pool).await;
        assert!(reader.has_all(&pool).await, "{reader:#?}");
        assert_ne!(reader.line, line, "the restore is noticed");
    }
}

/// Copies every row and every sequence, as `pg_dump` and `pg_restore` do.
#[cfg(feature = "embedded")]
async fn restore(from: &PgPool, to: &PgPool) {
    use futures_util::TryStreamExt as _;
    let tables: Vec<String> = sqlx::query_scalar(
        "select schemaname || '.' || tablename from pg_tables
         where schemaname in ('argos', 'argos_pii', 'argos_raw', 'argos_sync')
            and tablename <> 'migration'",
    )
    .fetch_all(from)
    .await
    .expect("the tables");
    for table in tables {
        let empty = format!("truncate {table}");
        sqlx::raw_sql(AssertSqlSafe(empty)).execute(to).await.expect("an empty table");
        let mut source = from.acquire().await.expect("a connection");
        let rows = source.copy_out_raw(&format!("copy {table} to stdout")).await.expect("rows");
        let rows: Vec<_> = rows.try_collect().await.expect("all rows");
        let mut target = to.acquire().await.expect("a connection");
        let mut copy =
            target.copy_in_raw(&format!("copy {table} from stdin")).await.expect("room for rows");
        copy.send(rows.concat()).await.expect("sent");
        copy.finish().await.expect("restored");
    }
    let sequences: Vec<(String, Option<i64>)> = sqlx::query_as(
        "select schemaname || '.' || sequencename, last_value from pg_sequences
         where schemaname like 'argos%'",
    )
    .fetch_all(from)
    .await
    .expect("the sequences");
    for (sequence, value) in sequences {
        sqlx::query("select setval($1::regclass, coalesce($2, 1))")
            .bind(sequence)
            .bind(value)
            .execute(to)
            .await
            .expect("the sequence");
    }
}
