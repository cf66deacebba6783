//! Runs of the program and their counters (I3).

use sqlx::PgConnection;

use super::{claim::LEASE_SECONDS, numbers::Drawn};
use crate::{
    domain::ProjectName,
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
        },
        scope::Scope,
    },
};

/// The id of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId(pub i64);

/// Item counts by outcome. `received` is the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Items received.
    pub received: i64,
    /// Records stored for the first time.
    pub inserted: i64,
    /// Records whose item changed.
    pub updated: i64,
    /// Records whose item did not change.
    pub unchanged: i64,
    /// Items that could not be stored as rows.
    pub quarantined: i64,
    /// Items that also occur elsewhere in the answer, or that belong to another window's pass.
    pub duplicate: i64,
    /// Unknown records that were not requested: older than `sync.since`.
    pub skipped: i64,
}

impl Tally {
    /// Each outcome with the number of its items.
    pub fn by_outcome(self) -> [(&'static str, i64); 6] {
        [
            ("inserted", self.inserted),
            ("updated", self.updated),
            ("unchanged", self.unchanged),
            ("quarantined", self.quarantined),
            ("duplicate", self.duplicate),
            ("skipped", self.skipped),
        ]
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.quarantined += other.quarantined;
        self.duplicate += other.duplicate;
        self.skipped += other.skipped;
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything requested was read.
    Complete,
    /// Everything was read, and it is proven to be empty.
    CompleteEmpty,
    /// Nothing was received, and it is not proven to be empty.
    EmptyUnverified,
    /// Nothing failed, and work is left for a later run or for another process.
    InProgress,
    /// A part could not be read.
    Partial,
    /// The vendor refuses a key.
    Blocked,
    /// The run was stopped from outside.
    Interrupted,
    /// A fault of the program or of the database.
    Failed,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 8] = [
        Self::Complete,
        Self::CompleteEmpty,
        Self::EmptyUnverified,
        Self::InProgress,
        Self::Partial,
        Self::Blocked,
        Self::Interrupted,
        Self::Failed,
    ];

    /// The word used in tables and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::CompleteEmpty => "complete_empty",
            Self::EmptyUnverified => "empty_unverified",
            Self::InProgress => "in_progress",
            Self::Partial => "partial",
            Self::Blocked => "blocked",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// How a run ended for one of its projects.
#[derive(Debug, Clone, Copy)]
pub struct ProjectEnd<'a> {
    /// The project.
    pub project: &'a ProjectName,
    /// How it ended.
    pub outcome: Outcome,
    /// The problem and the remedy as shown to the operator; must not contain personal data.
    pub reason: Option<&'a str>,
}

/// The source of the counted items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::warehouse) enum CountSource {
    /// A page of a list.
    Page,
    /// This number of detail calls.
    Details(i64),
}

/// The stored items of one transaction, for the counters of its run.
#[derive(Debug, Clone, Copy)]
pub(in crate::warehouse) struct CountedItems {
    /// The items by outcome.
    pub(in crate::warehouse) tally: Tally,
    /// Where they are from.
    pub(in crate::warehouse) source: CountSource,
    /// The highest numbers that they carry.
    pub(in crate::warehouse) drawn: Drawn,
}

