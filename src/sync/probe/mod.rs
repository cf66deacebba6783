//! Probes the behaviour of an API that the vendor's pages leave open. A handful of calls suffice.
//! The findings are stored for later runs and compared with earlier ones.
//!
//! They never change what is read: windows are requested one day wider on either side, and no order
//! is trusted. A finding can only save calls.

mod filter;
mod finding;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tracing::debug;

pub use self::finding::{Fact, Finding};
use self::{
    filter::{Dated, DatedList, Filter, telling_windows},
    finding::{News, UNKNOWN, page_limit},
};
use super::outcome::Failure;
use super::project::Project;
use super::world::World;
use crate::{
    client::{CallLimiter, CallRemedy, Client, ClientError, DateStyle, Item, Page, TextForm},
    domain::{ItemKey, Lane, Stream, Window},
    json::{self, Json},
    normalize::{self, Objects},
    warehouse::{FindingUpdate, WarehouseError},
};

/// Time limit for all calls of a project together.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Most pages of a list with dates; records after them stay unknown.
const PAGES_MAX: usize = 2;

/// The finding if lists of AML data contain `aml` of records whose other list items lack it.
pub(super) const AML_LISTS_ARE_COMPLETE: &str = "complete";

/// Fewer moments than these may be in order by chance.
const MOMENTS_MIN: usize = 6;

/// Why a project was not probed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The API failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The database failed.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The calls took too long.
    #[error("the probe took longer than {} s", TIME_MAX.as_secs())]
    Slow,
}

impl ProbeError {
    /// What the operator should check; may be empty.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Client(error) => error.advice(),
            Self::Warehouse(error) => error.advice(),
            Self::Slow => {
                "run `check` again when the vendor responds faster and no other process uses up \
                 its calls"
            }
        }
    }
}

/// Probes a project's API and stores the findings. A finding that contradicts an earlier one
/// contains that one too.
///
/// The calls count against the budget. Needs the schema of this release.
pub async fn probe_and_learn(world: &World, project: &Project) -> Result<Vec<Finding>, ProbeError> {
    let found = ask_in_time(project, project.client(Lane::Audit)).await;
    project.give_calls_back(&world.warehouse).await;
    let mut findings = found?;
    let held = world.warehouse.findings(project.name()).await?;
    let mut learned = Vec::new();
    for finding in &mut findings {
        let before = held.get(finding.fact.as_str());
        let news = finding.news(before.map(String::as_str));
        if news == News::Contradiction {
            finding.before = before.cloned();
        }
        if news != News::Nothing {
            learned.push(&*finding);
        }
    }
    let learned: Vec<_> = learned
        .into_iter()
        .map(|finding| FindingUpdate {
            fact: finding.fact.as_str(),
            finding: &finding.words,
            before: finding.before.as_deref(),
        })
        .collect();
    world.warehouse.save_findings(project.name(), &learned).await?;
    Ok(findings)
}

/// Probes a project's API by calls through the given limiter; stores nothing.
pub async fn probe(
    project: &Project,
    limiter: Arc<dyn CallLimiter>,
) -> Result<Vec<Finding>, ProbeError> {
    ask_in_time(project, &project.client(Lane::Audit).through(limiter)).await
}

/// Starts with the date style found earlier, so that no process has to find it by a rejected call.
/// Recalls whether lists have shown a next-page key, so that no process makes another call for it.
///
/// Of the findings only the date style is used. Smaller pages would save no call. Trusting the end
/// day or the zone would lose records on the day the vendor changes them.
pub(super) async fn recall(world: &World, project: &Project) -> Result<(), Failure> {
    let client = project.client(Lane::Audit);
    if !client.marks_end() && world.warehouse.end_is_marked(project.name()).await? {
        client.expect_end_mark();
    }
    if client.date_style().is_some() {
        return Ok(());
    }
    let held = world.warehouse.findings(project.name()).await?;
    let styles = [DateStyle::Dashed, DateStyle::Compact];
    let found = held.get(Fact::DateStyle.as_str());
    if let Some(style) = styles.into_iter().find(|style| found.is_some_and(|it| it == word(*style)))
    {
        debug!(
            project = %project.name(), style = word(style),
            "starting with the detected date style"
        );
        client.expect_date_style(style);
    }
    Ok(())
}

