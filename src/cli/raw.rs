//! `raw`: prints the latest items of a record as received.

use tokio_util::sync::CancellationToken;

use super::{
    StreamArgument,
    exit::{ExitStatus, Failed},
    open, print,
};
use crate::{config::Config, domain::Call};

/// Arguments of `raw`.
#[derive(Debug, clap::Args)]
pub(super) struct RawOptions {
    /// The stream.
    stream: StreamArgument,
    /// The record's id.
    id: String,
    /// The project, if several have this stream.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

/// Prints the stored list item and detail item of a record, one line each. Fails with `Wrong` if
/// neither is stored.
pub(super) async fn raw(config: &Config, options: &RawOptions) -> Result<ExitStatus, Failed> {
    let opened = open::current(config).await?;
    let bodies = async {
        let world = open::world(config, &opened.warehouse, &CancellationToken::new())?;
        let project = open::project(&world, options.project.as_deref(), options.stream.into())?;
        Ok::<_, Failed>(opened.warehouse.raw_bodies(project.scope(), &options.id).await?)
    };
    let bodies = bodies.await;
    opened.close().await?;
    let bodies = bodies?;
    if bodies.is_empty() {
        return Err(Failed::new(ExitStatus::Wrong, "no raw item of that record is stored"));
    }
    for body in bodies {
        let call = match body.call {
            Call::List => "list",
            Call::Detail => "detail",
        };
        print::stderr(&format!("{call}:"));
        print::json(&body.bytes);
    }
    Ok(ExitStatus::Done)
}
