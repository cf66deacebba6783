//! The migrated schema equals the catalogue, and PostgreSQL accepts all statements made from it.

use std::collections::BTreeMap;

use argos_sync::{
    domain::Stream,
    normalize::catalogue::{self, Key},
    simulator::{Change, KycResult},
    warehouse,
};
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};

use crate::{
    sync::listed,
    world::{KEY, TestWorld},
};

#[tokio::test]
async fn the_data_tables_are_those_of_the_catalogue() {
    let world = TestWorld::new(0, 0).await;
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "select table_schema || '.' || table_name, column_name,
            case data_type when 'ARRAY' then trim(leading '_' from udt_name) || '[]' else data_type end
         from information_schema.columns where table_schema in ('argos', 'argos_pii')
            and table_name not in ('submission_change', 'faceauth_change')",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the columns");
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (table, column, kind) in rows {
        found.entry(table).or_default().insert(column, kind);
    }
    let mut wanted: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for table in Stream::ALL.into_iter().flat_map(catalogue::tables) {
        let columns = wanted.entry(table.qualified()).or_default();
        let mut add = |name: &str, kind: &str| columns.insert(name.to_owned(), kind.to_owned());
        add("project", "text");
        if table.key != Key::Set {
            add(table.id_column(), "text");
        }
        if table.key == Key::Ordinal {
            add("ordinal", "integer");
        }
        if table.name == table.stream.as_str() {
            add("first_seen_at", "timestamp with time zone");
            add("changed_at", "timestamp with time zone");
            add("change_number", "bigint");
        }
        if table.name == "submission" {
            add("detail_read_at", "timestamp with time zone");
        }
        for column in table.columns {
            add(column.name, column.kind.sql());
        }
    }
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn every_statement_of_the_catalogue_is_accepted() {
    let world = TestWorld::new(0, 0).await;
    let mut connection = world.pool.acquire().await.expect("a connection");
    for statement in warehouse::all_statements() {
        let prepared = (&mut *connection).prepare(AssertSqlSafe(statement).into_sql_str()).await;
        assert!(prepared.is_ok(), "{statement}\n{:?}", prepared.err());
    }
}

/// PostgreSQL assumes that a table is tiny if it was filled after its last analyze. A plan that
/// compares all its rows with all given ones then costs more with every page.
#[tokio::test]
async fn rows_are_looked_up_by_key_in_tables_that_nobody_analyzed() {
    let world = TestWorld::new(0, 0).await;
    let mut connection = world.pool.acquire().await.expect("a connection");
    // For the whole session, as the program does for a transaction.
    let settings = warehouse::LOOKING_UP.replace("set local", "set");
    sqlx::raw_sql(AssertSqlSafe(settings + "; set jit = off"))
        .execute(&mut *connection)
        .await
        .expect("the session's settings");
    for statement in warehouse::all_statements().filter(|text| !text.contains("full join")) {
        let parameters =
            (1..=999).take_while(|number| statement.contains(&format!("${number}"))).count();
        let nulls = vec!["null"; parameters].join(", ");
        let text = format!("prepare one as {statement}");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await.expect("prepared");
        let text = format!("explain (costs off) execute one({nulls})");
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(text))
            .persistent(false)
            .fetch_all(&mut *connection)
            .await
            .expect("a plan");
        let all_with_all = ["Hash Cond", "Merge Cond", "Join Filter", "Seq Scan"];
        // The few rows of one record may be compared with the stored ones.
        let is_bad = |lines: &&[String]| {
            all_with_all.iter().any(|word| lines[1].contains(word))
                && !lines[0].contains("Anti Join")
        };
        let bad: Vec<_> = plan.windows(2).filter(is_bad).collect();
        assert!(bad.is_empty(), "{statement}\n{}", plan.join("\n"));
        // Another index that begins with the project finds all records of the project.
        let is_other = |line: &&String| line.contains("Index Scan") && !line.contains("_pkey on ");
        let others: Vec<_> = plan.iter().filter(is_other).collect();
        assert!(others.is_empty(), "{others:?}\n{statement}\n{}", plan.join("\n"));
        sqlx::raw_sql("deallocate one").execute(&mut *connection).await.expect("deallocated");
    }
}

