//! Sets up logging. Log lines contain projects, windows and counts; never a person, a key or an
//! address with a query.

use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::config::LogFormat;

/// The log filter is not valid.
#[derive(Debug, thiserror::Error)]
#[error("`log.filter` is not a valid filter: {0}")]
pub struct InvalidFilter(String);

/// Sends log lines to the writer from now on, in colour on a terminal.
pub fn init(
    format: LogFormat,
    filter: &str,
    is_terminal: bool,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> Result<(), InvalidFilter> {
    let filter =
        EnvFilter::builder().parse(filter).map_err(|error| InvalidFilter(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // The library reports them with `eprintln!`, which panics if stderr cannot be written.
        .log_internal_errors(false)
        .with_ansi(is_terminal);
    // Libraries log statements, addresses and server messages such as PostgreSQL's notices, which
    // may contain personal data (I8).
    let own = filter_fn(|line| line.target().split("::").next() == Some(env!("CARGO_CRATE_NAME")));
    // A second set-up in one process, as in tests, changes nothing.
    let _already_set = match format {
        LogFormat::Text => builder.with_target(false).finish().with(own).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().with(own).try_init(),
    };
    Ok(())
}
