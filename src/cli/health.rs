//! `health`: asks the running daemon whether it works.

use std::path::Path;

use super::{
    exit::{ExitStatus, Failed},
    print,
};
use crate::{
    config,
    service::{self, HealthCheck},
};

/// Arguments of `health`.
#[derive(Debug, clap::Args)]
pub(super) struct HealthOptions {
    /// Ask only whether the work continues (/livez). The answer does not depend on PostgreSQL.
    #[arg(long)]
    alive: bool,
    /// Also require that all days since `sync.since` are read, that no detail call is due, and that
    /// `status` finds no problem.
    #[arg(long, conflicts_with = "alive")]
    complete: bool,
}

/// Prints the answer of the daemon. Ends with 1 if a check failed or no daemon answers.
///
/// Reads no secret, so that it also works where the daemon's credentials cannot be read.
pub(super) async fn health(
    path: Option<&Path>,
    options: &HealthOptions,
) -> Result<ExitStatus, Failed> {
    let Some(listen) = config::http_listen(path)? else {
        return Err(Failed::new(
            ExitStatus::Config,
            "`http.listen` is \"off\": set an IP address with a port, and restart the daemon",
        ));
    };
    let check = match options {
        HealthOptions { alive: true, .. } => HealthCheck::Alive,
        HealthOptions { complete: true, .. } => HealthCheck::Complete,
        HealthOptions { .. } => HealthCheck::Ready,
    };
    let health = service::ask(listen, check).await.map_err(|error| {
        let why = format!("{error}: start it with `argos-sync run`, or correct `http.listen`");
        Failed::new(ExitStatus::Wrong, why)
    })?;
    print::stdout(&health.text);
    Ok(if health.is_good { ExitStatus::Done } else { ExitStatus::Wrong })
}
