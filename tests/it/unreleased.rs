//! A warehouse from before the first release is refused with a clear message and left unchanged.

use sqlx::AssertSqlSafe;

use crate::world::{ALL_DAYS, TestWorld};

/// Part of such a warehouse.
const UNRELEASED: &str = include_str!("../fixtures/unreleased-schema.sql");

/// The message of every command.
const SENTENCE: &str =
    "the schema was created by an unreleased version of argos-sync; nothing was changed";

/// The statement that the advice names.
const DROP: &str = "drop schema argos, argos_pii, argos_raw, argos_sync cascade";

/// Every relation and function, and every row with its location and transaction.
async fn contents(world: &TestWorld) -> Vec<String> {
    let mut found: Vec<String> = sqlx::query_scalar(
        "select 'relation ' || oid::regclass || ' ' || relfilenode from pg_class
         where relnamespace::regnamespace::text like 'argos%'
         union all
         select 'function ' || oid::regprocedure from pg_proc
         where pronamespace::regnamespace::text like 'argos%'
         order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the relations and functions");
    let tables: Vec<String> = sqlx::query_scalar(
        "select schemaname || '.' || tablename from pg_tables where schemaname like 'argos%' order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the tables");
    for table in tables {
        let sql = format!("select concat_ws(' ', '{table}', ctid, xmin, own) from {table} as own");
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&world.pool).await.expect("the rows");
        found.extend(rows);
    }
    found
}

#[tokio::test]
async fn an_unreleased_schema_is_refused_with_advice_and_stays_as_it_is() {
    let world = TestWorld::new(5, 5).await;
    world.configure("[sync]\nsince = \"2025-01-01\"\n");
    world.execute(DROP).await;
    world.execute(UNRELEASED).await;
    let before = contents(&world).await;
    assert!(before.iter().any(|row| row.contains("s-0001")), "{before:?}");

    let commands: [&[&str]; 9] = [
        &["migrate"],
        &["run"],
        &["run", "--once"],
        &["run", "--backfill", ALL_DAYS],
        &["fetch", "submission", "--id", "s-0001"],
        &["status"],
        &["status", "--json"],
        &["plan"],
        &["raw", "submission", "s-0001"],
    ];
    for migrate in ["auto", "check"] {
        for command in commands {
            let ran = world.run_with(&[("database.migrate", migrate)], command).await;
            assert_eq!(ran.code(), 78, "{command:?}: {ran:?}");
            for named in [SENTENCE, DROP, "`argos-sync migrate`", "pg_dump --schema=argos_raw"] {
                assert!(ran.stderr.contains(named), "{command:?} {named}: {ran:?}");
            }
            assert_eq!(ran.stdout, "", "{command:?}");
        }
        let check = world.run_with(&[("database.migrate", migrate)], &["check"]).await;
        assert_eq!(check.code(), 1, "{check:?}");
        assert!(check.stdout.contains(&format!("wrong  schema: {SENTENCE}")), "{check:?}");
        assert!(check.stdout.contains(DROP), "{check:?}");
    }
    assert_eq!(contents(&world).await, before);

    world.execute(DROP).await;
    let ran = world.run(&["migrate"]).await;
    assert_eq!(ran.code(), 0, "the advice helps: {ran:?}");
}
