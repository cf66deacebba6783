//! `quarantine`: lists, retries or drops items that could not be stored as rows. Prints none of
//! their values.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    exit::{ExitStatus, Failed},
    open::{self, Opened},
    print, signal,
};
use crate::{
    config::Config,
    domain::ProjectName,
    sync::{Conclusion, ProjectOutcome, World, retry_quarantined, verify_key},
    warehouse::QuarantinedItem,
};

/// Fewest characters of a digest, both in output and in arguments.
const DIGEST_LENGTH_MIN: usize = 8;

/// Number of characters of a full digest.
const DIGEST_LENGTH_MAX: usize = 32;

/// Arguments of `quarantine`.
#[derive(Debug, clap::Args)]
pub(super) struct QuarantineOptions {
    #[command(subcommand)]
    what: QuarantineAction,
    /// This project only.
    #[arg(long, global = true, value_name = "NAME")]
    project: Option<ProjectName>,
}

#[derive(Debug, clap::Subcommand)]
enum QuarantineAction {
    /// List quarantined items with their source, reason and time, never a value.
    List {
        /// Print JSON, with full digests.
        #[arg(long)]
        json: bool,
    },
    /// Store items again, for example after an upgrade. Stored items leave quarantine; newer data
    /// are not overwritten. Makes no calls, unless the project's API key must still be verified.
    Retry {
        /// Digests or unique prefixes; all items if omitted.
        #[arg(value_name = "DIGEST", value_parser = digest)]
        digests: Vec<String>,
    },
    /// Delete items and their bodies. Does not ask for confirmation.
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Drop {
        /// Digests or unique prefixes.
        #[arg(value_name = "DIGEST", value_parser = digest, group = "which")]
        digests: Vec<String>,
        /// All items, or all of --project.
        #[arg(long, group = "which")]
        all: bool,
    },
}

/// Parses a digest or a prefix of one. Returns it in lower case.
fn digest(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && (DIGEST_LENGTH_MIN..=DIGEST_LENGTH_MAX).contains(&text.len()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!(
            "expected {DIGEST_LENGTH_MIN} to {DIGEST_LENGTH_MAX} hexadecimal digits, as printed by \
             `quarantine list`"
        ))
    }
}

/// Lists, retries or drops quarantined items.
pub(super) async fn quarantine(
    config: &Config,
    options: &QuarantineOptions,
) -> Result<ExitStatus, Failed> {
    let stop = signal::listen()?;
    let opened = open::current(config).await?;
    let done = async {
        let items = opened.warehouse.quarantined(options.project.as_ref()).await?;
        match &options.what {
            QuarantineAction::List { json: true } => print::document(&as_json(&items))?,
            QuarantineAction::List { json: false } => print::stdout(&as_text(&items)),
            QuarantineAction::Retry { digests } => {
                let world = open::world(config, &opened.warehouse, &stop)?;
                let outcome = retry(&world, options, &chosen(&items, digests)?).await?;
                if stop.is_cancelled() {
                    return Ok(ExitStatus::Interrupted);
                }
                return Ok(outcome.into());
            }
            QuarantineAction::Drop { digests, .. } => {
                drop_items(&opened, &chosen(&items, digests)?).await?;
            }
        }
        Ok(ExitStatus::Done)
    };
    let done = done.await;
    opened.close().await?;
    done
}

/// Returns the items whose digests start with one of the prefixes `wanted`; all items if it is
/// empty. Fails with `Wrong` if a prefix matches no digest, or several.
fn chosen<'i>(
    items: &'i [QuarantinedItem],
    wanted: &[String],
) -> Result<Vec<&'i QuarantinedItem>, Failed> {
    if wanted.is_empty() {
        return Ok(items.iter().collect());
    }
    let mut digests = BTreeSet::new();
    for wanted in wanted {
        let found: BTreeSet<_> = items
            .iter()
            .map(|item| item.digest)
            .filter(|digest| digest.to_string().starts_with(wanted))
            .collect();
        let count = found.len();
        if count != 1 {
            let what = if count == 0 {
                format!("no quarantined item has the digest `{wanted}`")
            } else {
                format!("{count} digests start with `{wanted}`: give a longer prefix")
            };
            return Err(Failed::new(ExitStatus::Wrong, what));
        }
        digests.extend(found);
    }
    Ok(items.iter().filter(|item| digests.contains(&item.digest)).collect())
}

async fn retry(
    world: &World,
    options: &QuarantineOptions,
    items: &[&QuarantinedItem],
) -> Result<ProjectOutcome, Failed> {
    let mut worst = ProjectOutcome::Complete;
    let mut by_project: BTreeMap<(&str, &str), Vec<&QuarantinedItem>> = BTreeMap::new();
    for item in items {
        by_project.entry((&item.project, &item.stream)).or_default().push(item);
    }
    let mut rows = Vec::new();
    for ((name, stream), items) in by_project {
        let project = world
            .projects
            .iter()
            .find(|project| project.name().as_str() == name && project.stream().as_str() == stream);
        let Some(project) = project else {
            print::stderr(&format!(
                "argos-sync: no [project.{name}] with the stream {stream} is configured; its {} \
                 items stay",
                items.len()
            ));
            continue;
        };
        if let Some(Conclusion { outcome, reason }) = verify_key(world, project).await? {
            print::failure(&format!("{name}: {}", reason.unwrap_or_default()));
            worst = worst.max(outcome);
            continue;
        }
        let retried = retry_quarantined(world, project, &items).await?;
        let counts = [
            retried.inserted,
            retried.updated,
            retried.superseded,
            retried.refused,
            retried.unreadable,
        ];
        let mut row = vec![name.to_owned()];
        row.extend(counts.iter().map(i64::to_string));
        rows.push(row);
    }
    if rows.is_empty() {
        let of = options.project.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        print::stdout(&format!("no item{of} was retried\n"));
        return Ok(worst);
    }
    let head = [
        "project",
        "inserted",
        "updated",
        "superseded",
        "still refused",
        "without a readable body",
    ];
    print::stdout(&print::table(&head, &rows));
    Ok(worst)
}

