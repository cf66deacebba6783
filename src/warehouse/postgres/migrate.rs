//! Migrates the schema and writes the catalogue's comments into it.

use std::{fmt::Write as _, ops::RangeInclusive, sync::LazyLock};

use sqlx::{AssertSqlSafe, migrate::Migrator};

use super::{
    error::{Doing as _, WarehouseError},
    pool::Warehouse,
};
use crate::{
    domain::Stream,
    normalize::catalogue::{self, Key, Table},
};

/// All migrations, compiled into the program.
///
/// The ledger of completed migrations is `argos_sync.migration`, with its schema in the name. If a
/// role has the name of one of our schemas, PostgreSQL resolves an unqualified name in that schema
/// first.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.create_schema("argos_sync");
    migrator.dangerous_set_table_name("argos_sync.migration");
    migrator
});

/// Versions of the migrations that the baseline replaced. No release contained them.
const UNRELEASED: RangeInclusive<i64> = 1..=23;

/// Comments on the table that sqlx creates before the first migration.
const LEDGER_COMMENTS: &str = "
    comment on table argos_sync.migration is 'Migrations of the schema, written by sqlx.';
    comment on column argos_sync.migration.version is 'Number of the migration.';
    comment on column argos_sync.migration.description
        is 'Name of the migration file, without the number.';
    comment on column argos_sync.migration.installed_on is 'Start of the migration.';
    comment on column argos_sync.migration.success is 'True once the migration has succeeded.';
    comment on column argos_sync.migration.checksum is 'SHA-384 of the migration file.';
    comment on column argos_sync.migration.execution_time
        is 'Duration of the migration in nanoseconds. -1: it has not ended.';
";

/// The state of the schema compared with this program's migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// No migration has run.
    Missing,
    /// This number of migrations has not run yet.
    Older(usize),
    /// All migrations have run.
    Current,
    /// A newer program created the schema.
    Newer,
    /// Migrations from before the first release, which no longer exist, created the schema.
    Unreleased,
}

impl Warehouse {
    /// Runs the pending migrations and then writes the comments. Refuses a pooler in transaction
    /// mode.
    pub async fn migrate(&self) -> Result<(), WarehouseError> {
        match self.schema_state().await? {
            SchemaState::Newer => return Err(WarehouseError::NewerSchema),
            SchemaState::Unreleased => return Err(WarehouseError::UnreleasedSchema),
            SchemaState::Missing | SchemaState::Older(_) | SchemaState::Current => {}
        }
        self.check_server().await?;
        self.check_direct().await?;
        MIGRATOR.run(&self.pool).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                WarehouseError::database("migrating the schema", &error)
            }
            _ => WarehouseError::Shape { doing: "migrating the schema" },
        })?;
        self.write_comments().await
    }

    /// Compares the completed migrations with those of this program.
    pub async fn schema_state(&self) -> Result<SchemaState, WarehouseError> {
        let doing = "reading the schema's version";
        let there: bool =
            sqlx::query_scalar("select to_regclass('argos_sync.migration') is not null")
                .fetch_one(&self.pool)
                .await
                .doing(doing)?;
        if !there {
            return Ok(SchemaState::Missing);
        }
        let run: Vec<i64> =
            sqlx::query_scalar("select version from argos_sync.migration where success")
                .fetch_all(&self.pool)
                .await
                .doing(doing)?;
        let ours: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
        Ok(state(&run, &ours))
    }

    async fn write_comments(&self) -> Result<(), WarehouseError> {
        let mut transaction = self.begin("writing comments").await?;
        sqlx::raw_sql(LEDGER_COMMENTS)
            .execute(&mut *transaction)
            .await
            .doing("writing comments")?;
        for table in Stream::ALL.into_iter().flat_map(catalogue::tables) {
            sqlx::raw_sql(AssertSqlSafe(comments(table)))
                .execute(&mut *transaction)
                .await
                .doing("writing comments")?;
        }
        transaction.commit().await.doing("writing comments")
    }
}

/// Compares the completed versions with those of this program.
fn state(run: &[i64], ours: &[i64]) -> SchemaState {
    if run.iter().any(|version| UNRELEASED.contains(version)) {
        return SchemaState::Unreleased;
    }
    if run.iter().any(|version| !ours.contains(version)) {
        return SchemaState::Newer;
    }
    match ours.iter().filter(|version| !run.contains(version)).count() {
        0 => SchemaState::Current,
        missing => SchemaState::Older(missing),
    }
}

/// The `COMMENT ON` statements for a table and each of its columns.
fn comments(table: &Table) -> String {
    let name = table.qualified();
    let quote = |text: &str| text.replace('\'', "''");
    let mut sql = format!("comment on table {name} is '{}';", quote(table.comment));
    let mut add = |column: &str, text: &str| {
        let _infallible = write!(sql, "comment on column {name}.{column} is '{}';", quote(text));
    };
    add("project", "Name of the project in the configuration of argos-sync.");
    if table.key != Key::Set {
        add(
            table.id_column(),
            "Id that the vendor gave the record. It identifies the record only together with \
             project. [identifier]",
        );
    }
    if table.key == Key::Ordinal {
        add("ordinal", "Position of the row in its record, in the vendor's order, from 1. [fact]");
    }
    for column in table.columns {
        add(column.name, &format!("{} [{}]", column.comment, column.class.as_str()));
    }
    if table.name == table.stream.as_str() {
        add("first_seen_at", "Time at which argos-sync first stored the record. [fact]");
        add(
            "changed_at",
            "Time at which argos-sync last wrote a row of the record. To find changes, use \
             change_number instead: a later commit can have an earlier time. [fact]",
        );
        add(
            "change_number",
            "Number of the transaction that last wrote a row of the record. To find changes, see \
             argos.change_watermark(). [fact]",
        );
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_unreleased_migration_makes_a_schema_unreleased() {
        for (run, expected) in [
            (&[][..], SchemaState::Older(2)),
            (&[100], SchemaState::Older(1)),
            (&[100, 101], SchemaState::Current),
            (&[100, 101, 102], SchemaState::Newer),
            (&[1], SchemaState::Unreleased),
            (&[23], SchemaState::Unreleased),
            (&[24], SchemaState::Newer),
            (&[7, 100, 101, 102], SchemaState::Unreleased),
        ] {
            assert_eq!(state(run, &[100, 101]), expected, "{run:?}");
        }
    }

    #[test]
    fn no_migration_has_the_number_of_an_unreleased_one() {
        assert!(MIGRATOR.iter().all(|migration| !UNRELEASED.contains(&migration.version)));
    }
}