impl Warehouse {
    /// Records the start of a run of this holder. Ends the runs whose holders no longer renew them.
    pub async fn begin_run(&self, command: &str, holder: &str) -> Result<RunId, WarehouseError> {
        self.retry(async || {
            sqlx::query_scalar!(
                "with over as (
                    select run_id from argos_sync.run
                    where ended_at is null and expires_at <= argos_sync.clock()
                    for update skip locked),
                 closed as (
                    update argos_sync.run set ended_at = expires_at, outcome = 'interrupted'
                    from over where run.run_id = over.run_id)
                 insert into argos_sync.run
                    (command, version, started_at, holder, expires_at, fence)
                 values ($1, $2, argos_sync.clock(), $3,
                     argos_sync.clock() + make_interval(secs => $4), nextval('argos_sync.fence'))
                 returning run_id",
                command,
                env!("CARGO_PKG_VERSION"),
                holder,
                LEASE_SECONDS,
            )
            .fetch_one(&self.pool)
            .await
            .map(RunId)
            .doing("storing the run")
        })
        .await
    }

    /// Renews the lease of a run.
    pub async fn renew_run(&self, run: RunId) -> Result<(), WarehouseError> {
        sqlx::query!(
            "update argos_sync.run set expires_at = argos_sync.clock() + make_interval(secs => $2)
             where run_id = $1 and ended_at is null",
            run.0,
            LEASE_SECONDS,
        )
        .execute(&self.pool)
        .await
        .map(drop)
        .doing("renewing the run")
    }

    /// Records the outcome of a run, as a whole and for its projects. Overrides an end that another
    /// process recorded in the meantime.
    pub async fn end_run(
        &self,
        run: RunId,
        outcome: Outcome,
        projects: &[ProjectEnd<'_>],
    ) -> Result<(), WarehouseError> {
        self.retry(async || {
            let names: Vec<&str> = projects.iter().map(|end| end.project.as_str()).collect();
            let outcomes: Vec<&str> = projects.iter().map(|end| end.outcome.as_str()).collect();
            let reasons: Vec<Option<&str>> = projects.iter().map(|end| end.reason).collect();
            sqlx::query!(
                "with ended as (
                    update argos_sync.run set ended_at = argos_sync.clock(), outcome = $2
                    where run_id = $1)
                 update argos_sync.project as stored
                 set last_outcome = given.outcome, last_ended_at = argos_sync.clock(),
                     last_run_error = given.reason
                 from unnest($3::text[], $4::text[], $5::text[])
                    as given (project, outcome, reason)
                 where stored.project = given.project",
                run.0,
                outcome.as_str(),
                &names as &[&str],
                &outcomes as &[&str],
                &reasons as &[Option<&str>],
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("storing the end of the run")
        })
        .await
    }

    /// Returns the counters of a run for a project.
    pub async fn run_tally(&self, run: RunId, scope: &Scope) -> Result<Tally, WarehouseError> {
        let tally = sqlx::query_as!(
            Tally,
            "select received, inserted, updated, unchanged, quarantined, duplicate, skipped
             from argos_sync.run_counter where run_id = $1 and project = $2 and stream = $3",
            run.0,
            scope.project.as_str(),
            scope.stream.as_str(),
        )
        .fetch_optional(&self.pool)
        .await
        .doing("reading the run's counters")?;
        Ok(tally.unwrap_or_default())
    }
}

/// Adds to the counters of a run and raises the high-water mark. Must be called in the transaction
/// that stores the counted items.
pub(in crate::warehouse) async fn count(
    connection: &mut PgConnection,
    scope: &Scope,
    run: RunId,
    CountedItems { tally, source, drawn }: CountedItems,
) -> Result<(), WarehouseError> {
    let (pages, details) = match source {
        CountSource::Page => (1, 0),
        CountSource::Details(calls) => (0, calls),
    };
    sqlx::query!(
        "with mark as (
            insert into argos_sync.high_water_mark as stored (project, stream, read_number, fence)
            values ($2, $3, $13, $14)
            on conflict (project, stream) do update
            set read_number = greatest(stored.read_number, excluded.read_number),
                fence = greatest(stored.fence, excluded.fence))
         insert into argos_sync.run_counter as stored
            (run_id, project, stream, pages, details, received, inserted, updated, unchanged,
                quarantined, duplicate, skipped)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (run_id, project, stream) do update
         set pages = stored.pages + excluded.pages,
            details = stored.details + excluded.details,
            received = stored.received + excluded.received,
            inserted = stored.inserted + excluded.inserted,
            updated = stored.updated + excluded.updated,
            unchanged = stored.unchanged + excluded.unchanged,
            quarantined = stored.quarantined + excluded.quarantined,
            duplicate = stored.duplicate + excluded.duplicate,
            skipped = stored.skipped + excluded.skipped",
        run.0,
        scope.project.as_str(),
        scope.stream.as_str(),
        pages,
        details,
        tally.received,
        tally.inserted,
        tally.updated,
        tally.unchanged,
        tally.quarantined,
        tally.duplicate,
        tally.skipped,
        drawn.highest.map_or(0, |read| read.0),
        drawn.fence,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("counting")
}
