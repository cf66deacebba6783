//! `fetch`: single records, now, into the warehouse.

use super::{
    exit::{ExitStatus, Failed},
    open, print, run, signal,
};
use crate::{
    config::Config,
    domain::Stream,
    sync::{self, ProjectOutcome, Wanted},
};

/// Which records.
#[derive(Debug, clap::Args)]
pub(super) struct FetchOptions {
    #[command(subcommand)]
    what: What,
    /// The project, where several have the stream.
    #[arg(long, global = true, value_name = "NAME")]
    project: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Submissions.
    #[command(group = clap::ArgGroup::new("by").required(true))]
    Submission {
        /// The submission of this id.
        #[arg(long, group = "by")]
        id: Option<String>,
        /// All submissions of this user id.
        #[arg(long, group = "by")]
        userid: Option<String>,
        /// All submissions of this e-mail address.
        #[arg(long, group = "by")]
        email: Option<String>,
    },
    /// A face authentication.
    Faceauth {
        /// Its id.
        #[arg(long)]
        id: String,
    },
}

/// Fetches.
pub(super) async fn fetch(config: &Config, options: &FetchOptions) -> Result<ExitStatus, Failed> {
    let (stream, wanted) = match &options.what {
        What::Faceauth { id } => (Stream::Faceauth, Wanted::Id(id.clone())),
        What::Submission { id: Some(id), .. } => (Stream::Submission, Wanted::Id(id.clone())),
        What::Submission { userid: Some(userid), .. } => {
            (Stream::Submission, Wanted::Userid(userid.clone()))
        }
        What::Submission { email, .. } => {
            (Stream::Submission, Wanted::Email(email.clone().unwrap_or_default()))
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
    if let Some(why) = &fetched.why {
        print::talk(&format!("argos-sync: {why}"));
    }
    let tally = fetched.tally;
    print::data(&format!(
        "{}: {} received, {} inserted, {} updated, {} unchanged, {} quarantined\n",
        run::words(fetched.outcome),
        tally.received,
        tally.inserted,
        tally.updated,
        tally.unchanged,
        tally.quarantined
    ));
    Ok(match fetched.outcome {
        // What was asked for is not there.
        ProjectOutcome::CompleteEmpty => ExitStatus::Wrong,
        outcome => outcome.into(),
    })
}