/// The same for all statements of the program: with the statistics of an empty warehouse, a second
/// load finds rows by key and reads no large table, and no index of one, from one end to the other.
#[tokio::test]
async fn no_large_table_is_read_whole_though_nobody_analyzed_it() {
    const LARGE: i64 = 1000;
    const ITEMS: u32 = 1200 + 1000;
    let world = TestWorld::new(1200, ITEMS - 1200).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select relid::regclass::text from pg_stat_user_tables where schemaname like 'argos%'",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the tables");
    for table in &tables {
        let text = format!("alter table {table} set (autovacuum_enabled = false)");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&world.pool).await.expect("left alone");
    }
    world.backfill().await;
    let listed = listed(&world).await;
    let such = |(_, item): &(&String, &serde_json::Value)| item["kyc"]["result"] == "approved";
    for (id, _) in listed.iter().filter(such).take(60) {
        let change =
            Change::Decide { result: KycResult::Rejected, codes: vec!["other".to_owned()] };
        world.vendor.change(KEY, id, change).expect("a decision");
    }
    let read = async || -> BTreeMap<String, i64> {
        sqlx::query_as(
            "select relid::regclass::text,
                (seq_tup_read + coalesce(sum(idx_tup_read), 0))::int8
             from pg_stat_user_tables as held left join pg_stat_user_indexes as of_index using (relid)
             where held.schemaname like 'argos%' and n_live_tup >= $1
             group by relid, seq_tup_read",
        )
        .bind(LARGE)
        .fetch_all(&world.pool)
        .await
        .expect("what was read")
        .into_iter()
        .collect()
    };
    let before = read().await;
    assert!(before.len() >= 8, "{before:?}");
    world.backfill().await;
    let after = read().await;
    let more: BTreeMap<_, _> =
        before.iter().map(|(table, read)| (table, after[table] - read)).collect();
    // Each record is compared with its item, by its own window and the neighbouring ones, and
    // counted as seen.
    let most = |table: &str| if table.ends_with("record") { 6 * i64::from(ITEMS) } else { LARGE };
    assert!(more.iter().all(|(table, read)| *read < most(table)), "{more:#?}");
}

/// Columns that refer to a record, a policy or a project by the key of another table. If collations
/// differ, a comparison uses "C", and an index with the other collation cannot serve it.
#[tokio::test]
async fn columns_that_are_joined_have_one_collation() {
    let world = TestWorld::new(0, 0).await;
    let others: Vec<String> = sqlx::query_scalar(
        "select relation.oid::regclass || '.' || attname
         from pg_class as relation
         join pg_namespace as namespace on namespace.oid = relnamespace
         join pg_attribute as attribute on attrelid = relation.oid
         where nspname in ('argos', 'argos_pii', 'argos_raw', 'argos_sync')
            and relkind in ('r', 'p', 'v', 'm', 'c') and attnum > 0 and not attisdropped
            and atttypid = 'text'::regtype and attcollation <> '\"C\"'::regcollation
            and (attname ~ '(^|_)(submission_id|auth_id|policy_id)$'
                or attname in ('project', 'kyc_project')
                or nspname = 'argos_sync' and attname in ('id', 'parent'))
         order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the columns");
    assert_eq!(others, [""; 0]);
}

/// The join of README.md, and the earlier state of one submission.
#[tokio::test]
async fn the_documented_join_and_a_look_back_at_one_submission_use_an_index() {
    const JOIN: &str = "faceauth.kyc_project = submission.project and \
        faceauth.kyc_submission_id = submission.submission_id";
    let world = TestWorld::new(0, 0).await;
    assert!(include_str!("../../README.md").contains(JOIN));
    let mut connection = world.pool.acquire().await.expect("a connection");
    // The tables are empty: otherwise, reading them whole would be cheapest.
    let settings =
        "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off";
    sqlx::raw_sql(settings).execute(&mut *connection).await.expect("the session's settings");
    let of_one = "submission.submission_id = 'a' and submission.project = 'main'";
    let join = format!("submission join argos.faceauth on {JOIN} where {of_one}");
    for (from, index) in [
        (&*join, "faceauth_kyc_submission_id"),
        (
            "submission_as_of(now()) where submission_id = 'a' and project = 'main'",
            "submission_pkey",
        ),
        (
            "submission_by_vendor_times(now()) where submission_id = 'a' and project = 'main'",
            "submission_pkey",
        ),
        ("faceauth_as_of(now()) where auth_id = 'a' and project = 'face'", "faceauth_pkey"),
        (
            "submission where change_number >= 1 and change_number < argos.change_watermark()",
            "submission_change_number",
        ),
    ] {
        let sql = format!("explain (costs off) select * from argos.{from}");
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut *connection)
            .await
            .expect("a plan");
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{from}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{from}\n{plan}");
    }
}

#[tokio::test]
async fn everything_in_the_four_schemas_has_a_comment() {
    let world = TestWorld::new(0, 0).await;
    let ran = world.run(&["migrate"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    // Sequences of identity columns belong to their columns.
    let silent: Vec<String> = sqlx::query_scalar(
        "with schemas as (
            select oid from pg_namespace where nspname in ('argos', 'argos_pii', 'argos_raw', 'argos_sync'))
         select oid::regnamespace::text from schemas where obj_description(oid, 'pg_namespace') is null
         union all
         select relation.oid::regclass || '.' || coalesce(attname, '')
         from pg_class as relation
         left join pg_attribute as attribute
            on attrelid = relation.oid and relkind = 'r' and attnum >= 0 and not attisdropped
         where relnamespace in (select oid from schemas) and relkind in ('r', 'S')
           and not exists (select from pg_depend where objid = relation.oid and deptype = 'i')
           and (obj_description(relation.oid, 'pg_class') is null
                or (attname is not null and col_description(relation.oid, attnum) is null))
         union all
         select oid::regprocedure::text from pg_proc
         where pronamespace in (select oid from schemas) and obj_description(oid, 'pg_proc') is null
         union all
         select relation.oid::regclass::text from pg_class as relation join pg_type on pg_type.oid = reltype
         where relnamespace in (select oid from schemas) and relkind = 'c'
            and obj_description(pg_type.oid, 'pg_type') is null
         order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the comments");
    assert_eq!(silent, [""; 0]);
}
