//! Random samples: draws records, counts comparisons by day, and stores the records known to
//! differ.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::verified::{Chunk, InvalidRecords};
use crate::warehouse::{
    postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
    },
    raw::bodies,
    scope::Scope,
};

/// A project with fewer records than this is sampled by reading all of them.
const SMALL: i64 = 10_000;

/// Number of random positions drawn at a time in the table of records; each reads one page.
const PLACES: i32 = 256;

/// Number of days that the reported counts cover, including today.
const HORIZON_DAYS: i32 = 7;

/// Statistics about records of a project that differ from their stored items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleReport {
    /// The project.
    pub project: String,
    /// The stream.
    pub stream: String,
    /// The first day of the sample; `None` if no record was drawn.
    pub since: Option<NaiveDate>,
    /// Number of records compared since then.
    pub compared: i64,
    /// Number of these records with a differing row.
    pub differing: i64,
    /// Number of records that are known to differ and were not repaired.
    pub known: i64,
    /// Number of known records that differ, by table.
    pub known_by_table: BTreeMap<String, i64>,
}

impl Warehouse {
    /// Draws up to `count_max` live records at random, each with the same probability.
    ///
    /// The records of a small project are read and shuffled. For larger ones, random positions in
    /// the table are drawn: a page, and a position among the project's records on it. There are
    /// more positions than a page can hold records, and a position without a record draws nothing.
    /// So the probability of a record does not depend on how full its page is, its id or its age. A
    /// fixed maximum number of pages is read.
    pub async fn draw_records(
        &self,
        scope: &Scope,
        count_max: i64,
    ) -> Result<Vec<String>, WarehouseError> {
        self.retry(async || {
            let mut snapshot = self.begin_snapshot().await?;
            if is_small(&mut snapshot, scope).await? {
                draw_from_all(&mut snapshot, scope, count_max).await
            } else {
                draw_places(&mut snapshot, scope, count_max).await
            }
        })
        .await
    }

    /// Returns the records that are known to differ, least recently compared first.
    pub async fn known_differences(
        &self,
        scope: &Scope,
        count_max: i64,
    ) -> Result<Vec<String>, WarehouseError> {
        self.retry(async || {
            sqlx::query_scalar!(
                "select id from argos_sync.difference where project = $1 and stream = $2
                 order by checked_at limit $3",
                scope.project.as_str(),
                scope.stream.as_str(),
                count_max,
            )
            .fetch_all(&self.pool)
            .await
            .doing("reading known differences")
        })
        .await
    }

    /// Stores the result of a comparison. `is_sample`: the records were drawn at random, so they
    /// are counted.
    pub async fn note_compared(
        &self,
        scope: &Scope,
        chunk: &Chunk,
        is_sample: bool,
    ) -> Result<(), WarehouseError> {
        self.retry(async || {
            let doing = "storing the comparison";
            let mut transaction = self.begin(doing).await?;
            if is_sample {
                count(&mut transaction, scope, chunk).await?;
            }
            let found = chunk.found.tables(scope.stream);
            let is_well = |id: &&str| !found.contains_key(id);
            let well: Vec<&str> = chunk.ids.iter().map(String::as_str).filter(is_well).collect();
            forget(&mut transaction, scope, &well).await?;
            note(&mut transaction, scope, &chunk.found).await?;
            transaction.commit().await.doing(doing)
        })
        .await
    }

    /// Deletes the results of earlier samples, because all records were compared and repaired.
    /// Keeps records with lost items.
    pub async fn forget_samples(&self, scope: &Scope) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "with counted as (delete from argos_sync.verification
                    where project = $1 and stream = $2)
                 delete from argos_sync.difference
                 where project = $1 and stream = $2 and not ($3 = any(tables))",
                scope.project.as_str(),
                scope.stream.as_str(),
                bodies::table(scope.stream),
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("deleting samples")
        })
        .await
    }

    /// Returns the sample statistics of each project and stream.
    pub async fn sample_reports(&self) -> Result<Vec<SampleReport>, WarehouseError> {
        let doing = "reading samples";
        let counted = sqlx::query!(
            r#"select project, stream, min(day) as since, sum(compared)::bigint as "compared!",
                sum(differing)::bigint as "differing!"
               from argos_sync.verification
               where day > (argos_sync.clock() at time zone 'UTC')::date - $1::int
               group by project, stream"#,
            HORIZON_DAYS,
        )
        .fetch_all(&self.pool)
        .await
        .doing(doing)?;
        let known = sqlx::query!(
            r#"select project, stream, name as "name?", count(*) as "records!"
               from argos_sync.difference
               cross join lateral (select null as name
                    union all select * from unnest(tables)) as named
               group by project, stream, name"#,
        )
        .fetch_all(&self.pool)
        .await
        .doing(doing)?;
        let mut reports: BTreeMap<(String, String), SampleReport> = BTreeMap::new();
        for row in counted {
            let report = reports.entry((row.project, row.stream)).or_default();
            (report.since, report.compared) = (row.since, row.compared);
            report.differing = row.differing;
        }
        for row in known {
            let report = reports.entry((row.project, row.stream)).or_default();
            match row.name {
                None => report.known = row.records,
                Some(table) => drop(report.known_by_table.insert(table, row.records)),
            }
        }
        let named = |((project, stream), report)| SampleReport { project, stream, ..report };
        Ok(reports.into_iter().map(named).collect())
    }
}

