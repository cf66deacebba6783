//! Finds properties of the server, the role and the database that prevent work.

use std::{fmt, time::Duration};

use sqlx::{Connection as _, PgConnection};

use super::{
    error::{Doing as _, WarehouseError},
    pool::Warehouse,
    unreachable::Unreachable,
};

const LOOKING: &str = "checking the database's settings";

/// A problem and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The category of the problem.
    pub concern: Concern,
    /// The problem.
    pub problem: String,
    /// The next step for the operator.
    pub advice: String,
}

/// The category of an obstacle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The server.
    Server,
    /// Settings of the role or the database.
    Settings,
    /// Privileges of the role.
    Rights,
    /// The number of free connections.
    Connections,
    /// Tables that cannot be written.
    Tables,
    /// Personal data in the server's log.
    Log,
}

impl Concern {
    /// Whether an obstacle of this category stops the work.
    pub fn stops_work(self) -> bool {
        match self {
            Self::Server | Self::Settings | Self::Rights | Self::Connections | Self::Tables => true,
            Self::Log => false,
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Settings => "settings",
            Self::Rights => "rights",
            Self::Connections => "connections",
            Self::Tables => "tables",
            Self::Log => "log",
        })
    }
}

/// The checked properties of the server, the role and the database.
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
struct Said {
    is_standby: bool,
    is_read_only: bool,
    isolation: String,
    statement_timeout: String,
    role: String,
    database: String,
    has_schema: bool,
    may_create: bool,
    free_connections: i64,
    closed_tables: Vec<String>,
    closed_sequences: Vec<String>,
    closed_functions: Vec<String>,
    is_distributing: bool,
    logs_parameters: bool,
    logs_rows: bool,
    explains: bool,
    audits_parameters: bool,
}

impl Warehouse {
    /// Finds obstacles; writes nothing. `time_max` limits the connection attempt and the check,
    /// each.
    ///
    /// Opens its own connection: a pool that gets fewer connections than it requests waits for one
    /// to be returned.
    pub async fn obstacles(&self, time_max: Duration) -> Result<Vec<Obstacle>, WarehouseError> {
        let mut connection = self.connect(time_max).await?;
        let looking = tokio::time::timeout(time_max, self.look(&mut connection)).await;
        let _closing = tokio::time::timeout(time_max, connection.close()).await;
        looking.map_err(|_elapsed| WarehouseError::Connection {
            doing: LOOKING,
            cause: Unreachable::Silent,
        })?
    }

    async fn look(&self, connection: &mut PgConnection) -> Result<Vec<Obstacle>, WarehouseError> {
        // Connections that count against the limits of the role, the database and the server. Our
        // own connections do not count: they are available to us.
        let said = sqlx::query_as!(
            Said,
            r#"with others as (
                select count(*) as of_server,
                    count(*) filter (where usename = current_user) as of_role,
                    count(*) filter (where datname = current_database()) as of_database
                from pg_stat_activity
                where usename is not null
                    -- Unknown without pg_read_all_stats.
                    and coalesce(backend_type, 'client backend') = 'client backend'
                    and not (usename is not distinct from current_user
                        and application_name = 'argos-sync')),
             schemas as (
                select oid from pg_namespace
                where nspname in ('argos', 'argos_pii', 'argos_raw', 'argos_sync'))
             select pg_is_in_recovery() as "is_standby!",
                current_setting('transaction_read_only') = 'on' as "is_read_only!",
                current_setting('default_transaction_isolation') as "isolation!",
                current_setting('statement_timeout') as "statement_timeout!",
                current_user::text as "role!", current_database()::text as "database!",
                to_regclass('argos_sync.migration') is not null as "has_schema!",
                has_database_privilege(current_database(), 'create') as "may_create!",
                least(
                    current_setting('max_connections')::int8
                        - case when rolsuper then 0
                            else current_setting('superuser_reserved_connections')::int8 end
                        - of_server,
                    case when rolconnlimit >= 0 and not rolsuper then rolconnlimit - of_role
                        else 1000000 end,
                    case when datconnlimit >= 0 and not rolsuper then datconnlimit - of_database
                        else 1000000 end
                ) as "free_connections!",
                array(
                    select relation.oid::regclass::text from pg_class as relation
                    where relnamespace in (select oid from schemas)
                        and case when relkind in ('r', 'p')
                            then not (has_schema_privilege(relnamespace, 'usage')
                                and has_table_privilege(relation.oid, 'select')
                                and has_table_privilege(relation.oid, 'insert')
                                and has_table_privilege(relation.oid, 'update')
                                and has_table_privilege(relation.oid, 'delete')) end
                    order by 1) as "closed_tables!",
                array(
                    select relation.oid::regclass::text from pg_class as relation
                    where relnamespace in (select oid from schemas)
                        and not exists (select from pg_depend
                            where objid = relation.oid and deptype = 'i')
                        and case when relkind = 'S'
                            then not has_sequence_privilege(relation.oid, 'usage') end
                    order by 1) as "closed_sequences!",
                array(
                    select routine.oid::regprocedure::text from pg_proc as routine
                    where pronamespace in (select oid from schemas)
                        and not has_function_privilege(routine.oid, 'execute')
                    order by 1) as "closed_functions!",
                to_regclass('pg_catalog.pg_dist_partition') is not null as "is_distributing!",
                current_setting('log_parameter_max_length') <> '0'
                    and (current_setting('log_statement') in ('mod', 'all')
                        or current_setting('log_min_duration_statement') <> '-1'
                        or current_setting('log_min_duration_sample') <> '-1'
                        or current_setting('log_transaction_sample_rate') <> '0')
                    as "logs_parameters!",
                current_setting('log_error_verbosity') <> 'terse' as "logs_rows!",
                coalesce(current_setting('auto_explain.log_min_duration', true), '-1') <> '-1'
                    and coalesce(current_setting('auto_explain.log_parameter_max_length', true),
                        '-1') <> '0'
                    as "explains!",
                coalesce(current_setting('pgaudit.log_parameter', true), 'off') = 'on'
                    as "audits_parameters!"
             from pg_roles, pg_database, others
             where rolname = current_user and datname = current_database()"#
        )
        .fetch_one(&mut *connection)
        .await
        .doing(LOOKING)?;
        let distributed =
            if said.is_distributing { distributed_tables(connection).await? } else { Vec::new() };
        Ok(obstacles(&said, i64::from(self.connections_max), &distributed))
    }
}

