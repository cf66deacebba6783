//! Counts, deletes and renames the rows of one project in all tables.
//!
//! The tables and columns come from PostgreSQL's catalogue, so that new tables are included
//! automatically. The column `project` names the owner of a row; `kyc_project` and `parent` refer
//! to another project.

use sqlx::{AssertSqlSafe, PgConnection, PgTransaction};

use crate::{
    domain::{Kind, ProjectName},
    warehouse::postgres::{
        error::{Doing as _, WarehouseError},
        pool::Warehouse,
        sql::CHANGE_NUMBER,
    },
};

/// Schema of the tables about argos-sync's own work, as opposed to the vendor's records.
const BOOKKEEPING: &str = "argos_sync.";

/// A table with the number of a project's rows in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRows {
    /// Schema and name.
    pub table: String,
    /// The number of rows, at least 1.
    pub rows: u64,
}

/// Why a project was neither deleted nor renamed; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// No table has a row of the project.
    Unknown,
    /// A process holds a claim on the project.
    Claimed,
    /// The new name already has records.
    NameTaken,
    /// The new name belongs to a project of the other kind.
    OtherKind,
}

/// A project that was synced at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownProject {
    /// The project's name.
    pub project: String,
    /// The end of its last run; `None` if no run has ended.
    pub last_ended_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// A column that contains project names.
struct NameColumn {
    table: String,
    column: String,
    /// The table has a `change_number`.
    is_numbered: bool,
    /// The table has a `changed_at` that contains the time of the last write.
    is_dated: bool,
}

impl NameColumn {
    /// Whether the column names the owner of the row, not another project.
    fn is_key(&self) -> bool {
        self.column == "project"
    }

    /// Whether the row is about argos-sync's own work.
    fn is_bookkeeping(&self) -> bool {
        self.table.starts_with(BOOKKEEPING)
    }

    /// The statement that changes the name. Consumers of changes receive the rows again.
    fn rename(&self) -> String {
        let Self { table, column, is_numbered, is_dated } = self;
        let number =
            if *is_numbered { format!(", change_number = {CHANGE_NUMBER}") } else { String::new() };
        let date = if *is_dated { ", changed_at = argos_sync.clock()" } else { "" };
        format!("update {table} set {column} = $2{number}{date} where {column} = $1")
    }
}