async fn drop_items(opened: &Opened, items: &[&QuarantinedItem]) -> Result<(), Failed> {
    let items: Vec<QuarantinedItem> = items.iter().map(|item| (*item).clone()).collect();
    let dropped = opened.warehouse.drop_quarantined(&items).await?;
    if !items.is_empty() {
        print::stdout(&as_text(&items));
    }
    print::stdout(&format!("{dropped} dropped\n"));
    Ok(())
}

fn as_text(items: &[QuarantinedItem]) -> String {
    if items.is_empty() {
        return "quarantine is empty\n".to_owned();
    }
    let length = shown_length(items);
    let rows: Vec<_> = items
        .iter()
        .map(|item| {
            vec![
                item.digest.to_string().chars().take(length).collect(),
                item.project.clone(),
                item.stream.clone(),
                item.call.clone(),
                item.reason.clone(),
                item.bytes.to_string(),
                item.first_seen_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            ]
        })
        .collect();
    let head = ["digest", "project", "stream", "call", "reason", "bytes", "first seen (UTC)"];
    print::table(&head, &rows)
}

/// Returns the length at which all digests differ, at least [`DIGEST_LENGTH_MIN`] characters.
fn shown_length(items: &[QuarantinedItem]) -> usize {
    let digests: BTreeSet<String> = items.iter().map(|item| item.digest.to_string()).collect();
    let shared = digests.iter().zip(digests.iter().skip(1)).map(|(one, next)| {
        one.bytes().zip(next.bytes()).take_while(|(one, next)| one == next).count()
    });
    shared.max().map_or(0, |shared| shared + 1).max(DIGEST_LENGTH_MIN)
}

/// The output of `quarantine list --json`.
#[derive(Serialize)]
struct QuarantineJson<'a> {
    items: Vec<ItemJson<'a>>,
}

#[derive(Serialize)]
struct ItemJson<'a> {
    digest: String,
    project: &'a str,
    stream: &'a str,
    call: &'a str,
    reason: &'a str,
    bytes: i32,
    first_seen_at: DateTime<Utc>,
}

fn as_json(items: &[QuarantinedItem]) -> QuarantineJson<'_> {
    let items = items
        .iter()
        .map(|item| ItemJson {
            digest: item.digest.to_string(),
            project: &item.project,
            stream: &item.stream,
            call: &item.call,
            reason: &item.reason,
            bytes: item.bytes,
            first_seen_at: item.first_seen_at,
        })
        .collect();
    QuarantineJson { items }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Digest;

    fn item(project: &str, digest: [u8; 16]) -> QuarantinedItem {
        QuarantinedItem {
            digest: Digest(digest),
            project: project.to_owned(),
            stream: "submission".to_owned(),
            call: "list".to_owned(),
            reason: "id missing".to_owned(),
            bytes: 1,
            first_seen_at: DateTime::UNIX_EPOCH,
        }
    }

    fn digests() -> [QuarantinedItem; 3] {
        let mut other = [0xab; 16];
        other[5] = 0xac;
        [item("main", [0xab; 16]), item("main", other), item("second", [0xab; 16])]
    }

    #[test]
    fn as_much_of_a_digest_is_shown_as_tells_it_apart() {
        assert_eq!(shown_length(&digests()), 12);
        assert_eq!(shown_length(&[item("main", [0; 16]), item("main", [1; 16])]), 8);
        assert_eq!(shown_length(&[]), 8);
    }

    #[test]
    fn the_beginning_of_a_digest_names_its_items_where_it_names_one_digest() {
        let items = digests();
        let projects = |wanted: &str| {
            let chosen = chosen(&items, &[wanted.to_owned()]).ok()?;
            Some(chosen.into_iter().map(|item| item.project.as_str()).collect::<Vec<_>>())
        };
        assert_eq!(projects("abababab"), None);
        assert_eq!(projects("cdcdcdcd"), None);
        assert_eq!(projects("abababababab"), Some(vec!["main", "second"]));
        assert_eq!(projects("abababababac"), Some(vec!["main"]));
        assert_eq!(chosen(&items, &[]).ok().map(|all| all.len()), Some(3));
    }

    #[test]
    fn a_digest_is_hexadecimal_and_long_enough() {
        assert_eq!(digest("ABCDEF01").as_deref(), Ok("abcdef01"));
        for bad in ["abcdef0", "abcdefgh", "", &"a".repeat(33)] {
            assert!(digest(bad).is_err(), "{bad}");
        }
    }
}
