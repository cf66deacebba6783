//! Commands, what they print, and how the process ends. Knows how nothing works: it reads reports
//! and starts work.

mod check;
mod checklist;
mod clocks;
mod configuration;
mod deletions;
#[cfg(all(feature = "simulator", feature = "embedded"))]
mod demo;
mod exit;
mod explain;
mod fetch;
mod open;
mod plan;
mod print;
mod progress_bar;
mod project;
mod quarantine;
mod raw;
mod renormalize;
mod run;
mod samples;
mod signal;
#[cfg(feature = "simulator")]
mod simulate;
mod sparse;
mod standing;
mod status;
mod status_json;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use exit::{ExitStatus, Failed};

use crate::{config::Config, domain, telemetry};

/// Keeps a PostgreSQL warehouse equal to what the ARGOS Identity API knows.
#[derive(Debug, Parser)]
#[command(name = "argos-sync", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    options: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// Configuration file (TOML); without it, see `argos-sync config --help`.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is logged, instead of log.filter: error, warn, info, debug, trace.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the thing asked about is wrong (check, status, verify, deletions list) or not there \
    (fetch, raw, quarantine, project); 2 usage; 65 partial; 69 a project is blocked; 70 our fault; 74 the output could not be written; 75 interrupted, start again; 78 configuration or rights.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Sync: as a daemon, once, or a backfill.
    Run(run::RunOptions),
    /// Show how fresh and how complete the warehouse is.
    ///
    /// Ends with 1 where a person should look: the vendor refuses a project's key, a window came
    /// back empty without proving anything, a day cannot be read whatever is tried, a walk missed
    /// too many records and waits for
    /// `deletions approve|reject`, clocks differ, records are known to differ from their raw items,
    /// or the last run of a project failed. What is left to read, or waits for another try, is
    /// shown and not wrong: the next run goes on with it. Neither is a run that was interrupted:
    /// the next one takes up its work.
    Status(status::StatusOptions),
    /// Check configuration, database and keys, and what the API does with each key.
    ///
    /// Each key is tried, and compared with the account that its project is bound to; about eight
    /// calls a project find out what the vendor's pages leave open: how dates are written, the
    /// order of lists, which days a filter includes, how large a page may be, what lists leave out,
    /// and whether `request_type=aml` fills it. That is kept where the schema is up to date, and
    /// the calls count in the budget; nothing else is written. What the API did otherwise at the
    /// last check is shown, and ends this one with 1, once.
    Check(check::CheckOptions),
    /// Read single records now, into the warehouse.
    Fetch(fetch::FetchOptions),
    /// Print the last items of a record as the vendor sent them. They are personal data.
    Raw(raw::RawOptions),
    /// Print the calls that the next round, or a backfill, will make, without making them.
    Plan(plan::PlanOptions),
    /// Tell why a record looks as it does, and when it is looked at next; prints no value of it.
    Explain(explain::ExplainOptions),
    /// Decide about walks that missed more records than can be believed.
    #[command(subcommand)]
    Deletions(deletions::DeletionsCommand),
    /// Bind a project to another account, or delete or rename the rows of one that the
    /// configuration no longer has.
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// Show what could not be stored, store it again, or drop it.
    Quarantine(quarantine::QuarantineOptions),
    /// Refill rows that an older release wrote, from the raw items that are kept. No call is made.
    ///
    /// The daemon does the same in the background, some records after each round. Records whose raw
    /// items are missing keep their rows until they are read again.
    Renormalize(renormalize::RenormalizeOptions),
    /// Compare the data tables with the raw items that are kept, and rewrite what differs. No call
    /// is made.
    ///
    /// Finds rows that were changed, lost or added by other hands, raw items that are lost, and
    /// rows without a record. Prints how many records differ in which table, never a value. Ends
    /// with 0 when all is equal and with 1 when something differs; with `--repair`, with 0 when all
    /// is rewritten and with 65 when detail calls are due for what is lost. Deleted records are not
    /// compared, and with `raw.storage = "none"` nothing is. History records nothing; `changed_at`
    /// of a record moves where a row of it was rewritten. The daemon compares random records after
    /// each round, and `status` shows the result.
    Verify(verify::VerifyOptions),
    /// Bring the schema up to date.
    Migrate,
    /// Print the configuration in use without secrets, or the defaults of all keys.
    ///
    /// Without --config, every command takes the first of: the file that `ARGOS_SYNC_CONFIG` names,
    /// ./argos-sync.toml unless it belongs to another user or others may write to it,
    /// /etc/argos-sync/argos-sync.toml. The environment alone is enough, too.
    #[command(subcommand)]
    Config(configuration::ConfigCommand),
    /// Simulator, PostgreSQL and a backfill together, and what comes of them.
    #[cfg(all(feature = "simulator", feature = "embedded"))]
    Demo(demo::DemoOptions),
    /// Serve the vendor's API with generated people, on this machine only.
    #[cfg(feature = "simulator")]
    Simulate(crate::simulator::SimulateOptions),
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// A stream on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum StreamArgument {
    /// ID Check submissions.
    Submission,
    /// Face authentications.
    Faceauth,
}

