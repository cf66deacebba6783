//! Sets up logging. Log lines contain projects, windows and counts; never a person, a key or an
//! address with a query.

use std::sync::OnceLock;

use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::config::LogFormat;

/// The log filter is not valid.
#[derive(Debug, thiserror::Error)]
#[error("`log.filter` is not a valid filter: {0}")]
pub struct InvalidFilter(String);

type SetFilter = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// Replaces the filter of the logging that was set up.
static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

fn parsed(filter: &str) -> Result<EnvFilter, InvalidFilter> {
    EnvFilter::builder().parse(filter).map_err(|error| InvalidFilter(error.to_string()))
}

/// Replaces the log filter. Without logging, nothing changes.
pub fn set_filter(filter: &str) -> Result<(), InvalidFilter> {
    let filter = parsed(filter)?;
    match SET_FILTER.get() {
        Some(set) if !set(filter) => Err(InvalidFilter("logging has ended".to_owned())),
        Some(_) | None => Ok(()),
    }
}

/// Sends log lines to the writer from now on, in colour on a terminal.
pub fn init(
    format: LogFormat,
    filter: &str,
    is_terminal: bool,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> Result<(), InvalidFilter> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed(filter)?)
        .with_writer(writer)
        // The library reports them with `eprintln!`, which panics if stderr cannot be written.
        .log_internal_errors(false)
        .with_ansi(is_terminal);
    // Libraries log statements, addresses and server messages such as PostgreSQL's notices, which
    // may contain personal data (I8).
    let own = filter_fn(|line| line.target().split("::").next() == Some(env!("CARGO_CRATE_NAME")));
    // A second set-up in one process, as in tests, changes nothing.
    let (is_first, set): (_, SetFilter) = match format {
        LogFormat::Text => {
            let builder = builder.with_target(false).with_filter_reloading();
            let handle = builder.reload_handle();
            let set = move |filter| handle.reload(filter).is_ok();
            (builder.finish().with(own).try_init().is_ok(), Box::new(set))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let set = move |filter| handle.reload(filter).is_ok();
            (builder.finish().with(own).try_init().is_ok(), Box::new(set))
        }
    };
    if is_first {
        let _set_before = SET_FILTER.set(set);
    }
    Ok(())
}
