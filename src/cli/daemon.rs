//! The daemon of `run`: waits for PostgreSQL, serves HTTP, and continues with changed secrets.

use std::sync::OnceLock;

use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    exit::{ExitStatus, Failed},
    open::{self, Opened},
    signal,
};
use crate::{config::Config, service::Service, sync::run_daemon, telemetry};

/// Runs the daemon. Restarts it whenever a secret has changed, after the old one was refused or
/// SIGHUP was received.
pub(super) async fn daemon(config: Config, stop: &CancellationToken) -> Result<ExitStatus, Failed> {
    // Before the start is reported: a SIGHUP ends a process that does not listen for it.
    let hangups = signal::hangups()?;
    let service = Service::start(&config.http, stop).await;
    let ended = rounds(config, &service, hangups, stop).await;
    service.end().await;
    ended
}

async fn rounds(
    mut config: Config,
    service: &Service,
    mut hangups: Signal,
    stop: &CancellationToken,
) -> Result<ExitStatus, Failed> {
    loop {
        let opened = tokio::select! {
            opened = open_patiently(&config, stop) => opened?,
            renewed = reread(&config, &mut hangups) => {
                config = renewed;
                continue;
            }
        };
        let Some(opened) = opened else { return Ok(ExitStatus::Done) };
        let rounds = stop.child_token();
        let renewed = OnceLock::new();
        let world = open::world(&config, &opened.warehouse, &rounds);
        if let Ok(world) = &world {
            let has_new_secret = || match config.with_new_secrets() {
                Ok(Some(config)) => renewed.set(config).is_ok(),
                // A file that cannot be read now is read again later.
                Ok(None) | Err(_) => false,
            };
            let working = run_daemon(world, &has_new_secret);
            let rereading = async {
                tokio::select! {
                    () = rounds.cancelled() => {}
                    config = reread(&config, &mut hangups) => {
                        let _already_renewed = renewed.set(config);
                        rounds.cancel();
                    }
                }
            };
            tokio::join!(working, rereading, service.show(&config, world));
        }
        opened.close().await?;
        world?;
        if stop.is_cancelled() {
            return Ok(ExitStatus::Done);
        }
        if let Some(renewed) = renewed.into_inner() {
            config = renewed;
        }
    }
}

/// Reads the configuration again at each SIGHUP, and sets the log filter. Returns the configuration
/// once a secret has changed.
async fn reread(config: &Config, hangups: &mut Signal) -> Config {
    loop {
        if hangups.recv().await.is_none() {
            // No signal can be received any more.
            std::future::pending::<()>().await;
        }
        let reread = match config.reread() {
            Ok(reread) => reread,
            Err(error) => {
                let advice = "correct it and send SIGHUP again";
                warn!(%error, advice, "cannot read the configuration again; nothing has changed");
                continue;
            }
        };
        if let Some(filter) = &reread.log_filter
            && let Err(error) = telemetry::set_filter(filter)
        {
            warn!(%error, "the log filter has not changed");
        }
        info!(new_secret = reread.renewed.is_some(), "secrets and log filter were read again");
        if let Some(renewed) = reread.renewed {
            return renewed;
        }
    }
}

/// Opens the warehouse, and waits for PostgreSQL without a time limit (I11). Returns `None` if the
/// program has to end first.
async fn open_patiently(
    config: &Config,
    stop: &CancellationToken,
) -> Result<Option<Opened>, Failed> {
    loop {
        let opened = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            opened = open::migrated(config) => opened,
        };
        match opened {
            Err(failed) if failed.status == ExitStatus::Interrupted => {
                warn!("waiting for PostgreSQL: {failed}");
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(std::time::Duration::from_secs(5)) => {}
                }
            }
            opened => return opened.map(Some),
        }
    }
}
