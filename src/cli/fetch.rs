//! `fetch`: reads single records now and stores them.

use std::{fs, io, str::FromStr};

use super::{
    exit::{ExitStatus, Failed},
    open, print, run, signal,
};
use crate::{
    config::Config,
    domain::Stream,
    sync::{self, FetchKey, ProjectOutcome},
};

/// Arguments of `fetch`.
#[derive(Debug, clap::Args)]
pub(super) struct FetchOptions {
    #[command(subcommand)]
    what: FetchTarget,
    /// The project, if several have this stream.
    #[arg(long, global = true, value_name = "NAME")]
    project: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum FetchTarget {
    /// ID Check submissions. Arguments are visible to every user of the machine: pass personal data
    /// as `-` or `@FILE`.
    #[command(group = clap::ArgGroup::new("by").required(true))]
    Submission {
        /// The submission with this id.
        #[arg(long, group = "by")]
        id: Option<Given>,
        /// All submissions of this user id; `-` reads it from standard input, `@FILE` from a file.
        #[arg(long, group = "by")]
        userid: Option<Given>,
        /// All submissions of this e-mail address; `-` reads it from standard input, `@FILE` from a
        /// file.
        #[arg(long, group = "by")]
        email: Option<Given>,
    },
    /// A face authentication.
    Faceauth {
        /// Its id.
        #[arg(long)]
        id: Given,
    },
}

/// A value that is not empty, given as an argument, on standard input (`-`) or in a file (`@FILE`).
#[derive(Debug, Clone)]
pub(super) struct Given(pub(super) String);

impl FromStr for Given {
    type Err = String;

    fn from_str(argument: &str) -> Result<Self, String> {
        let failed = |error: io::Error| format!("the value cannot be read: {}", error.kind());
        let value = match argument.strip_prefix('@') {
            Some(path) => fs::read_to_string(path).map_err(failed)?,
            None if argument == "-" => io::read_to_string(io::stdin()).map_err(failed)?,
            None => argument.to_owned(),
        };
        let value = value.trim();
        if value.is_empty() {
            return Err("the value is empty".to_owned());
        }
        Ok(Self(value.to_owned()))
    }
}

/// Fetches the records and prints their counts. Returns `Wrong` if none of them exists.
pub(super) async fn fetch(config: &Config, options: &FetchOptions) -> Result<ExitStatus, Failed> {
    let (stream, wanted) = match &options.what {
        FetchTarget::Faceauth { id } => (Stream::Faceauth, FetchKey::Id(id.0.clone())),
        FetchTarget::Submission { id: Some(id), .. } => {
            (Stream::Submission, FetchKey::Id(id.0.clone()))
        }
        FetchTarget::Submission { userid: Some(userid), .. } => {
            (Stream::Submission, FetchKey::Userid(userid.0.clone()))
        }
        FetchTarget::Submission { email: Some(email), .. } => {
            (Stream::Submission, FetchKey::Email(email.0.clone()))
        }
        FetchTarget::Submission { id: None, userid: None, email: None } => {
            return Err(Failed::new(ExitStatus::Usage, "give one of --id, --userid and --email"));
        }
    };
    let stop = signal::listen()?;
    let opened = open::migrated(config).await?;
    let fetched = async {
        let world = open::world(config, &opened.warehouse, &stop)?;
        let project = open::project(&world, options.project.as_deref(), stream)?;
        Ok::<_, Failed>(sync::fetch(&world, project, &wanted).await?)
    };
    let fetched = fetched.await;
    opened.close().await?;
    let fetched = fetched?;
    if let Some(reason) = &fetched.conclusion.reason {
        print::failure(reason);
    }
    let tally = fetched.tally;
    print::stdout(&format!(
        "{}: {} received, {} inserted, {} updated, {} unchanged, {} quarantined\n",
        run::words(fetched.conclusion.outcome),
        tally.received,
        tally.inserted,
        tally.updated,
        tally.unchanged,
        tally.quarantined
    ));
    Ok(match fetched.conclusion.outcome {
        // The requested record does not exist.
        ProjectOutcome::CompleteEmpty => ExitStatus::Wrong,
        outcome => outcome.into(),
    })
}
