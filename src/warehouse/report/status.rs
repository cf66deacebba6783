//! Data shown by `status`, `raw` and `demo`.

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

/// The state of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectReport {
    /// The project's name.
    pub project: String,
    /// Its stream.
    pub stream: String,
    /// Number of live records: of each covered day when it was last read, and of the days that are
    /// read for the first time as far as they were received.
    pub records: i64,
    /// Number of deleted records of each covered day when it was last read.
    pub deleted: i64,
    /// The first covered day.
    pub covered_from: Option<NaiveDate>,
    /// The last covered day.
    pub covered_to: Option<NaiveDate>,
    /// Number of covered days.
    pub covered_days: i64,
    /// Number of covered days before the requested day.
    pub covered_days_before: i64,
    /// Number of covered days from the requested day to yesterday.
    pub covered_days_since: i64,
    /// Number of live records of covered days before the requested day.
    pub records_before: i64,
    /// Number of days from the requested day to yesterday.
    pub days_since: i64,
    /// The oldest read time of a covered day.
    pub oldest_as_of: Option<DateTime<Utc>>,
    /// The newest read time of a covered day.
    pub newest_as_of: Option<DateTime<Utc>>,
    /// Number of due detail calls.
    pub details_due: i64,
    /// `details_due` is estimated, from PostgreSQL's statistics.
    pub is_details_due_estimated: bool,
    /// Number of items in quarantine; more than 1,000 are estimated.
    pub quarantined: i64,
    /// Number of windows that are being read or wait to be resumed.
    pub passes_open: i64,
    /// Number of windows that appeared empty without proof.
    pub empty_unverified: i64,
    /// Live records are known in one of the windows that appeared empty.
    pub is_doubted: bool,
    /// Number of records that a pass missed and detail calls have not decided; 1,001 stands for
    /// more than 1,000.
    pub suspects: i64,
    /// Number of days with an alarm: a pass missed implausibly many records there.
    pub alarms: i64,
    /// Number of paths at which items did not have the expected values.
    pub drift_paths: i64,
    /// Number of windows that running processes have claimed.
    pub claims: i64,
    /// When an operator paused the project.
    pub paused_at: Option<DateTime<Utc>>,
    /// When the vendor began to refuse the key.
    pub blocked_at: Option<DateTime<Utc>>,
    /// The vendor's answer to the refused key.
    pub blocked_reason: Option<String>,
    /// The last error of a window that is still open.
    pub open_pass_error: Option<String>,
    /// The outcome of its last run.
    pub last_outcome: Option<String>,
    /// When its last run ended.
    pub last_ended_at: Option<DateTime<Utc>>,
    /// The error of its last run.
    pub last_run_error: Option<String>,
}

impl ProjectReport {
    /// Number of days from the requested day to yesterday that are not covered.
    pub fn unread_days(&self) -> i64 {
        self.days_since - self.covered_days_since
    }
}

/// The command name of a daemon's rounds.
pub const DAEMON: &str = "run";

/// Most rows of a queue that are counted. A larger queue is estimated, so that the state of a large
/// warehouse is read as quickly as that of a small one.
const COUNTED_MAX: i32 = 1000;

/// Number of a daemon's last rounds that show when it was last active. Rounds of several projects
/// and processes overlap.
const ROUNDS: i64 = 100;

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
    /// How it ended; `None` while it runs. A run whose lease expired counts as interrupted.
    pub outcome: Option<String>,
    /// Items received.
    pub received: i64,
    /// Records stored for the first time.
    pub inserted: i64,
    /// Records that changed.
    pub updated: i64,
    /// Records that did not change.
    pub unchanged: i64,
    /// Items that could not be stored as rows.
    pub quarantined: i64,
    /// Items that are represented by others.
    pub duplicate: i64,
    /// Unknown records older than `sync.since`.
    pub skipped: i64,
}

/// A data table with its number of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataTable {
    /// Schema and name.
    pub name: String,
    /// Its number of rows.
    pub rows: i64,
}

/// A body as the vendor sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody {
    /// The call that returned it.
    pub call: Call,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// List body, detail body.
type PackedRow = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Warehouse {
    /// Returns the state of every project that was ever synced. Some counts are split at the day
    /// `since`.
    pub async fn project_reports(
        &self,
        since: Option<NaiveDate>,
    ) -> Result<Vec<ProjectReport>, WarehouseError> {
        sqlx::query_file_as!(
            ProjectReport,
            "src/warehouse/report/sql/project_report.sql",
            since,
            COUNTED_MAX
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the status of the projects")
    }

    /// Returns the last runs, newest first.
    pub async fn run_reports(&self, count_max: i64) -> Result<Vec<RunReport>, WarehouseError> {
        sqlx::query_as!(
            RunReport,
            r#"select run.run_id, run.command, run.started_at,
                case when run.expires_at <= argos_sync.clock()
                    then coalesce(run.ended_at, run.expires_at)
                    else run.ended_at end as ended_at,
                case when run.ended_at is null and run.expires_at <= argos_sync.clock()
                    then 'interrupted'
                    else run.outcome end as outcome,
                coalesce(sum(received), 0)::bigint as "received!",
                coalesce(sum(inserted), 0)::bigint as "inserted!",
                coalesce(sum(updated), 0)::bigint as "updated!",
                coalesce(sum(unchanged), 0)::bigint as "unchanged!",
                coalesce(sum(quarantined), 0)::bigint as "quarantined!",
                coalesce(sum(duplicate), 0)::bigint as "duplicate!",
                coalesce(sum(skipped), 0)::bigint as "skipped!"
             from (select * from argos_sync.run order by run_id desc limit $1) as run
             left join argos_sync.run_counter using (run_id)
             group by run.run_id, run.command, run.started_at, run.ended_at, run.expires_at,
                run.outcome
             order by run.run_id desc"#,
            count_max
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the last runs")
    }

    /// Returns when a daemon's round last ended or was last renewed; `None` if there was none.
    pub async fn daemon_seen_at(&self) -> Result<Option<DateTime<Utc>>, WarehouseError> {
        sqlx::query_scalar!(
            "select max(coalesce(ended_at, least(expires_at, argos_sync.clock())))
             from (
                select ended_at, expires_at from argos_sync.run
                where command = $1 order by run_id desc limit $2) as latest",
            DAEMON,
            ROUNDS,
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

    /// Runs a query whose columns are all texts. Returns the column names and the rows.
    pub async fn ask(
        &self,
        sql: &'static str,
    ) -> Result<(Vec<String>, Vec<Vec<String>>), WarehouseError> {
        let doing = "running a query";
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

    /// Returns the last items of a record as the vendor sent them.
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
