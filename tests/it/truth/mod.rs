//! The oracle: compares every table with the vendor, in both directions and field by field.
//!
//! It does not use the program's normalization: the vendor's items are loaded as jsonb into a
//! separate schema, and SQL written by hand from the contract computes each column.

mod deletions;
mod expectations;

use std::{collections::BTreeSet, io::Read as _};

use argos_sync::domain::Stream;
use sqlx::{AssertSqlSafe, PgPool};

use crate::world::{FACE_KEY, KEY, TestWorld};
pub(crate) use deletions::{differences_with, remember};
use expectations::{ALL, Expectation, NOT_COMPARED};

/// Items loaded, and bodies inflated, at a time.
const BATCH: usize = 1000;

/// A record's id, its whole item as served, and as stored.
type Bodies = (String, Option<Vec<u8>>, Option<Vec<u8>>);

/// A difference between a table and the vendor; contains no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Schema and table.
    pub(crate) table: String,
    /// Columns that differ, `row missing` or `row too many`.
    pub(crate) what: String,
    /// The records.
    pub(crate) ids: BTreeSet<String>,
}

/// Demands that tables, raw items and the state of records equal the vendor's.
pub(crate) async fn assert_equal(world: &TestWorld) {
    assert_tables_equal(world).await;
    assert_eq!(unlike_raw_bodies(&world.pool).await, BTreeSet::new(), "raw items differ");
}

/// Demands that all data tables equal the vendor's data.
pub(crate) async fn assert_tables_equal(world: &TestWorld) {
    let found = differences(world).await;
    assert!(found.is_empty(), "the warehouse is not what the vendor shows: {found:#?}");
}

/// Compares all data tables with the vendor.
pub(crate) async fn differences(world: &TestWorld) -> Vec<Difference> {
    load(world).await;
    assert_every_column_is_compared(&world.pool).await;
    let mut found = Vec::new();
    for expectation in ALL {
        found.extend(compare(&world.pool, expectation).await);
    }
    found.extend(deletions::differences(&world.pool).await);
    found.extend(orphans(&world.pool).await);
    found.extend(records(&world.pool).await);
    found
}

/// Loads the vendor's items into the database, in place of those of an earlier comparison.
async fn load(world: &TestWorld) {
    let reset = format!("drop schema if exists truth cascade;\n{}", include_str!("schema.sql"));
    sqlx::raw_sql(AssertSqlSafe(reset)).execute(&world.pool).await.expect("the schema");
    for stream in Stream::ALL {
        let ids: Vec<String> = match stream {
            Stream::Submission => world.vendor.submission_ids(KEY).collect(),
            Stream::Faceauth => world.vendor.faceauth_ids(FACE_KEY).collect(),
        };
        let insert = format!(
            "insert into truth.{stream} select id, body::jsonb,
                convert_to(body, 'UTF8')
             from unnest($1::text[], $2::text[]) as given (id, body)"
        );
        for batch in ids.chunks(BATCH) {
            let items = batch.iter().map(|id| match stream {
                Stream::Submission => world.vendor.submission(KEY, id),
                Stream::Faceauth => world.vendor.faceauth(FACE_KEY, id),
            });
            let (ids, bodies): (Vec<_>, Vec<_>) = batch
                .iter()
                .zip(items)
                .filter_map(|(id, item)| Some((id.as_str(), String::from_utf8(item?).ok()?)))
                .unzip();
            sqlx::query(AssertSqlSafe(insert.clone()))
                .bind(ids)
                .bind(bodies)
                .execute(&world.pool)
                .await
                .expect("the truth is loaded");
        }
    }
    deletions::load(&world.pool).await;
    sqlx::raw_sql("analyze truth.submission, truth.faceauth")
        .execute(&world.pool)
        .await
        .expect("analyze");
}

async fn rows(pool: &PgPool, table: &str, sql: String) -> Vec<Difference> {
    let found: Vec<(String, Vec<String>)> = sqlx::query_as(AssertSqlSafe(sql.clone()))
        .fetch_all(pool)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    let difference = |(what, ids): (String, Vec<String>)| Difference {
        table: table.to_owned(),
        what,
        ids: ids.into_iter().collect(),
    };
    found.into_iter().map(difference).collect()
}

