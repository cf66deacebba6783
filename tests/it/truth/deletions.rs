//! The data that must remain of records that the vendor deleted, with or without a mark.

use std::fmt::Write as _;

use argos_sync::{
    domain::Stream,
    normalize::catalogue::{self, Column, Key, Table},
};
use sqlx::{AssertSqlSafe, PgPool};

use super::{
    Difference, Expectation, assert_every_column_is_compared, compare, expectations::ALL,
    load as load_all, orphans, records, rows, unlike_raw_bodies,
};
use crate::world::{FACE_KEY, KEY, TestWorld};

/// Whether an item shows the vendor's mark: in a text of the vendor, with the name removed.
const IS_MARKED: &str =
    "('Deleted Submission' in (item->'data'->>'name', item->'warning'->>0, item->>'label')
    and coalesce(item->'data'->>'full_name', '') = '' or (item->>'delete_check')::boolean) is true";

/// Saves the vendor's item of a record before a change. After a deletion, each surviving column
/// must contain a value of a saved item.
pub(crate) async fn remember(world: &TestWorld, stream: Stream, id: &str) {
    let item = match stream {
        Stream::Submission => world.vendor.submission(KEY, id),
        Stream::Faceauth => world.vendor.faceauth(FACE_KEY, id),
    };
    let Some(item) = item.and_then(|item| String::from_utf8(item).ok()) else { return };
    let sql = format!(
        "create table if not exists public.last_known (number bigint generated always as identity,
            stream text, id text collate \"C\", item jsonb, is_marked boolean, is_lax boolean);
         insert into public.last_known (stream, id, item, is_marked, is_lax)
         select given.stream, given.id, item, {IS_MARKED}, {IS_MARKED} or not exists (
            select from argos_sync.record as held
            where held.stream = given.stream and held.id = given.id and (detail_read is not null or held.stream = 'faceauth'))
         from (values ('{stream}', '{id}', '{item}'::jsonb)) as given (stream, id, item)
         -- A mark counts where nothing else was ever stored.
         where not ({IS_MARKED} and exists (
            select from public.last_known as live
            where live.id = given.id and not live.is_marked and not live.is_lax))",
        item = item.replace('\'', "''"),
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.expect("the item is kept");
}

/// Loads which records are deleted, and their last known items.
pub(super) async fn load(pool: &PgPool) {
    let mut sql =
        "create table if not exists public.last_known (number bigint generated always as identity,
            stream text, id text collate \"C\", item jsonb, is_marked boolean, is_lax boolean);
         insert into truth.settled
            select submission_id from argos.submission where deleted_at is not null
            union select auth_id from argos.faceauth where deleted_at is not null;"
            .to_owned();
    for stream in Stream::ALL {
        let _infallible = write!(
            sql,
            "insert into truth.deleted select id from truth.{stream} where {IS_MARKED};
             insert into truth.{stream}_version
                select id, item, (select bool_or(live.is_lax) from public.last_known as live
                    where live.id = last_known.id and live.number = (
                        select max(number) from public.last_known as latest where latest.id = last_known.id))
                from public.last_known where stream = '{stream}';
             -- Of the mark itself the label is no value.
             insert into truth.{stream}_version
                select id, case when item->'data'->>'name' = 'Deleted Submission' then item #- '{{data,name}}' else item end
                    - 'label', true
                from truth.{stream} join truth.deleted using (id)
                where id not in (select id from truth.{stream}_version where not is_lax);
             update truth.{stream} as held set item = last.item
             from (select distinct on (id) id, item from truth.{stream}_version
                left join public.last_known using (id, item) order by id, number desc nulls last) as last
             where last.id = held.id and held.id in (select id from truth.deleted);"
        );
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.expect("the deletions");
}

/// Compares everything with a vendor from which these records have vanished.
pub(crate) async fn differences_with(world: &TestWorld, vanished: &[String]) -> Vec<Difference> {
    load_all(world).await;
    assert_every_column_is_compared(&world.pool).await;
    sqlx::query("insert into truth.vanished select unnest($1::text[])")
        .bind(vanished)
        .execute(&world.pool)
        .await
        .expect("the vanished");
    let mut found = Vec::new();
    for expectation in ALL {
        let differing = compare(&world.pool, expectation).await;
        // A policy stays after its last record is gone, and may be known only of a deleted one.
        let is_set = expectation.table.ends_with("_policy");
        found.extend(differing.into_iter().filter(|differing| {
            !is_set || !["row too many", "row missing"].contains(&differing.what.as_str())
        }));
    }
    found.extend(differences(&world.pool).await);
    found.extend(orphans(&world.pool).await);
    found.extend(records(&world.pool).await);
    let ids = unlike_raw_bodies(&world.pool).await;
    if !ids.is_empty() {
        found.push(Difference { table: "argos_raw".to_owned(), what: "body".to_owned(), ids });
    }
    found
}

/// Differences in deleted records.
pub(super) async fn differences(pool: &PgPool) -> Vec<Difference> {
    let mut found = standing(pool).await;
    for expectation in ALL {
        let mut tables = Stream::ALL.into_iter().flat_map(catalogue::tables);
        let table = tables.find(|table| table.qualified() == expectation.table).expect("a table");
        if table.key != Key::Set {
            found.extend(left_of(pool, expectation, table).await);
        }
    }
    for (table, id) in
        [("argos_raw.submission", "submission_id"), ("argos_raw.faceauth", "auth_id")]
    {
        let sql = format!(
            "select 'raw items of a deleted record', array_agg({id}::text) from {table}
             where {id} in (select id from truth.settled) having count(*) > 0"
        );
        found.extend(rows(pool, table, sql).await);
    }
    found
}

/// Records that are wrongly deleted, and those that are wrongly neither deleted nor suspects.
async fn standing(pool: &PgPool) -> Vec<Difference> {
    let sql = "select what, array_agg(id) from (
            select 'deleted, but there' as what, id from truth.settled
            where id not in (select id from truth.deleted) and id not in (select id from truth.vanished)
                and (id in (select id from truth.submission) or id in (select id from truth.faceauth))
            union all
            select 'its mark is not noticed', id from truth.deleted join argos_sync.record using (id)
            where deleted_at is null and id not in (select id from argos_sync.suspect where marked_at is not null)
            union all
            select 'not deleted', id from truth.vanished join argos_sync.record using (id) where deleted_at is null
         ) as wrong group by what";
    rows(pool, "argos_sync.record", sql.to_owned()).await
}

/// Data of deleted records that one table wrongly contains or lacks.
async fn left_of(pool: &PgPool, expectation: &Expectation, table: &Table) -> Vec<Difference> {
    let Expectation { table: name, project, from, key, columns, left_out_when_empty } = expectation;
    let (id, _) = key[0];
    let (left, emptied): (Vec<&Column>, Vec<_>) =
        table.columns.iter().partition(|column| column.survives);
    if left.is_empty() {
        let sql = format!(
            "select 'rows of a deleted record', array_agg(distinct {id}::text) from {name}
             where {id} in (select id from truth.settled) having count(*) > 0"
        );
        return rows(pool, name, sql).await;
    }
    let emptied: Vec<_> = emptied.iter().map(|column| column.name).collect();
    let mut parts = Vec::new();
    if !emptied.is_empty() {
        parts.push(format!(
            "select 'not emptied' as what, {id}::text as id from {name}
             where {id} in (select id from truth.settled) and num_nonnulls({}) > 0",
            emptied.join(", "),
        ));
    }
    let versions = from.replace("truth.submission", "truth.submission_version");
    let versions = versions.replace("truth.faceauth", "truth.faceauth_version");
    let keys: Vec<_> = key.iter().map(|(column, want)| format!("{want} as {column}")).collect();
    let joined: Vec<_> =
        key.iter().map(|(column, _)| format!("want.{column} = held.{column}")).collect();
    let (keys, joined) = (keys.join(", "), joined.join(" and "));
    for (column, want) in columns.iter().filter(|(column, _)| {
        left.iter().any(|left| left.name == *column) && !column.ends_with("deleted_at")
    }) {
        parts.push(format!(
            "select '{column} was never known', held.{id}::text from {name} as held
             where project = '{project}' and {id} in (select id from truth.settled) and not exists (
                select from (select {keys}, {want} as value, is_lax from {versions}) as want
                where {joined} and (value is not distinct from held.{column} or is_lax and held.{column} is null))"
        ));
    }
    let values: Vec<_> = columns.iter().map(|(_, want)| *want).collect();
    let is_filled = if *left_out_when_empty {
        format!("num_nonnulls({}) > 0", values.join(", "))
    } else {
        "true".to_owned()
    };
    // Child rows, such as attempts, that every version shows.
    parts.push(format!(
        "select 'row missing', want.{id}::text from (select {keys}, is_lax, {is_filled} as is_filled from {versions}) as want
         where not is_lax and is_filled and want.{id} in (select id from truth.settled)
            and not exists (select from {name} as held where project = '{project}' and {joined})
         group by {group} having count(*) = (
            select count(*) from truth.{stream}_version as version where version.id = want.{id})",
        group = key.iter().map(|(column, _)| format!("want.{column}")).collect::<Vec<_>>().join(", "),
        stream = table.stream,
    ));
    let sql = format!(
        "select what, array_agg(distinct id) from ({}) as wrong (what, id) group by what order by what",
        parts.join(" union all "),
    );
    rows(pool, name, sql).await
}
