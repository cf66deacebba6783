//! Connections and transactions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, PgTransaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    address::{self, Protection},
    error::{Doing as _, WarehouseError},
    known_server::KnownServer,
    plan_settings::{self, LOOKING_UP},
    renewal,
    unreachable::Unreachable,
};
use crate::domain::ReadNumber;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// Most connections at a time.
    pub connections_max: u32,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// Prepared statements kept for each connection, at least 1: without its cache sqlx still names
    /// every statement, and never closes one.
    pub statement_cache: usize,
}

/// The warehouse: a handle that is cheap to clone.
#[derive(Debug, Clone)]
pub struct Warehouse {
    pub(in crate::warehouse) pool: PgPool,
    /// Where items are written. A pool lends its connections in turn, and for each that writes
    /// PostgreSQL makes all plans anew and maps all tables: so only some of them do.
    pub(super) writers: PgPool,
    pub(super) options: PgConnectOptions,
    pub(super) connections_max: u32,
    pub(super) protection: Protection,
    pub(in crate::warehouse) server: KnownServer,
}

impl Warehouse {
    /// Prepares connections; the first is made when it is needed.
    pub fn new(settings: &Settings) -> Result<Self, WarehouseError> {
        let is_mode_given = std::env::var_os("PGSSLMODE").is_some();
        let (options, protection) =
            address::read(&settings.url, is_mode_given).map_err(WarehouseError::Address)?;
        // sqlx would log statements; the program logs what it does itself.
        let options = options
            .application_name("argos-sync")
            .statement_cache_capacity(settings.statement_cache)
            .disable_statement_logging();
        let pool = |connections_max| {
            PgPoolOptions::new()
                .max_connections(connections_max)
                .acquire_timeout(settings.connect_timeout)
                .before_acquire(|_, metadata| {
                    Box::pin(std::future::ready(Ok(!renewal::is_stale(metadata.age))))
                })
                .after_release(|connection, metadata| {
                    // Its buffers have room for all rows of the largest statement, and it may not
                    // be used again for long.
                    connection.shrink_buffers();
                    Box::pin(std::future::ready(Ok(!renewal::is_stale(metadata.age))))
                })
                .connect_lazy_with(options.clone())
        };
        let others_max = settings.connections_max / 2;
        let writers = pool(settings.connections_max - others_max);
        let pool = if others_max == 0 { writers.clone() } else { pool(others_max) };
        let connections_max = settings.connections_max;
        let server = KnownServer::default();
        Ok(Self { pool, writers, options, connections_max, protection, server })
    }

    /// The protection of the connection to the database.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// Connects once, and returns the cause of a failure. A pool retries until its timeout and
    /// returns no cause.
    pub async fn reach(&self, time_max: Duration) -> Result<(), WarehouseError> {
        let connection = self.connect(time_max).await?;
        let _closing = tokio::time::timeout(time_max, connection.close()).await;
        Ok(())
    }

    pub(super) async fn connect(&self, time_max: Duration) -> Result<PgConnection, WarehouseError> {
        let doing = "connecting";
        let connecting = PgConnection::connect_with(&self.options);
        let connected = tokio::time::timeout(time_max, connecting).await;
        let silent = |_elapsed| WarehouseError::Connection { doing, cause: Unreachable::Silent };
        connected.map_err(silent)?.doing(doing)
    }

    /// Draws the number that orders the next observation; called just before an HTTP attempt (I6).
    pub async fn draw_read_number(&self) -> Result<ReadNumber, WarehouseError> {
        sqlx::query_scalar!(r#"select nextval('argos_sync.read_number') as "number!""#)
            .fetch_one(&self.pool)
            .await
            .map(|number| {
                self.server.note_drawn(number);
                ReadNumber(number)
            })
            .doing("drawing a read number")
    }

    /// The time by the one clock.
    pub async fn now(&self) -> Result<DateTime<Utc>, WarehouseError> {
        let mut connection = self.pool.acquire().await.doing("asking for the time")?;
        now(&mut connection).await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
        self.writers.close().await;
    }

    pub(in crate::warehouse) async fn begin(
        &self,
        doing: &'static str,
    ) -> Result<PgTransaction<'static>, WarehouseError> {
        begin(&self.pool, doing, plan_settings::CHOOSING).await
    }

    /// Begins a transaction that writes items.
    pub(in crate::warehouse) async fn begin_writing(
        &self,
        doing: &'static str,
    ) -> Result<PgTransaction<'static>, WarehouseError> {
        begin(&self.writers, doing, LOOKING_UP).await
    }
}

pub(super) async fn begin(
    pool: &PgPool,
    doing: &'static str,
    plans: &'static str,
) -> Result<PgTransaction<'static>, WarehouseError> {
    // Whatever the site's defaults are.
    let mut transaction = pool
        .begin_with("begin isolation level read committed read write")
        .await
        .map_err(|error| of_begin(error, doing))?;
    // A process that froze in the middle must not hold its rows for ever, and none waits for ever
    // for such rows. Compiling a plan takes longer than running it. Parameters are personal data,
    // which the server's log must not show.
    let settings = format!(
        "set local idle_in_transaction_session_timeout = '60s'; set local lock_timeout = '30s'; \
         set local statement_timeout = 0; set local log_parameter_max_length_on_error = 0; \
         set local jit = off; {plans}"
    );
    // Made of constants.
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *transaction).await.doing(doing)?;
    Ok(transaction)
}

pub(in crate::warehouse) async fn now(
    connection: &mut PgConnection,
) -> Result<DateTime<Utc>, WarehouseError> {
    sqlx::query_scalar!(r#"select argos_sync.clock() as "now!""#)
        .fetch_one(connection)
        .await
        .doing("asking for the time")
}

/// Replaces a standby's refusal to begin a writing transaction by the one of its statements.
pub(super) fn of_begin(error: sqlx::Error, doing: &'static str) -> WarehouseError {
    match WarehouseError::database(doing)(error) {
        WarehouseError::Refused { doing, sqlstate, constraint } if sqlstate == RECOVERY => {
            renewal::note(renewal::READ_ONLY);
            WarehouseError::Refused { doing, sqlstate: renewal::READ_ONLY.to_owned(), constraint }
        }
        other => other,
    }
}

/// `BEGIN ... READ WRITE` on a standby.
pub(super) const RECOVERY: &str = "0A000";
