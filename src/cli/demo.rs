//! `demo`: runs the simulator, the embedded PostgreSQL and a backfill, and shows the result.

use std::{net::Ipv4Addr, path::PathBuf};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    exit::{ExitStatus, Failed},
    open::{self, Opened},
    print, progress_bar, run, signal,
};
use crate::{
    config::{Config, LogFormat},
    domain::Window,
    simulator::{self, SimulateOptions},
    sync::{BackfillRequest, ProjectOutcome},
    telemetry,
};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct DemoOptions {
    /// Keep the simulator and PostgreSQL running until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Data directory of PostgreSQL [default: a temporary directory].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Number of simulated people.
    #[arg(long, default_value_t = 3000)]
    submissions: u32,
}

/// Example questions of an analyst, each with its SQL query.
const QUESTIONS: [(&str, &str); 3] = [
    (
        "How many people were approved each day? (last seven days)",
        "select created_at::date::text as day, count(*)::text as decided,
            count(*) filter (where kyc_result = 'approved')::text as approved,
            round(100.0 * count(*) filter (where kyc_result = 'approved') / count(*),
                1)::text || '%' as rate
         from argos.submission
         where kyc_result in ('approved', 'rejected') and deleted_at is null
         group by created_at::date order by created_at::date desc limit 7",
    ),
    (
        "Why were people rejected?",
        "select coalesce(reason.comment_code, '(text only)') as reason,
            count(distinct (project, submission_id))::text as submissions
         from argos.submission join argos.kyc_reject_reason as reason using (project, submission_id)
         where kyc_result = 'rejected' and deleted_at is null
         group by reason.comment_code order by count(distinct (project, submission_id)) desc,
             reason.comment_code limit 5",
    ),
    (
        "Which approved people have an open AML red flag? (the five with the highest risk)",
        "select submission.submission_id, submission.aml_risk_level as risk,
             count(*)::text as matches,
            round(max(score)::numeric, 1)::text as best_score
         from argos.submission join argos.aml_match using (project, submission_id)
         where submission.kyc_result = 'approved' and submission.aml_status = 'red flag'
            and submission.deleted_at is null
         group by submission.submission_id, submission.aml_risk_level
         order by array_position(array['high', 'medium', 'low'], submission.aml_risk_level),
             max(score) desc
         limit 5",
    ),
];

/// Runs the demo. Returns `Done` only if everything was read.
pub(super) async fn demo(options: &DemoOptions, log: Option<&str>) -> Result<ExitStatus, Failed> {
    telemetry::init(
        LogFormat::Text,
        log.unwrap_or("warn"),
        print::is_watched(),
        print::StderrWriter,
    )?;
    let stop = signal::listen()?;
    let fault = |error: std::io::Error| {
        Failed::new(ExitStatus::Fault, format!("the simulator could not start: {error}"))
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(fault)?;
    let url = format!("http://{}/v3", listener.local_addr().map_err(fault)?);
    let simulated = simulated(options.submissions);
    let world = simulated.simulation();
    let ended = CancellationToken::new();
    let server = tokio::spawn(simulator::serve(listener, world, ended.clone().cancelled_owned()));
    print::stdout(&format!("The vendor is simulated at {url}: {} people.\n", options.submissions));

    let dir = match &options.data_dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("argos-sync-demo-{}", std::process::id())),
    };
    let config = config(&url, &simulated, &dir)?;
    let result = show(&config, &simulated, options, &stop).await;
    if options.data_dir.is_none() {
        // The directory was created for this demo only.
        let _gone_already = std::fs::remove_dir_all(&dir);
    }
    ended.cancel();
    if !stop.is_cancelled() {
        let _served_until_now = server.await;
    }
    result
}

fn simulated(submissions: u32) -> SimulateOptions {
    #[derive(clap::Parser)]
    struct Defaults {
        #[command(flatten)]
        options: SimulateOptions,
    }
    let defaults: Defaults = clap::Parser::parse_from(["simulate"]);
    SimulateOptions { submissions, faceauths: submissions / 2, ..defaults.options }
}

/// Returns the configuration that a user would write for the simulator.
fn config(url: &str, simulated: &SimulateOptions, dir: &std::path::Path) -> Result<Config, Failed> {
    let text = format!(
        "data_dir = \"{}\"\n[client]\ncalls_per_second = 1000\n\
         [project.main]\nkind = \"idcheck\"\nbase_url = \"{url}\"\napi_key = \"{}\"\n\
         [project.face]\nkind = \"faceauth\"\nparent = \"main\"\nbase_url = \"{url}\"\n\
         api_key = \"{}\"\n",
        dir.display(),
        simulated.key,
        simulated.faceauth_key,
    );
    Ok(Config::of_text(&text)?)
}

async fn show(
    config: &Config,
    simulated: &SimulateOptions,
    options: &DemoOptions,
    stop: &CancellationToken,
) -> Result<ExitStatus, Failed> {
    let opened = open::migrated(config).await?;
    let result = show_open(config, simulated, options, &opened, stop).await;
    opened.close().await?;
    result
}

async fn show_open(
    config: &Config,
    simulated: &SimulateOptions,
    options: &DemoOptions,
    opened: &Opened,
    stop: &CancellationToken,
) -> Result<ExitStatus, Failed> {
    let world = open::world(config, &opened.warehouse, stop)?;
    let today = opened.warehouse.now().await?.date_naive();
    let from = simulated.from.or_else(|| today.checked_sub_days(chrono::Days::new(366)));
    let window = Window::new(from.unwrap_or(today), Window::day(today).to())
        .map_err(|error| Failed::new(ExitStatus::Fault, error.to_string()))?;
    print::stdout(
        "PostgreSQL is running. Reading all records, with a detail call for each submission \
         ...\n\n",
    );
    let backfill =
        BackfillRequest { window, stream: None, project: None, restart: false, job: None };
    let start = tokio::time::Instant::now();
    let ended = progress_bar::watch(&world.progress, backfill.run(&world)).await;
    let seconds = start.elapsed().as_secs_f64();
    let outcome = ended.as_ref().map(|(_, ended)| ended.worst());
    let is_complete = matches!(outcome, Ok(ProjectOutcome::Complete));
    let status = run::conclude(&world, ended).await?;
    if !is_complete {
        return Ok(status);
    }
    print::stdout(&format!("\nRead in {seconds:.1} s. The warehouse now contains:\n\n"));
    let counts = opened.warehouse.table_counts().await?;
    let rows: Vec<_> =
        counts.into_iter().map(|table| vec![table.name, table.rows.to_string()]).collect();
    print::stdout(&print::table(&["table", "rows"], &rows));
    for (question, sql) in QUESTIONS {
        let (head, rows) = opened.warehouse.ask(sql).await?;
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        print::stdout(&format!("\n{question}\n\n{}", print::table(&head, &rows)));
    }
    let connect = opened.how_to_connect().unwrap_or_default();
    if options.keep {
        print::stdout(&format!("\nRunning until Ctrl-C. Connect with:\n\n  {connect}\n"));
        stop.cancelled().await;
    } else {
        print::stdout(
            "\nTo explore the data: `argos-sync demo --keep` keeps both running and prints a psql \
             command.\n",
        );
    }
    Ok(status)
}
