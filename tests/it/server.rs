//! Databases that cannot hold a warehouse are refused before anything is written there.

use crate::{
    database,
    world::{ALL_DAYS, World},
};

#[tokio::test]
async fn a_database_that_is_not_utf_8_is_refused_by_name_and_stays_empty() {
    let world = World::new(5, 5).await;
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let other = database::encoded(encoding).await;
        let settings = [("database.url", other.url.as_str())];
        let named = format!("the database has the encoding {encoding}");
        let advice = "create database NAME encoding 'UTF8' template template0";
        for arguments in
            [&["migrate"][..], &["run", "--backfill", ALL_DAYS], &["deletions", "list"]]
        {
            let ran = world.run_with(&settings, arguments).await;
            assert_eq!(ran.code(), 78, "{arguments:?} {ran:?}");
            assert!(ran.stderr.contains(&named) && ran.stderr.contains(advice), "{ran:?}");
        }
        let check = world.run_with(&settings, &["check"]).await;
        assert_eq!(check.code(), 1, "{check:?}");
        assert!(check.stdout.contains(&format!("wrong  database: {named}")), "{check:?}");
        assert!(check.stdout.contains(advice), "{check:?}");
        let pool = other.pool().await;
        let schemas: i64 =
            sqlx::query_scalar("select count(*) from pg_namespace where nspname like 'argos%'")
                .fetch_one(&pool)
                .await
                .expect("a count");
        assert_eq!(schemas, 0, "nothing was written");
        pool.close().await;
        other.close().await;
    }
}
