//! The migrated schema is the catalogue's, and PostgreSQL accepts every statement made from it.

use std::collections::BTreeMap;

use argos_sync::{
    domain::Stream,
    normalize::catalogue::{self, Key},
    warehouse,
};
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};

use crate::world::World;

#[tokio::test]
async fn the_data_tables_are_those_of_the_catalogue() {
    let world = World::new(0, 0).await;
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
        }
        for column in table.columns {
            add(column.name, column.kind.sql());
        }
    }
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn every_statement_of_the_catalogue_is_accepted() {
    let world = World::new(0, 0).await;
    let mut connection = world.pool.acquire().await.expect("a connection");
    for statement in warehouse::all_statements() {
        let prepared = (&mut *connection).prepare(AssertSqlSafe(statement).into_sql_str()).await;
        assert!(prepared.is_ok(), "{statement}\n{:?}", prepared.err());
    }
}

#[tokio::test]
async fn every_table_and_column_has_a_comment() {
    let world = World::new(0, 0).await;
    let ran = world.run(&["migrate"]).await;
    assert_eq!(ran.code(), 0, "{ran:?}");
    let silent: Vec<String> = sqlx::query_scalar(
        "select relation.oid::regclass || '.' || coalesce(attname, '')
         from pg_class as relation
         join pg_namespace as namespace on namespace.oid = relnamespace
         left join pg_attribute as attribute on attrelid = relation.oid and attnum >= 0 and not attisdropped
         where nspname in ('argos', 'argos_pii') and relkind = 'r'
           and (obj_description(relation.oid, 'pg_class') is null
                or (attname is not null and col_description(relation.oid, attnum) is null))
         order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the comments");
    assert_eq!(silent, [""; 0]);
}