/// Tables of argos-sync that an extension has distributed over other servers.
async fn distributed_tables(connection: &mut PgConnection) -> Result<Vec<String>, WarehouseError> {
    // The table exists only with the extension, so the query is not checked at compile time.
    sqlx::query_scalar(
        "select logicalrelid::regclass::text from pg_catalog.pg_dist_partition
         where logicalrelid::regclass::text like 'argos%' order by 1",
    )
    .fetch_all(connection)
    .await
    .doing("reading distributed tables")
}

fn obstacles(said: &Said, connections: i64, distributed: &[String]) -> Vec<Obstacle> {
    let mut found = of_settings(said);
    found.extend(of_rights(said));
    found.extend(of_log(said));
    if said.free_connections < connections {
        found.push(Obstacle {
            concern: Concern::Connections,
            problem: format!(
                "{} are free, and `database.connections_max` asks for {connections}",
                said.free_connections.max(0)
            ),
            advice:
                "raise max_connections of the server or the limit of role or database, or lower \
                 `database.connections_max`"
                    .to_owned(),
        });
    }
    if !distributed.is_empty() {
        found.push(Obstacle {
            concern: Concern::Tables,
            problem: format!(
                "an extension has distributed {}, which makes writing impossible",
                distributed.join(", ")
            ),
            advice: "undistribute them; a copy of the data tables may be distributed".to_owned(),
        });
    }
    found
}

/// Obstacles in the state of the server and the settings of the role or database.
fn of_settings(said: &Said) -> Vec<Obstacle> {
    let mut found = Vec::new();
    let set = |setting: &str| {
        format!("alter role {} in database {} set {setting}", said.role, said.database)
    };
    if said.is_standby {
        found.push(Obstacle {
            concern: Concern::Server,
            problem: "the server is a read-only standby".to_owned(),
            advice: "set `database.url` to the primary; a proxy can follow it through failovers"
                .to_owned(),
        });
    } else if said.is_read_only {
        found.push(Obstacle {
            concern: Concern::Server,
            problem: "transactions are read-only by default".to_owned(),
            advice: set("default_transaction_read_only = off"),
        });
    }
    if said.statement_timeout != "0" {
        found.push(Obstacle {
            concern: Concern::Settings,
            problem: format!(
                "statements time out after {} (statement_timeout): long ones can never finish",
                said.statement_timeout
            ),
            advice: set("statement_timeout = 0"),
        });
    }
    if said.isolation != "read committed" {
        found.push(Obstacle {
            concern: Concern::Settings,
            problem: format!(
                "transactions are {} by default: where processes write side by side, some fail",
                said.isolation
            ),
            advice: set("default_transaction_isolation = 'read committed'"),
        });
    }
    found
}