async fn compare(pool: &PgPool, expectation: &Expectation) -> Vec<Difference> {
    let Expectation { table, project, from, key, columns, left_out_when_empty } = expectation;
    let select = |pairs: &[(&str, &str)], name: &str, wanted: bool| {
        pairs.iter().enumerate().fold(String::new(), |text, (index, (column, want))| {
            format!("{text}{} as {name}{index}, ", if wanted { want } else { column })
        })
    };
    let each = |text: &dyn Fn(usize, &str) -> String, between: &str| {
        let parts = columns.iter().enumerate().map(|(index, (column, _))| text(index, column));
        parts.collect::<Vec<_>>().join(between)
    };
    let differs = |index: usize| format!("want.c{index} is distinct from held.c{index}");
    let filled = match (left_out_when_empty, columns.is_empty()) {
        (true, false) => {
            format!("num_nonnulls({}) > 0", each(&|index, _| format!("c{index}"), ", "))
        }
        _ => "true".to_owned(),
    };
    // Deleted records are compared separately.
    let kept = "k0 not in (select id from truth.settled)";
    let joined: Vec<_> =
        (0..key.len()).map(|index| format!("want.k{index} = held.k{index}")).collect();
    let named = each(
        &|index, column| {
            format!("case when {} then '{}' end", differs(index), column.replace('\'', ""))
        },
        ", ",
    );
    let any = each(&|index, _| format!(" or {}", differs(index)), "");
    let sql = format!(
        "with want as materialized (
            select * from (select {want_keys} {want_columns} true as there from {from}) as w where {filled} and {kept}),
         held as materialized (
            select * from (select {held_keys} {held_columns} true as there from {table} where project = '{project}') as h
            where {kept}),
         unlike as (
            select coalesce(want.k0, held.k0) as id, case
                when held.there is null then 'row missing' when want.there is null then 'row too many'
                else concat_ws(', ', null{comma} {named}) end as what
            from want full join held on {joined}
            where held.there is null or want.there is null{any})
         select what, array_agg(distinct id::text) from unlike group by what order by what",
        want_keys = select(key, "k", true),
        want_columns = select(columns, "c", true),
        held_keys = select(key, "k", false),
        held_columns = select(columns, "c", false),
        joined = joined.join(" and "),
        comma = if columns.is_empty() { "" } else { "," },
    );
    rows(pool, table, sql).await
}

/// Rows whose record is missing.
async fn orphans(pool: &PgPool) -> Vec<Difference> {
    let mut found = Vec::new();
    for expectation in ALL {
        let (table, (id, _)) = (expectation.table, expectation.key[0]);
        let parent = match id {
            "submission_id" => "argos.submission",
            "auth_id" => "argos.faceauth",
            _ => continue,
        };
        let sql = format!(
            "select 'orphan', array_agg(distinct {id}::text) from {table} as child where not exists (
                select from {parent} as parent where parent.project = child.project and parent.{id} = child.{id})
             having count(*) > 0"
        );
        found.extend(rows(pool, table, sql).await);
    }
    found
}

/// Differences in the state of records, `argos_sync.record`.
async fn records(pool: &PgPool) -> Vec<Difference> {
    let sql = "with want as (
            select 'main' as project, 'submission' as stream, submission_id as id, created_at, deleted_at from argos.submission
            union all select 'face', 'faceauth', auth_id, created_at, deleted_at from argos.faceauth)
         select case when record.id is null then 'row missing' when want.id is null then 'row too many'
                else 'window_day, undated or deleted_at' end, array_agg(coalesce(want.id, record.id)::text)
         from want full join argos_sync.record on (record.project, record.stream, record.id) = (want.project, want.stream, want.id)
         where record.id is null or want.id is null or record.undated <> (want.created_at is null)
            or record.window_day <> (want.created_at at time zone 'UTC')::date
            or record.deleted_at is distinct from want.deleted_at
         group by 1";
    rows(pool, "argos_sync.record", sql.to_owned()).await
}