impl Warehouse {
    /// Returns all projects that were ever registered, by name.
    pub async fn known_projects(&self) -> Result<Vec<KnownProject>, WarehouseError> {
        sqlx::query_as!(
            KnownProject,
            "select project, last_ended_at from argos_sync.project order by project"
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the projects")
    }

    /// Counts the rows of a project in every table that has any.
    pub async fn project_rows(
        &self,
        project: &ProjectName,
    ) -> Result<Vec<ProjectRows>, WarehouseError> {
        let doing = "counting the rows of a project";
        let mut transaction = self.begin(doing).await?;
        let mut found = Vec::new();
        for column in name_columns(&mut transaction).await?.into_iter().filter(NameColumn::is_key) {
            let sql = format!("select count(*) from {} where project = $1", column.table);
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(project.as_str())
                .fetch_one(&mut *transaction)
                .await
                .doing(doing)?;
            add(&mut found, column.table, rows.unsigned_abs());
        }
        Ok(found)
    }

    /// Deletes the rows of a project from every table in one transaction. Returns the numbers of
    /// rows.
    pub async fn forget_project(
        &self,
        project: &ProjectName,
    ) -> Result<Result<Vec<ProjectRows>, Hindrance>, WarehouseError> {
        let doing = "deleting the rows of a project";
        let mut transaction = self.begin(doing).await?;
        if is_claimed(&mut transaction, &[project]).await? {
            return Ok(Err(Hindrance::Claimed));
        }
        let columns = name_columns(&mut transaction).await?;
        let keys = columns.iter().filter(|column| column.is_key());
        let deleted = delete(&mut transaction, keys, project, doing).await?;
        commit(transaction, deleted, doing).await
    }

    /// Renames a project in the rows of every table in one transaction. Returns the numbers of
    /// rows.
    ///
    /// `kind` is the configured kind of the new name. The new name may already have bookkeeping
    /// rows, such as those of `check`, and these are deleted. It must not have any other rows.
    pub async fn rename_project(
        &self,
        old: &ProjectName,
        new: &ProjectName,
        kind: Option<&Kind>,
    ) -> Result<Result<Vec<ProjectRows>, Hindrance>, WarehouseError> {
        let doing = "renaming a project";
        let mut transaction = self.begin(doing).await?;
        if is_claimed(&mut transaction, &[old, new]).await? {
            return Ok(Err(Hindrance::Claimed));
        }
        if !is_of_one_kind(&mut transaction, old, new, kind).await? {
            return Ok(Err(Hindrance::OtherKind));
        }
        let columns = name_columns(&mut transaction).await?;
        let keys = || columns.iter().filter(|column| column.is_key());
        let of_new = keys().filter(|column| !column.is_bookkeeping());
        if has_rows(&mut transaction, of_new, new, doing).await? {
            return Ok(Err(Hindrance::NameTaken));
        }
        delete(&mut transaction, keys(), new, doing).await?;
        let mut renamed = Vec::new();
        for column in &columns {
            let rows = sqlx::query(AssertSqlSafe(column.rename()))
                .bind(old.as_str())
                .bind(new.as_str())
                .execute(&mut *transaction)
                .await
                .doing(doing)?
                .rows_affected();
            if column.is_key() {
                add(&mut renamed, column.table.clone(), rows);
            }
        }
        commit(transaction, renamed, doing).await
    }
}

/// Commits, or returns [`Hindrance::Unknown`] if there are no rows.
async fn commit(
    transaction: PgTransaction<'_>,
    rows: Vec<ProjectRows>,
    doing: &'static str,
) -> Result<Result<Vec<ProjectRows>, Hindrance>, WarehouseError> {
    if rows.is_empty() {
        return Ok(Err(Hindrance::Unknown));
    }
    transaction.commit().await.doing(doing)?;
    Ok(Ok(rows))
}

fn add(found: &mut Vec<ProjectRows>, table: String, rows: u64) {
    if rows > 0 {
        found.push(ProjectRows { table, rows });
    }
}

async fn name_columns(connection: &mut PgConnection) -> Result<Vec<NameColumn>, WarehouseError> {
    sqlx::query_as!(
        NameColumn,
        r#"select format('%I.%I', nspname, relname) as "table!", attname::text as "column!",
            exists (
                select from pg_attribute as other
                where other.attrelid = relation.oid
                  and other.attname = 'change_number') as "is_numbered!",
            (
                select count(*) = 2 from pg_attribute as other
                where other.attrelid = relation.oid
                  and other.attname in ('first_seen_at', 'changed_at')) as "is_dated!"
           from pg_class as relation
           join pg_namespace as namespace on namespace.oid = relnamespace
           join pg_attribute as attribute on attrelid = relation.oid
           where nspname in ('argos', 'argos_pii', 'argos_raw', 'argos_sync')
             and relkind in ('r', 'p') and not relispartition
             and attname in ('project', 'kyc_project', 'parent') and attnum > 0
             and not attisdropped
           order by 1, 2"#
    )
    .fetch_all(connection)
    .await
    .doing("reading which tables name a project")
}

/// Locks the projects in the same way as claiming, and returns whether a process holds a claim on
/// one.
async fn is_claimed(
    connection: &mut PgConnection,
    projects: &[&ProjectName],
) -> Result<bool, WarehouseError> {
    let doing = "reading claims";
    let names: Vec<&str> = projects.iter().map(|project| project.as_str()).collect();
    sqlx::query!(
        "select from argos_sync.project where project = any($1) order by project for update",
        &names as &[&str]
    )
    .fetch_all(&mut *connection)
    .await
    .doing(doing)?;
    // A separate statement, so that it sees the claims that the lock waited for.
    sqlx::query_scalar!(
        r#"select exists (
                select from argos_sync.claim
                where project = any($1) and expires_at > argos_sync.clock())
            or exists (
                select from argos_sync.detail_due
                where project = any($1) and holder is not null
                  and expires_at > argos_sync.clock()) as "is_claimed!""#,
        &names as &[&str]
    )
    .fetch_one(connection)
    .await
    .doing(doing)
}

/// Whether the new name, as far as it is known, belongs to a project of the same kind as the old
/// one.
async fn is_of_one_kind(
    connection: &mut PgConnection,
    old: &ProjectName,
    new: &ProjectName,
    kind: Option<&Kind>,
) -> Result<bool, WarehouseError> {
    let kind = kind.map(|kind| match kind {
        Kind::IdCheck => "idcheck",
        Kind::FaceAuth { .. } => "faceauth",
    });
    sqlx::query_scalar!(
        r#"select not exists (
            select from argos_sync.project as old
            left join argos_sync.project as new on new.project = $2
            where old.project = $1
              and old.kind <> coalesce($3, new.kind, old.kind)) as "is_one!""#,
        old.as_str(),
        new.as_str(),
        kind,
    )
    .fetch_one(connection)
    .await
    .doing("comparing the kinds of two projects")
}

async fn has_rows(
    connection: &mut PgConnection,
    columns: impl Iterator<Item = &NameColumn>,
    project: &ProjectName,
    doing: &'static str,
) -> Result<bool, WarehouseError> {
    for column in columns {
        let sql = format!("select exists (select from {} where project = $1)", column.table);
        let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(project.as_str())
            .fetch_one(&mut *connection)
            .await
            .doing(doing)?;
        if has_rows {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn delete(
    connection: &mut PgConnection,
    columns: impl Iterator<Item = &NameColumn>,
    project: &ProjectName,
    doing: &'static str,
) -> Result<Vec<ProjectRows>, WarehouseError> {
    let mut deleted = Vec::new();
    for column in columns {
        let sql = format!("delete from {} where project = $1", column.table);
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(project.as_str())
            .execute(&mut *connection)
            .await
            .doing(doing)?
            .rows_affected();
        add(&mut deleted, column.table.clone(), rows);
    }
    Ok(deleted)
}