impl From<StreamArgument> for domain::Stream {
    fn from(stream: StreamArgument) -> Self {
        match stream {
            StreamArgument::Submission => Self::Submission,
            StreamArgument::Faceauth => Self::Faceauth,
        }
    }
}

/// Parses the arguments, does what they ask for, and says how it ended.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::failure(&format!("no threads to work with: {error}"));
            return ExitStatus::Fault.into();
        }
    };
    let mut status = runtime.block_on(dispatch(cli)).unwrap_or_else(|failed| {
        print::failure(&failed.to_string());
        failed.status
    });
    if let Some(kind) = print::lost() {
        print::failure(&format!("the output could not be written: {kind}"));
        if status == ExitStatus::Done {
            status = ExitStatus::OutputLost;
        }
    }
    // What still runs is a request in flight or a second signal's task; nothing that has to end
    // well.
    runtime.shutdown_background();
    status.into()
}

async fn dispatch(cli: Cli) -> Result<ExitStatus, Failed> {
    match cli.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "argos-sync", &mut script);
            print::stdout(&String::from_utf8_lossy(&script));
            Ok(ExitStatus::Done)
        }
        #[cfg(feature = "simulator")]
        Command::Simulate(options) => simulate::simulate(&options).await,
        #[cfg(all(feature = "simulator", feature = "embedded"))]
        Command::Demo(options) => demo::demo(&options, cli.options.log.as_deref()).await,
        Command::Run(options) => run::run(&configured(&cli.options)?, &options).await,
        Command::Status(options) => status::status(&configured(&cli.options)?, &options).await,
        Command::Check(options) => check::check(&configured(&cli.options)?, &options).await,
        Command::Fetch(options) => fetch::fetch(&configured(&cli.options)?, &options).await,
        Command::Raw(options) => raw::raw(&configured(&cli.options)?, &options).await,
        Command::Plan(options) => plan::plan(&configured(&cli.options)?, &options).await,
        Command::Explain(options) => explain::explain(&configured(&cli.options)?, &options).await,
        Command::Deletions(command) => {
            deletions::deletions(&configured(&cli.options)?, &command).await
        }
        Command::Project(command) => project::project(&configured(&cli.options)?, &command).await,
        Command::Quarantine(options) => {
            quarantine::quarantine(&configured(&cli.options)?, &options).await
        }
        Command::Renormalize(options) => {
            renormalize::renormalize(&configured(&cli.options)?, &options).await
        }
        Command::Verify(options) => verify::verify(&configured(&cli.options)?, &options).await,
        Command::Config(command) => configuration::config(&command, cli.options.config.as_deref()),
        Command::Migrate => migrate(&configured(&cli.options)?).await,
    }
}

/// Reads the configuration and starts logging as it says.
fn configured(options: &Global) -> Result<Config, Failed> {
    let path = configuration::found(options.config.as_deref())?;
    let mut config = Config::load(path.as_deref())?;
    if let Some(filter) = &options.log {
        config.log_filter.clone_from(filter);
    }
    telemetry::init(
        config.log_format,
        &config.log_filter,
        print::is_watched(),
        print::StderrWriter,
    )?;
    if let (None, Some(path)) = (&options.config, &path) {
        tracing::info!(file = %path.display(), "configuration");
    }
    Ok(config)
}

async fn migrate(config: &Config) -> Result<ExitStatus, Failed> {
    let opened = open::database(config).await?;
    let result = opened.warehouse.migrate().await;
    opened.close().await?;
    result?;
    print::stdout("the schema is up to date\n");
    Ok(ExitStatus::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