/// An item with an id.
struct Sample {
    key: ItemKey,
    body: Bytes,
}

impl Sample {
    fn objects(&self) -> Objects {
        let text = json::text(&self.body);
        json::parse(&text).map(|item| Objects::of(&item.value)).unwrap_or_default()
    }
}

async fn ask_in_time(project: &Project, client: &Client) -> Result<Vec<Finding>, ProbeError> {
    let asking = tokio::time::timeout(TIME_MAX, ask(project, client));
    Ok(asking.await.map_err(|_elapsed| ProbeError::Slow)??)
}

async fn ask(project: &Project, client: &Client) -> Result<Vec<Finding>, ClientError> {
    let mut pages = client.all_pages(None).boxed();
    let page = unless_in_doubt(pages.try_next().await)?.flatten();
    drop(pages);
    let asked = client.page_size();
    let limit = page.as_ref().map_or_else(
        || UNKNOWN.to_owned(),
        |page| page_limit(asked, page.items.len(), page.next.is_none()),
    );
    let samples = page.map_or_else(Vec::new, |page| samples(project, page));
    let known = dated(&samples);
    let mut dated_lists = Vec::new();
    for window in telling_windows(&known) {
        dated_lists.push(read_list(project, client, window).await?);
    }
    let filter = Filter::save_findings(&dated_lists, &known);
    let lists = lists(client, &samples).await?;
    let aml_lists = match lists.unlisted_aml {
        Some(sample) => aml_lists(project, client, sample).await?,
        None => UNKNOWN,
    };
    let mut findings = vec![
        Finding::new(Fact::DateStyle, client.date_style().map_or(UNKNOWN, word)),
        Finding::new(Fact::Order, order(&known)),
        Finding::new(Fact::EndDay, either(filter.includes_end, "included", "excluded")),
        Finding::new(Fact::FilterZone, either(filter.is_korean, "+09:00", "utc")),
        Finding::new(Fact::PageLimit, limit),
        Finding::new(Fact::Lists, lists.words),
        Finding::new(
            Fact::Encryption,
            match client.encryption() {
                None => "none",
                Some(TextForm::Base64) => "base64",
                Some(TextForm::Hex) => "hex",
            },
        ),
    ];
    if project.stream() == Stream::Submission {
        findings.push(Finding::new(Fact::AmlLists, aml_lists));
    }
    Ok(findings)
}

/// Lists the days from the window's first to the day after its last. Both are requested as they
/// are, because the interpretation of the ends is the question.
async fn read_list(
    project: &Project,
    client: &Client,
    asked: Window,
) -> Result<DatedList, ClientError> {
    let mut list = DatedList { asked, brought: Vec::new(), is_whole: false };
    let mut pages = client.pages(asked, None).take(PAGES_MAX).boxed();
    while let Some(page) = unless_in_doubt(pages.try_next().await)?.flatten() {
        list.is_whole = page.next.is_none();
        list.brought.extend(dated(&samples(project, page)));
    }
    Ok(list)
}