/// Fails for a new column without an expectation, which would not be compared.
async fn assert_every_column_is_compared(pool: &PgPool) {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_schema || '.' || table_name, column_name::text
         from information_schema.columns join information_schema.tables using (table_schema, table_name)
         where table_schema in ('argos', 'argos_pii') and table_type = 'BASE TABLE'
            and table_name not in ('submission_change', 'faceauth_change')",
    )
    .fetch_all(pool)
    .await
    .expect("the columns");
    let compared: BTreeSet<(&str, &str)> = ALL
        .iter()
        .flat_map(|expectation| {
            let columns = expectation.key.iter().chain(expectation.columns);
            columns.map(|(column, _)| {
                (expectation.table, column.split(' ').next().unwrap_or_default())
            })
        })
        .collect();
    let missed: Vec<_> = columns
        .iter()
        .filter(|(table, column)| {
            !compared.contains(&(table.as_str(), column.as_str()))
                && !NOT_COMPARED.contains(&column.as_str())
        })
        .collect();
    assert!(missed.is_empty(), "no expectation for {missed:?}");
}

/// Records whose stored whole item differs from the vendor's, apart from signatures.
async fn unlike_raw_bodies(pool: &PgPool) -> BTreeSet<String> {
    let mut unlike = BTreeSet::new();
    // Lists of face authentications are complete. An unlisted one is read by a detail call, which
    // is then the last whole item.
    let last = "case when record.detail_read > coalesce(record.list_read, 0)
        then raw.detail_body else raw.list_body end";
    for (table, truth, id, kept) in [
        ("argos_raw.submission", "truth.submission", "submission_id", "raw.detail_body"),
        ("argos_raw.faceauth", "truth.faceauth", "auth_id", last),
    ] {
        let sql = format!(
            "select truth.id::text,
                case when truth.id not in (select id from truth.deleted) then truth.body end, {kept}
             from {truth} as truth left join {table} as raw on raw.{id} = truth.id
             left join argos_sync.record on record.id = truth.id
             where truth.id > $1 and truth.id not in (
                select id from truth.deleted where id not in (select id from truth.settled))
             order by truth.id limit $2"
        );
        let mut last = String::new();
        loop {
            let batch: Vec<Bodies> = sqlx::query_as(AssertSqlSafe(sql.clone()))
                .bind(&last)
                .bind(i64::try_from(BATCH).expect("small"))
                .fetch_all(pool)
                .await
                .expect("raw bodies");
            let Some((id, ..)) = batch.last() else { break };
            last.clone_from(id);
            for (id, served, kept) in batch {
                let kept = kept.map(|kept| inflated(&kept));
                if kept.map(|kept| unsigned(&kept)) != served.map(|served| unsigned(&served)) {
                    unlike.insert(id);
                }
            }
        }
    }
    unlike
}

/// The bytes without the signatures of addresses, which differ with every call.
fn unsigned(body: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"X-Amz-Signature=";
    let mut rest = body;
    let mut out = Vec::with_capacity(body.len());
    while let Some(at) = memchr::memmem::find(rest, NAME) {
        let (before, after) = rest.split_at(at + NAME.len());
        out.extend_from_slice(before);
        let digits = after.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        rest = after.get(digits..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// Location and writing transaction of each row that a sync stores, which any write changes.
pub(crate) async fn fingerprint(pool: &PgPool) -> Vec<(String, i64, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select schemaname || '.' || tablename from pg_tables
         where schemaname in ('argos', 'argos_pii', 'argos_raw')
            or (schemaname = 'argos_sync' and tablename in
                ('record', 'detail_due', 'repair', 'schema_drift', 'quarantine'))
         order by 1",
    )
    .fetch_all(pool)
    .await
    .expect("the tables");
    let mut prints = Vec::new();
    for table in tables {
        let sql = format!(
            "select count(*), coalesce(md5(string_agg(ctid::text || ' ' || xmin::text, ',' order by ctid)), '') from {table}"
        );
        let (count, print): (i64, String) =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_one(pool).await.expect("a fingerprint");
        prints.push((table, count, print));
    }
    prints
}

/// Inflates a stored body: a format byte, then a zstd frame. Its dictionary is part of the program.
pub(crate) fn inflated(body: &[u8]) -> Vec<u8> {
    let dictionary = include_bytes!("../../../src/warehouse/raw/items.dict");
    let Some((1, frame)) = body.split_first() else { panic!("the format is {:?}", body.first()) };
    let mut bytes = Vec::new();
    zstd::stream::read::Decoder::with_dictionary(frame, dictionary)
        .and_then(|mut decoder| decoder.read_to_end(&mut bytes))
        .expect("zstd");
    bytes
}
