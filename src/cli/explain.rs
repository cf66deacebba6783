//! `explain`: prints the state and the events of a record, and when it is read next. Prints none of
//! its values.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{
    StreamArgument,
    exit::{ExitStatus, Failed},
    open, print,
};
use crate::{
    config::Config,
    domain::Lane,
    planner,
    sync::PlanInput,
    warehouse::{RecordEvent, RecordStatus},
};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainOptions {
    /// The stream.
    stream: StreamArgument,
    /// The record's id.
    id: String,
    /// The project, if several have this stream.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

/// Prints the state, the events and the next reads of a record. Fails with `Wrong` if the record is
/// not known.
pub(super) async fn explain(
    config: &Config,
    options: &ExplainOptions,
) -> Result<ExitStatus, Failed> {
    let opened = open::current(config).await?;
    let told = async {
        let world = open::world(config, &opened.warehouse, &CancellationToken::new())?;
        let project = open::project(&world, options.project.as_deref(), options.stream.into())?;
        let Some(status) = opened.warehouse.record_status(project.scope(), &options.id).await?
        else {
            let why = "no record with this id is known: no list and no detail call has returned it";
            return Err(Failed::new(ExitStatus::Wrong, why));
        };
        let events =
            opened.warehouse.events(project.scope(), &options.id, status.window_day).await?;
        let PlanInput { settings, ledger, clocks } = PlanInput::of(&world, project).await?;
        let next = planner::next_read(&settings, &ledger, status.window_day, &clocks);
        Ok::<_, Failed>(as_text(&status, &events, next, clocks.database))
    };
    let told = told.await;
    opened.close().await?;
    print::stdout(&told?);
    Ok(ExitStatus::Done)
}

fn as_text(
    status: &RecordStatus,
    events: &[RecordEvent],
    next: Option<(Lane, DateTime<Utc>)>,
    now: DateTime<Utc>,
) -> String {
    let mut text = String::new();
    let mut tell = |line: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "{line}");
    };
    let yes = |is: bool| if is { "yes" } else { "no" };
    tell(format_args!("day             {}", status.window_day));
    tell(format_args!("day read as of  {}", time(status.as_of)));
    tell(format_args!("seen in a list  {}", yes(status.has_list)));
    tell(format_args!("detail call     {}", yes(status.has_detail)));
    tell(format_args!("unsettled       {}", yes(status.unsettled)));
    tell(format_args!("last change     {}", time(status.changed_at)));
    if let Some(at) = status.deleted_at {
        let why = if status.deleted_by_absence { "not found" } else { "marked by the vendor" };
        tell(format_args!("deleted         {} ({why})", time(Some(at))));
    }
    if status.undated {
        tell(format_args!(
            "undated         its creation date is missing or invalid; only a list without a date \
             filter can miss it"
        ));
    }
    if status.unlisted {
        tell(format_args!("unlisted        it exists, but lists of its day do not contain it"));
    }
    if status.sources_differ {
        tell(format_args!(
            "sources differ  list and detail call disagree; the later response wins"
        ));
    }
    if status.doubted {
        tell(format_args!(
            "set aside       a list item that is older than the record by the vendor's own times; \
             a detail call decides"
        ));
    }
    if status.sparse {
        tell(format_args!(
            "sparse          lists omit kyc or aml; scheduled detail calls read it, the next one \
             after {}",
            time(status.detail_next_at)
        ));
    }
    if let Some(missed_at) = status.missed_at {
        let calls = if status.absent_at.is_some() {
            "one detail call has not found it; a second one decides"
        } else {
            "detail calls decide"
        };
        tell(format_args!("missed          by a pass at {}; {calls}", time(Some(missed_at))));
    }
    if let Some(marked_at) = status.marked_at {
        let calls = if status.mark_found_at.is_some() {
            "one detail call has shown the mark; a second one decides"
        } else {
            "detail calls decide"
        };
        tell(format_args!("marked          as deleted since {}; {calls}", time(Some(marked_at))));
    }
    let _infallible = writeln!(text);
    for event in events {
        let _infallible = writeln!(text, "{}  {}", time(Some(event.at)), event.description);
    }
    let _infallible = writeln!(text);
    tell_next(&mut text, status, next, now);
    text
}

/// Appends the record's next detail call and the next list of its day.
fn tell_next(
    text: &mut String,
    status: &RecordStatus,
    next: Option<(Lane, DateTime<Utc>)>,
    now: DateTime<Utc>,
) {
    let mut tell = |line: std::fmt::Arguments<'_>| {
        let _infallible = writeln!(text, "{line}");
    };
    if let Some(due_at) = status.detail_due_at {
        let failures = status.detail_failures.unwrap_or_default();
        let failed =
            if failures > 0 { format!(" (failed {failures} times)") } else { String::new() };
        tell(format_args!("next detail     {}{failed}", soon(due_at, now)));
    }
    match next {
        Some((lane, at)) if lane == Lane::Recent && at > now => tell(format_args!(
            "next list       {} (lane {lane}), when its day is at most {} days ahead; until then, \
             only lists without a date filter and detail calls read it",
            time(Some(at)),
            crate::domain::DAYS_AHEAD,
        )),
        Some((lane, at)) => tell(format_args!("next list       {} (lane {lane})", soon(at, now))),
        None => tell(format_args!(
            "next list       none for its day: only lists without a date filter and detail calls \
             read it"
        )),
    }
}

fn soon(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at <= now { "in the next round".to_owned() } else { time(Some(at)) }
}

fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or("never".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
}