/// The result of a list; `None` if its end is in doubt, so that nothing can be derived.
fn unless_in_doubt<T>(brought: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match brought {
        Ok(brought) => Ok(Some(brought)),
        Err(ClientError::EndUnknown(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn samples(project: &Project, page: Page) -> Vec<Sample> {
    let scope = project.scope();
    let sample = |Item { body, key }: Item| {
        let key = key.or_else(|| normalize::read_key(scope.stream, &scope.volatile, &body).ok())?;
        Some(Sample { key, body })
    };
    page.items.into_iter().filter_map(sample).collect()
}

fn dated(samples: &[Sample]) -> Vec<Dated> {
    let dated = samples.iter().filter_map(|Sample { key, .. }| {
        Some(Dated { id: key.id.clone(), created_at: key.created_at? })
    });
    dated.collect()
}

/// The order in which the records were returned.
fn order(known: &[Dated]) -> &'static str {
    let mut times: Vec<_> = known.iter().map(|record| record.created_at).collect();
    times.dedup();
    match (times.is_sorted(), times.iter().rev().is_sorted()) {
        _ if times.len() < MOMENTS_MIN => UNKNOWN,
        (true, _) => "ascending",
        (_, true) => "descending",
        (false, false) => "none",
    }
}

/// The members that detail calls return in addition to lists.
struct Lists<'a> {
    words: &'static str,
    /// A record whose AML data only the detail call returned.
    unlisted_aml: Option<&'a Sample>,
}

/// Whether detail calls return members that lists omit. Some records have no more members, so two
/// are requested; one that lacks AML data is requested first.
async fn lists<'a>(client: &Client, samples: &'a [Sample]) -> Result<Lists<'a>, ClientError> {
    let mut found = Lists { words: UNKNOWN, unlisted_aml: None };
    let lacking = samples.iter().position(|sample| !sample.objects().aml);
    let mut places = vec![0, samples.len() / 2];
    places.retain(|place| Some(*place) != lacking);
    for place in lacking.into_iter().chain(places).take(2) {
        let Some(sample) = samples.get(place) else { continue };
        let Some(item) = client.detail(&sample.key.id).await?.item else { continue };
        let (list, detail) = (json::text(&sample.body), json::text(&item));
        let (Ok(list), Ok(detail)) = (json::parse(&list), json::parse(&detail)) else { continue };
        if !sample.objects().aml && Objects::of(&detail.value).aml {
            found.unlisted_aml = Some(sample);
        }
        if is_sparse(&list.value, &detail.value) {
            return Ok(Lists { words: "sparse", ..found });
        }
        found.words = "complete";
    }
    Ok(found)
}

/// Whether the list of AML data contains those of a record whose other list item lacks them.
async fn aml_lists(
    project: &Project,
    client: &Client,
    sample: &Sample,
) -> Result<&'static str, ClientError> {
    let Some(created_at) = sample.key.created_at else { return Ok(UNKNOWN) };
    let asked = Window::day(created_at.date_naive()).asked();
    let mut pages = client.aml_pages(asked).take(PAGES_MAX).boxed();
    loop {
        let page = match pages.try_next().await {
            Err(error) if error.remedy() == CallRemedy::FailPass => return Ok(UNKNOWN),
            brought => unless_in_doubt(brought)?.flatten(),
        };
        let Some(page) = page else { return Ok(UNKNOWN) };
        let samples = samples(project, page);
        if let Some(listed) = samples.iter().find(|listed| listed.key.id == sample.key.id) {
            return Ok(if listed.objects().aml { AML_LISTS_ARE_COMPLETE } else { "sparse" });
        }
    }
}

/// Whether a list item lacks a member that the detail call returned.
fn is_sparse(list: &Json<'_>, detail: &Json<'_>) -> bool {
    let Json::Object(members) = detail else { return false };
    members.iter().any(|(name, value)| match list.get(name) {
        None => *value != Json::Null,
        Some(listed) => is_sparse(listed, value),
    })
}

fn word(style: DateStyle) -> &'static str {
    match style {
        DateStyle::Dashed => "dashed",
        DateStyle::Compact => "compact",
    }
}

fn either(answer: Option<bool>, yes: &'static str, no: &'static str) -> &'static str {
    match answer {
        None => UNKNOWN,
        Some(true) => yes,
        Some(false) => no,
    }
}
