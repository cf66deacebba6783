//! The command line: arguments, output and exit codes. Starts the work of other modules and prints
//! their reports.

mod check;
mod checklist;
mod configuration;
mod control;
mod daemon;
mod deletions;
#[cfg(all(feature = "simulator", feature = "embedded"))]
mod demo;
mod exit;
mod explain;
mod fetch;
mod health;
mod open;
mod plan;
mod print;
mod progress_bar;
mod project;
mod quarantine;
mod raw;
mod renormalize;
mod run;
mod signal;
#[cfg(feature = "simulator")]
mod simulate;
mod status;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use exit::{ExitStatus, Failed};

use crate::{config::Config, domain, telemetry};

/// Keeps a PostgreSQL warehouse equal to the ARGOS Identity API.
#[derive(Debug, Parser)]
#[command(name = "argos-sync", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    options: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
struct Global {
    /// Configuration file (TOML). Default: see `argos-sync config --help`.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log level, overrides log.filter: error, warn, info, debug or trace.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

const EXIT_CODES: &str = "Exit codes: 0 success; 1 a problem was found (check, status, verify, \
     deletions list) or the item does not exist (fetch, raw, quarantine, project); 2 usage; 65 \
     partial; 69 a project is blocked; 70 internal error; 74 the output could not be written; 75 \
     interrupted, start again; 78 configuration or permissions.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Sync as a daemon, once, or for a backfill.
    Run(run::RunOptions),
    /// Show the freshness and completeness of the warehouse.
    ///
    /// Exits with 1 if an operator must act: the vendor refuses a project's key, a window is empty
    /// and unverified, a day cannot be read, a pass missed too many records and waits for
    /// `deletions approve` or `deletions reject`, clocks differ, records differ from their raw
    /// items, or the last run of a project failed. Pending work and interrupted runs are shown but
    /// are not an error: the next run continues them.
    Status(status::StatusOptions),
    /// Ask the running daemon whether it works.
    ///
    /// Prints the answer of its HTTP service at `http.listen`. Exits with 1 if a check fails or no
    /// daemon answers.
    Health(health::HealthOptions),
    /// Check the configuration, the database and the keys, and probe the API.
    ///
    /// Verifies that each key opens the account that its project is bound to. About eight calls for
    /// each project probe what the vendor does not document: the date format, the order of lists,
    /// the days that a filter includes, the largest page, the fields missing from lists, and
    /// whether `request_type=aml` returns them. The results are stored if the schema is up to date,
    /// and the calls count towards the budget; nothing else is written. Exits with 1 once when the
    /// API behaves differently from the last check.
    Check(check::CheckOptions),
    /// Read single records now and store them.
    Fetch(fetch::FetchOptions),
    /// Print the latest raw items of a record. They are personal data.
    Raw(raw::RawOptions),
    /// Print the calls of the next round or of a backfill without making them.
    Plan(plan::PlanOptions),
    /// Explain the state of a record and when it is read next; prints none of its values.
    Explain(explain::ExplainOptions),
    /// Decide about passes that missed implausibly many records.
    #[command(subcommand)]
    Deletions(deletions::DeletionsCommand),
    /// Rebind a project to another account, or delete or rename the rows of a removed project.
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// Stop all calls of a project, except those of `check`, until it is resumed.
    ///
    /// Applies to every process of this warehouse, within a second. Received data are stored. The
    /// project stays paused when the daemon starts again.
    Pause(control::ProjectArgument),
    /// Let a paused project continue.
    Resume(control::ProjectArgument),
    /// Request that the daemon reads days or one record again.
    ///
    /// Days are read by a backfill, and each of their known records by a detail call. Without a
    /// daemon, `run --backfill` and `fetch` read them at once.
    Resync(control::ResyncOptions),
    /// List, retry or drop items that could not be stored.
    Quarantine(quarantine::QuarantineOptions),
    /// Rebuild the rows of an older release from the stored raw items. Makes no calls.
    ///
    /// The daemon does the same in the background, some records after each round. Records without
    /// stored raw items keep their rows until they are read again.
    Renormalize(renormalize::RenormalizeOptions),
    /// Compare the data tables with the stored raw items, and repair them. Makes no calls.
    ///
    /// Finds rows that others changed, deleted or added, lost raw items, and rows without a record.
    /// Prints the number of differing records of each table, never a value. Exits with 0 if
    /// everything is equal and with 1 if anything differs; with `--repair`, with 0 if everything
    /// was repaired and with 65 if detail calls are due for lost items. Deleted records are not
    /// compared; with `raw.storage = "none"`, no records are. Repairs are not recorded in history,
    /// but set `changed_at` of the record. The daemon compares random records after each round, and
    /// `status` shows the result.
    Verify(verify::VerifyOptions),
    /// Migrate the schema to this release.
    Migrate,
    /// Print the effective configuration without secrets, or the defaults of all keys.
    ///
    /// Without --config, every command reads the first file of: `$ARGOS_SYNC_CONFIG`,
    /// ./argos-sync.toml (unless it belongs to another user or others may write to it),
    /// /etc/argos-sync/argos-sync.toml. Environment variables alone are enough, too.
    #[command(subcommand)]
    Config(configuration::ConfigCommand),
    /// Run the simulator, PostgreSQL and a backfill together, and show the result.
    #[cfg(all(feature = "simulator", feature = "embedded"))]
    Demo(demo::DemoOptions),
    /// Serve a simulated API with generated people, on this machine only.
    #[cfg(feature = "simulator")]
    Simulate(crate::simulator::SimulateOptions),
    /// Print the completion script for a shell.
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

/// Parses the arguments, runs the command, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::failure(&format!("the runtime could not start: {error}"));
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
    // Only requests in flight and the signal task may still be running. Neither has to finish.
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
        Command::Pause(argument) => control::pause(&configured(&cli.options)?, &argument).await,
        Command::Resume(argument) => control::resume(&configured(&cli.options)?, &argument).await,
        Command::Resync(options) => control::resync(&configured(&cli.options)?, &options).await,
        Command::Quarantine(options) => {
            quarantine::quarantine(&configured(&cli.options)?, &options).await
        }
        Command::Renormalize(options) => {
            renormalize::renormalize(&configured(&cli.options)?, &options).await
        }
        Command::Verify(options) => verify::verify(&configured(&cli.options)?, &options).await,
        Command::Health(options) => {
            let path = configuration::found(cli.options.config.as_deref())?;
            health::health(path.as_deref(), &options).await
        }
        Command::Config(command) => configuration::config(&command, cli.options.config.as_deref()),
        Command::Migrate => migrate(&configured(&cli.options)?).await,
    }
}

/// Loads the configuration and starts logging. `--log` overrides the configured filter.
fn configured(options: &Global) -> Result<Config, Failed> {
    let path = configuration::found(options.config.as_deref())?;
    let mut config = Config::load(path.as_deref())?;
    if let Some(filter) = &options.log {
        config.log_filter.clone_from(filter);
        config.is_log_filter_fixed = true;
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