/// Personal data that the server's log may contain.
fn of_log(said: &Said) -> Vec<Obstacle> {
    let shows = [
        (said.logs_parameters, "parameters of statements", "log_parameter_max_length = 0"),
        (said.logs_rows, "rows that a statement failed on", "log_error_verbosity = terse"),
        (said.explains, "statements with their values", "auto_explain.log_min_duration = -1"),
        (said.audits_parameters, "parameters of statements", "pgaudit.log_parameter = off"),
    ];
    let shown = shows.into_iter().filter(|(is_shown, _, _)| *is_shown);
    let obstacle = |(_, what, setting)| Obstacle {
        concern: Concern::Log,
        problem: format!("the server's log may show {what}, which are personal data"),
        advice: format!(
            "as a superuser: alter role {} in database {} set {setting}",
            said.role, said.database
        ),
    };
    shown.map(obstacle).collect()
}

/// Privileges that the role lacks.
fn of_rights(said: &Said) -> Vec<Obstacle> {
    let Said { role, database, .. } = said;
    let mut found = Vec::new();
    let mut lacks = |problem: String, advice: String| {
        found.push(Obstacle { concern: Concern::Rights, problem, advice });
    };
    if !said.has_schema && !said.may_create {
        lacks(
            "not allowed to create the schema".to_owned(),
            format!(
                "grant create on database {database} to {role}; or have its owner run `argos-sync \
                 migrate`"
            ),
        );
    }
    if !said.closed_tables.is_empty() {
        lacks(
            format!("not allowed to write {}", said.closed_tables.join(", ")),
            "grant select, insert, update and delete on them to the role of `database.url`"
                .to_owned(),
        );
    }
    if !said.closed_sequences.is_empty() {
        lacks(
            format!("not allowed to use the sequences {}", said.closed_sequences.join(", ")),
            format!("grant usage, select on all sequences in schema argos_sync to {role}"),
        );
    }
    if !said.closed_functions.is_empty() {
        lacks(
            format!("not allowed to call {}", said.closed_functions.join(", ")),
            format!("grant execute on all functions in schema argos, argos_sync to {role}"),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Said {
        Said {
            is_standby: false,
            is_read_only: false,
            isolation: "read committed".to_owned(),
            statement_timeout: "0".to_owned(),
            role: "syncer".to_owned(),
            database: "warehouse".to_owned(),
            has_schema: true,
            may_create: false,
            free_connections: 4,
            closed_tables: Vec::new(),
            closed_sequences: Vec::new(),
            closed_functions: Vec::new(),
            is_distributing: false,
            logs_parameters: false,
            logs_rows: false,
            explains: false,
            audits_parameters: false,
        }
    }

    #[test]
    fn each_obstacle_is_named_once_with_what_to_do() {
        assert_eq!(obstacles(&fine(), 4, &[]), []);
        let table = ["argos.submission".to_owned()];
        for (said, distributed, named) in [
            (Said { is_standby: true, is_read_only: true, ..fine() }, &[][..], "standby"),
            (Said { is_read_only: true, ..fine() }, &[], "default_transaction_read_only = off"),
            (Said { statement_timeout: "5s".to_owned(), ..fine() }, &[], "statement_timeout = 0"),
            (Said { isolation: "serializable".to_owned(), ..fine() }, &[], "'read committed'"),
            (
                Said { has_schema: false, ..fine() },
                &[],
                "grant create on database warehouse to syncer",
            ),
            (
                Said { closed_tables: table.to_vec(), ..fine() },
                &[],
                "grant select, insert, update and delete on them",
            ),
            (
                Said { closed_sequences: vec!["argos_sync.fence".to_owned()], ..fine() },
                &[],
                "grant usage, select on all sequences",
            ),
            (
                Said { closed_functions: vec!["argos_sync.clock()".to_owned()], ..fine() },
                &[],
                "grant execute",
            ),
            (Said { free_connections: 3, ..fine() }, &[], "3 are free"),
            (Said { logs_parameters: true, ..fine() }, &[], "set log_parameter_max_length = 0"),
            (Said { logs_rows: true, ..fine() }, &[], "set log_error_verbosity = terse"),
            (Said { explains: true, ..fine() }, &[], "set auto_explain.log_min_duration = -1"),
            (Said { audits_parameters: true, ..fine() }, &[], "set pgaudit.log_parameter = off"),
            (Said { is_distributing: true, ..fine() }, &table, "argos.submission"),
        ] {
            let found = obstacles(&said, 4, distributed);
            let texts: Vec<_> =
                found.iter().map(|it| format!("{} {}", it.problem, it.advice)).collect();
            assert!(texts.len() == 1 && texts[0].contains(named), "{named}: {texts:?}");
        }
    }
}
