//! Connections and transactions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, PgTransaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio_util::sync::CancellationToken;

use super::{
    address::{self, Protection},
    error::{Doing as _, WarehouseError},
    known_server::KnownServer,
    plan_settings::{self, LOOKING_UP},
    renewal,
    retry::RetryPolicy,
    unreachable::Unreachable,
};
use crate::{blocking, domain::ReadNumber};

/// Connection settings.
#[derive(Debug, Clone)]
pub struct WarehouseSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// The maximum number of simultaneous connections.
    pub connections_max: u32,
    /// The timeout for acquiring a connection.
    pub connect_timeout: Duration,
    /// The number of prepared statements cached for each connection, at least 1. Without a cache,
    /// sqlx still names every statement and never closes one.
    pub statement_cache: usize,
}

/// A handle to the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Warehouse {
    pub(in crate::warehouse) pool: PgPool,
    /// Connections for transactions that write items. A pool uses its connections in turn, and
    /// PostgreSQL plans all statements and maps all tables again for each connection that writes.
    /// So only part of the connections write.
    pub(super) writers: PgPool,
    pub(super) options: PgConnectOptions,
    pub(super) connections_max: u32,
    pub(super) protection: Protection,
    pub(in crate::warehouse) server: KnownServer,
    /// Retries of transactions; `None` for a single attempt.
    pub(super) retries: Option<RetryPolicy>,
}

impl Warehouse {
    /// Creates the pools without connecting. Connections are opened on demand.
    pub fn new(settings: &WarehouseSettings) -> Result<Self, WarehouseError> {
        let is_mode_given = std::env::var_os("PGSSLMODE").is_some();
        let (options, protection) =
            address::read(&settings.url, is_mode_given).map_err(WarehouseError::Address)?;
        // sqlx would log statements; the program does its own logging.
        let options = options
            .application_name("argos-sync")
            // Poolers refuse start parameters that they do not know. All values are in binary form.
            .extra_float_digits(None)
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
                    // Its buffers can hold all rows of the largest statement, and the connection
                    // may be idle for a long time.
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
        Ok(Self { pool, writers, options, connections_max, protection, server, retries: None })
    }

    /// Returns this warehouse with retries of its transactions, for `patience` from the beginning
    /// of an outage. `stop` is cancelled when the program has to end.
    #[must_use]
    pub fn with_retries(self, stop: CancellationToken, patience: Duration) -> Self {
        Self { retries: Some(RetryPolicy::new(stop, Some(patience))), ..self }
    }

    /// Returns this warehouse with the same retries without a time limit.
    #[must_use]
    pub fn with_endless_retries(self) -> Self {
        Self { retries: self.retries.map(RetryPolicy::without_end), ..self }
    }

    /// Returns this warehouse with a single attempt for each transaction.
    #[must_use]
    pub fn without_retries(self) -> Self {
        Self { retries: None, ..self }
    }

    /// Whether transactions of this warehouse, or of one with the same retries, are being retried
    /// because PostgreSQL does not answer.
    pub fn waits_for_postgresql(&self, now: tokio::time::Instant) -> bool {
        self.retries.as_ref().is_some_and(|retries| retries.waits(now))
    }

    /// Runs a transaction, and runs it again as the retry policy allows.
    pub(in crate::warehouse) async fn retry<T>(
        &self,
        mut transaction: impl AsyncFnMut() -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        // On the heap, because the future of a transaction is large and part of its callers'.
        let mut attempt = async || Box::pin(transaction()).await;
        match &self.retries {
            Some(policy) => policy.run(attempt).await,
            None => attempt().await,
        }
    }

    /// Runs a transaction that must not run twice. The program does not wait for it when it has to
    /// end.
    pub(in crate::warehouse) async fn once<T>(
        &self,
        transaction: impl Future<Output = Result<T, WarehouseError>>,
    ) -> Result<T, WarehouseError> {
        match &self.retries {
            Some(policy) => policy.once(transaction).await,
            None => transaction.await,
        }
    }

    /// The protection of the connection to the database.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// Connects once and returns the cause of a failure. A pool would retry until its timeout and
    /// return no cause.
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

    /// Draws the read number that orders the next observation. Must be called just before an HTTP
    /// attempt (I6).
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

    /// The current time by PostgreSQL's clock.
    pub async fn now(&self) -> Result<DateTime<Utc>, WarehouseError> {
        let mut connection = self.pool.acquire().await.doing("reading the time")?;
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
    let beginning = {
        let pool = pool.clone();
        // Overrides the server's defaults.
        async move { pool.begin_with("begin isolation level read committed read write").await }
    };
    // In a separate task, so that only a shutdown of the runtime cancels it: if BEGIN is cancelled,
    // sqlx 0.9 returns the connection to the pool with an open transaction (sqlx issue 4393). Later
    // statements would join that transaction and be lost.
    let begun = blocking::joined(tokio::spawn(beginning).await).ok_or(WarehouseError::NoTime)?;
    let mut transaction = begun.map_err(|error| of_begin(&error, doing))?;
    // A process that freezes inside a transaction must not keep its row locks forever, and waits
    // for such locks must end. JIT compilation takes longer than running the plan. Parameters are
    // personal data, which must not appear in the server's log.
    let settings = format!(
        "set local idle_in_transaction_session_timeout = '60s'; set local lock_timeout = '30s'; \
         set local statement_timeout = 0; set local log_parameter_max_length_on_error = 0; \
         set local jit = off; {plans}"
    );
    // The text consists of constants.
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *transaction).await.doing(doing)?;
    Ok(transaction)
}

pub(in crate::warehouse) async fn now(
    connection: &mut PgConnection,
) -> Result<DateTime<Utc>, WarehouseError> {
    sqlx::query_scalar!(r#"select argos_sync.clock() as "now!""#)
        .fetch_one(connection)
        .await
        .doing("reading the time")
}

/// Converts a standby's refusal to begin a writing transaction into the refusal of a statement that
/// writes.
pub(super) fn of_begin(error: &sqlx::Error, doing: &'static str) -> WarehouseError {
    match WarehouseError::database(doing, error) {
        WarehouseError::Refused { doing, sqlstate, constraint } if sqlstate == RECOVERY => {
            renewal::note(renewal::READ_ONLY);
            WarehouseError::Refused { doing, sqlstate: renewal::READ_ONLY.to_owned(), constraint }
        }
        other => other,
    }
}

/// SQLSTATE of `BEGIN ... READ WRITE` on a standby.
pub(super) const RECOVERY: &str = "0A000";
