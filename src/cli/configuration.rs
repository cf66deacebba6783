//! `config`: prints the configuration. Also finds the configuration file for every command.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{
    exit::{ExitStatus, Failed},
    print,
};
use crate::config::{self, Config, LogFormat};

/// The environment variable with the path of the configuration file, used without `--config`.
const VARIABLE: &str = "ARGOS_SYNC_CONFIG";
/// The configuration file in the working directory.
const HERE: &str = "argos-sync.toml";
/// The configuration file of the machine.
const OF_THE_MACHINE: &str = "/etc/argos-sync/argos-sync.toml";

/// The actions of `config`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every key with its effective value; exits with 78 if the configuration is invalid.
    ///
    /// Secrets and the values of unknown keys are printed as `<hidden>`.
    Show,
    /// Print all keys with their defaults and meaning, as a file to start from.
    Default,
}

/// Prints the effective configuration or the defaults.
pub(super) fn config(command: &ConfigCommand, given: Option<&Path>) -> Result<ExitStatus, Failed> {
    match command {
        ConfigCommand::Default => print::stdout(config::DEFAULTS),
        ConfigCommand::Show => {
            let path = found(given)?;
            let source = path.as_ref().map_or_else(
                || "# no file; defaults and the environment".to_owned(),
                |path| format!("# {}, defaults and the environment", path.display()),
            );
            let lines = config::effective(path.as_deref())?;
            print::stdout(&format!("{source}\n{lines}"));
            Config::load(path.as_deref())?;
        }
    }
    Ok(ExitStatus::Done)
}

/// Returns the configuration file that [`path`] finds. If its log format is JSON, messages are
/// printed as JSON from then on.
pub(super) fn found(given: Option<&Path>) -> Result<Option<PathBuf>, Failed> {
    let path = path(given)?;
    if config::log_format(path.as_deref()) == LogFormat::Json {
        print::talk_in_json();
    }
    Ok(path)
}

/// Returns the configuration file; `None` if only environment variables configure the program.
///
/// This is the first of: `given`, the path in [`VARIABLE`], [`HERE`], [`OF_THE_MACHINE`]. Fails if
/// [`HERE`] exists but others may write to it, and if there is no configuration.
fn path(given: Option<&Path>) -> Result<Option<PathBuf>, Failed> {
    if let Some(path) = given {
        return Ok(Some(path.to_owned()));
    }
    if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(Some(path.into()));
    }
    let here = Path::new(HERE);
    if let Ok(metadata) = fs::metadata(here) {
        if config::is_trusted(&metadata) {
            return Ok(Some(here.to_owned()));
        }
        return Err(Failed::new(
            ExitStatus::Config,
            "./argos-sync.toml is ignored: it belongs to another user, or others may write to it; \
             pass it with --config if you trust it",
        ));
    }
    let of_the_machine = Path::new(OF_THE_MACHINE);
    if of_the_machine.exists() {
        return Ok(Some(of_the_machine.to_owned()));
    }
    if config::is_given_by_environment() {
        return Ok(None);
    }
    Err(Failed::new(
        ExitStatus::Config,
        format!(
            "no configuration found: pass a file with --config or {VARIABLE}, or create ./{HERE} \
             or {OF_THE_MACHINE}; `argos-sync config default` prints one to start from, and \
             `argos-sync demo` needs none"
        ),
    ))
}