/// Whether a project has fewer records than the limit. Reads at most that number of index entries.
async fn is_small(connection: &mut PgConnection, scope: &Scope) -> Result<bool, WarehouseError> {
    // The condition on `window_day` makes its index usable: the index needs a comparison of that
    // column.
    sqlx::query_scalar!(
        r#"select count(*) < $3 as "is_small!" from (
            select from argos_sync.record
            where project = $1 and stream = $2 and window_day >= '-infinity' limit $3) as counted"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        SMALL,
    )
    .fetch_one(connection)
    .await
    .doing("counting records to draw from")
}

/// Draws from all live records of a project.
async fn draw_from_all(
    connection: &mut PgConnection,
    scope: &Scope,
    count_max: i64,
) -> Result<Vec<String>, WarehouseError> {
    sqlx::query_scalar!(
        "select id from argos_sync.record
         where project = $1 and stream = $2 and deleted_at is null and window_day >= '-infinity'
         order by random() limit $3",
        scope.project.as_str(),
        scope.stream.as_str(),
        count_max,
    )
    .fetch_all(connection)
    .await
    .doing("drawing records")
}

/// Draws random positions in the table of records, and returns the records there.
///
/// A row takes at least 64 bytes of its page.
async fn draw_places(
    connection: &mut PgConnection,
    scope: &Scope,
    count_max: i64,
) -> Result<Vec<String>, WarehouseError> {
    sqlx::query_scalar!(
        r#"with size as (
            select current_setting('block_size')::bigint as page,
                pg_relation_size('argos_sync.record') as whole),
           drawn as materialized (
            select floor(random() * (whole / page))::bigint as page,
                floor(random() * (page / 64))::bigint as position
            from size cross join generate_series(1, $3))
           select found.id as "id!" from drawn
           cross join lateral (
            select id from argos_sync.record
            where ctid >= format('(%s,0)', page)::tid and ctid < format('(%s,0)', page + 1)::tid
              and project = $1 and stream = $2 and deleted_at is null
            offset position limit 1) as found
           limit $4"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        PLACES,
        count_max,
    )
    .fetch_all(connection)
    .await
    .doing("drawing records")
}

/// Adds to the counters of the day, and deletes old ones.
async fn count(
    connection: &mut PgConnection,
    scope: &Scope,
    chunk: &Chunk,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "with old as (
            delete from argos_sync.verification
            where project = $1 and stream = $2
              and day <= (argos_sync.clock() at time zone 'UTC')::date - $5::int)
         insert into argos_sync.verification as stored (project, stream, day, compared, differing)
         values ($1, $2, (argos_sync.clock() at time zone 'UTC')::date, $3, $4)
         on conflict (project, stream, day) do update
         set compared = stored.compared + excluded.compared,
             differing = stored.differing + excluded.differing",
        scope.project.as_str(),
        scope.stream.as_str(),
        chunk.verified.compared,
        chunk.verified.differing,
        HORIZON_DAYS,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("counting a sample")
}

/// Stores which records are damaged, and in which tables.
async fn note(
    connection: &mut PgConnection,
    scope: &Scope,
    found: &InvalidRecords,
) -> Result<(), WarehouseError> {
    let tables = found.tables(scope.stream);
    if tables.is_empty() {
        return Ok(());
    }
    // Table names do not contain commas.
    let joined = |tables: &std::collections::BTreeSet<&str>| {
        tables.iter().copied().collect::<Vec<_>>().join(",")
    };
    let ids: Vec<&str> = tables.keys().copied().collect();
    let named: Vec<String> = tables.values().map(joined).collect();
    sqlx::query!(
        "insert into argos_sync.difference as stored
            (project, stream, id, tables, found_at, checked_at)
         select $1, $2, given.id, string_to_array(given.tables, ','), argos_sync.clock(),
            argos_sync.clock()
         from unnest($3::text[], $4::text[]) as given (id, tables) order by given.id
         on conflict (id, project, stream) do update
         set tables = excluded.tables, checked_at = excluded.checked_at",
        scope.project.as_str(),
        scope.stream.as_str(),
        &ids as &[&str],
        &named,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("storing differences")
}

/// Deletes the differences of correct records.
pub(super) async fn forget(
    connection: &mut PgConnection,
    scope: &Scope,
    ids: &[&str],
) -> Result<(), WarehouseError> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "delete from argos_sync.difference where ctid = any(array(
            select found.place from unnest($3::text[]) as given (id)
            cross join lateral (
                select ctid as place from argos_sync.difference
                where project = $1 and stream = $2 and id = given.id offset 0) as found))",
        scope.project.as_str(),
        scope.stream.as_str(),
        ids as &[&str],
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("deleting differences")
}
