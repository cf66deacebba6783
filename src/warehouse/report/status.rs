//! What `status`, `raw` and `demo` show.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, Column as _, Row as _, postgres::PgRow};

use crate::{
    domain::{Call, Stream},
    normalize::catalogue::{self, Table},
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
        },
        raw::{bodies, codec},
        scope::Scope,
    },
};

/// Where a project stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectReport {
    /// The project's name.
    pub project: String,
    /// Its stream.
    pub stream: String,
    /// Records known, deleted ones included.
    pub records: i64,
    /// Records the vendor has deleted.
    pub deleted: i64,
    /// The first and the last day that is covered.
    pub covered_from: Option<NaiveDate>,
    /// The last day that is covered.
    pub covered_to: Option<NaiveDate>,
    /// How many days are covered.
    pub covered_days: i64,
    /// How many of them are older than the day asked about.
    pub covered_days_before: i64,
    /// How many of them lie between that day and yesterday.
    pub covered_days_since: i64,
    /// Records of days before that one.
    pub records_before: i64,
    /// Whole days from that one to yesterday.
    pub days_since: i64,
    /// The oldest time as of which a covered day is known.
    pub oldest_as_of: Option<DateTime<Utc>>,
    /// The newest time as of which a covered day is known.
    pub newest_as_of: Option<DateTime<Utc>>,
    /// Detail calls that are due.
    pub details_due: i64,
    /// Items in quarantine.
    pub quarantined: i64,
    /// Windows that are being read or wait to be taken up.
    pub passes_open: i64,
    /// Windows that came back empty without proving anything.
    pub empty_unverified: i64,
    /// Live records are known in one of them.
    pub is_doubted: bool,
    /// Records that a walk missed, while detail calls have not decided.
    pub suspects: i64,
    /// Walks that missed more records than can be believed.
    pub alarms: i64,
    /// Since when the vendor refuses the key.
    pub blocked_at: Option<DateTime<Utc>>,
    /// The vendor's answer.
    pub blocked_reason: Option<String>,
    /// What last went wrong in a window that is still open.
    pub open_pass_error: Option<String>,
    /// How its last run ended.
    pub last_outcome: Option<String>,
    /// When that was.
    pub last_ended_at: Option<DateTime<Utc>>,
    /// What went wrong then.
    pub last_run_error: Option<String>,
}

/// The command of a daemon's round.
pub const DAEMON: &str = "run";

/// A run of the program.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The run's number.
    pub run_id: i64,
    /// The command.
    pub command: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended; `None`: it runs. One that is no longer renewed was interrupted.
    pub outcome: Option<String>,
    /// Items received.
    pub received: i64,
    /// Records that were new.
    pub inserted: i64,
    /// Records that had changed.
    pub updated: i64,
    /// Records that were the same.
    pub unchanged: i64,
    /// Items without a row.
    pub quarantined: i64,
    /// Items that others stand for.
    pub duplicate: i64,
    /// Unknown records older than `sync.since`.
    pub skipped: i64,
}

/// A data table with its rows counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataTable {
    /// Schema and name.
    pub name: String,
    /// How many rows it holds.
    pub rows: i64,
}

/// A body as the vendor sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody {
    /// Which call brought it.
    pub call: Call,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// List body, detail body.
type PackedRow = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Warehouse {
    /// Where every project stands that was ever synced, and how much of it lies before the given
    /// day.
    pub async fn project_reports(
        &self,
        since: Option<NaiveDate>,
    ) -> Result<Vec<ProjectReport>, WarehouseError> {
        sqlx::query_file_as!(ProjectReport, "src/warehouse/report/sql/project_report.sql", since)
            .fetch_all(&self.pool)
            .await
            .doing("reading the projects' standing")
    }

    /// The last runs, the newest first.
    pub async fn run_reports(&self, count_max: i64) -> Result<Vec<RunReport>, WarehouseError> {
        sqlx::query_as!(
            RunReport,
            r#"select run.run_id, run.command, run.started_at,
                case when run.expires_at <= argos_sync.clock() then coalesce(run.ended_at, run.expires_at)
                    else run.ended_at end as ended_at,
                case when run.ended_at is null and run.expires_at <= argos_sync.clock() then 'interrupted'
                    else run.outcome end as outcome,
                coalesce(sum(received), 0)::bigint as "received!",
                coalesce(sum(inserted), 0)::bigint as "inserted!",
                coalesce(sum(updated), 0)::bigint as "updated!",
                coalesce(sum(unchanged), 0)::bigint as "unchanged!",
                coalesce(sum(quarantined), 0)::bigint as "quarantined!",
                coalesce(sum(duplicate), 0)::bigint as "duplicate!",
                coalesce(sum(skipped), 0)::bigint as "skipped!"
             from argos_sync.run left join argos_sync.run_counter using (run_id)
             group by run.run_id order by run.run_id desc limit $1"#,
            count_max
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the last runs")
    }

    /// When a round of a daemon ended last or was renewed last; `None`: there was none.
    pub async fn daemon_seen_at(&self) -> Result<Option<DateTime<Utc>>, WarehouseError> {
        sqlx::query_scalar!(
            "select max(coalesce(ended_at, least(expires_at, argos_sync.clock()))) from argos_sync.run where command = $1",
            DAEMON
        )
        .fetch_one(&self.pool)
        .await
        .doing("reading the rounds of daemons")
    }

    /// Counts the rows of every data table.
    pub async fn table_counts(&self) -> Result<Vec<DataTable>, WarehouseError> {
        let tables = Stream::ALL.into_iter().flat_map(catalogue::tables).map(Table::qualified);
        let mut counts = Vec::new();
        for name in tables {
            let sql = format!("select count(*) from {name}");
            let rows = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&self.pool)
                .await
                .doing("counting rows")?;
            counts.push(DataTable { name, rows });
        }
        Ok(counts)
    }

    /// Answers a question whose columns are all texts: their names, and the rows.
    pub async fn ask(
        &self,
        sql: &'static str,
    ) -> Result<(Vec<String>, Vec<Vec<String>>), WarehouseError> {
        let doing = "answering a question";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.doing(doing)?;
        let head =
            rows.first().map(|row| row.columns().iter().map(|c| c.name().to_owned()).collect());
        let cells = |row: &PgRow| {
            (0..row.len())
                .map(|column| Ok(row.try_get::<Option<String>, _>(column)?.unwrap_or_default()))
                .collect::<Result<Vec<_>, sqlx::Error>>()
        };
        let rows: Result<Vec<_>, _> = rows.iter().map(cells).collect();
        Ok((head.unwrap_or_default(), rows.doing(doing)?))
    }

    /// The last items of a record as the vendor sent them.
    pub async fn raw_bodies(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Vec<RawBody>, WarehouseError> {
        let sql = format!(
            "select list_body, detail_body from {} where project = $1 and {} = $2",
            bodies::table(scope.stream),
            catalogue::id_column(scope.stream),
        );
        let row: Option<PackedRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(scope.project.as_str())
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .doing("reading raw items")?;
        let Some((list, detail)) = row else { return Ok(Vec::new()) };
        [(Call::List, list), (Call::Detail, detail)]
            .into_iter()
            .filter_map(|(call, packed)| Some((call, packed?)))
            .map(|(call, packed)| Ok(RawBody { call, bytes: codec::inflate(&packed)? }))
            .collect()
    }
}
