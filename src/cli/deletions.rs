//! `deletions`: lists alarms about passes that missed implausibly many records, and stores an
//! operator's decisions about them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    exit::{ExitStatus, Failed},
    open, print, run,
};
use crate::{
    config::Config,
    domain::Window,
    warehouse::{Alarm, Decision, Verdict},
};

/// The actions of `deletions`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum DeletionsCommand {
    /// List passes that missed too many records to delete them; exits with 1 if there are any.
    List,
    /// Delete the missing records of these days once detail calls confirm their absence.
    Approve(DecisionArguments),
    /// Keep all records of these days.
    Reject(DecisionArguments),
}

/// Arguments of a decision.
#[derive(Debug, clap::Args)]
pub(super) struct DecisionArguments {
    /// The days (inclusive), such as 2024-01-01..2024-01-31.
    #[arg(value_name = "FROM..TO", value_parser = run::days)]
    window: Window,
    /// The project, if there are several.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// How long the decision applies, in hours.
    #[arg(
        long,
        value_name = "HOURS",
        default_value_t = 24,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    valid_hours: u16,
}

/// Lists the alarms, or stores a decision.
pub(super) async fn deletions(
    config: &Config,
    command: &DeletionsCommand,
) -> Result<ExitStatus, Failed> {
    let opened = open::current(config).await?;
    let result = async {
        match command {
            DeletionsCommand::List => {
                let alarms = opened.warehouse.deletion_alarms().await?;
                print::stdout(&as_text(&alarms));
                Ok(if alarms.is_empty() { ExitStatus::Done } else { ExitStatus::Wrong })
            }
            DeletionsCommand::Approve(answer) => {
                decide(config, &opened, answer, Verdict::Approved).await
            }
            DeletionsCommand::Reject(answer) => {
                decide(config, &opened, answer, Verdict::Rejected).await
            }
        }
    };
    let result = result.await;
    opened.close().await?;
    result
}

async fn decide(
    config: &Config,
    opened: &open::Opened,
    answer: &DecisionArguments,
    verdict: Verdict,
) -> Result<ExitStatus, Failed> {
    let world = open::world(config, &opened.warehouse, &CancellationToken::new())?;
    let project = open::project_named(&world, answer.project.as_deref())?;
    let decision = Decision { window: answer.window, verdict };
    let time = Duration::from_hours(u64::from(answer.valid_hours));
    let settled =
        opened.warehouse.decide_deletions(project.name(), project.stream(), decision, time).await?;
    let (name, window, hours) = (project.name(), answer.window, answer.valid_hours);
    print::stdout(&match verdict {
        Verdict::Approved => format!(
            "{name} {window}: approved for {hours} hours ({settled} alarms settled); these days \
             are read again, and records that are still missing are deleted after two detail calls \
             have confirmed their absence\n"
        ),
        Verdict::Rejected => format!(
            "{name} {window}: rejected for {hours} hours ({settled} alarms settled); the missing \
             records are kept\n"
        ),
    });
    Ok(ExitStatus::Done)
}

fn days(alarm: &Alarm) -> String {
    let days = format!("{}..{}", alarm.first, alarm.last);
    let days = if alarm.filtered { days } else { format!("{days} (without a date filter)") };
    if alarm.confirmed { format!("{days} (confirmed, too many in 24 hours)") } else { days }
}

fn as_text(alarms: &[Alarm]) -> String {
    if alarms.is_empty() {
        return "no pass missed implausibly many records\n".to_owned();
    }
    let row = |alarm: &Alarm| {
        vec![
            alarm.project.clone(),
            alarm.stream.clone(),
            days(alarm),
            alarm.live.to_string(),
            alarm.missing.to_string(),
            alarm.raised_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        ]
    };
    let rows: Vec<_> = alarms.iter().map(row).collect();
    print::table(&["project", "stream", "days", "live", "missing", "raised (UTC)"], &rows)
}
