//! `verify`: compares the data tables with the stored raw items.

use super::{
    StreamArgument,
    exit::{ExitStatus, Failed},
    open, print, signal,
};
use crate::{
    config::Config,
    domain::{self, ProjectName},
    sync::{Project, Verify, World},
    warehouse::{RawStorage, Verified},
};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyOptions {
    /// Rewrite differing rows, and schedule detail calls for lost raw items.
    #[arg(long)]
    repair: bool,
    /// This project only.
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
    /// This stream only.
    #[arg(long)]
    stream: Option<StreamArgument>,
}

impl VerifyOptions {
    fn wants(&self, project: &Project) -> bool {
        let stream: Option<domain::Stream> = self.stream.map(Into::into);
        stream.is_none_or(|stream| stream == project.stream())
            && self.project.as_ref().is_none_or(|name| name == project.name())
    }
}

/// Compares the records of the selected projects, and repairs them on request.
pub(super) async fn verify(config: &Config, options: &VerifyOptions) -> Result<ExitStatus, Failed> {
    let stop = signal::listen()?;
    let opened = open::current(config).await?;
    let done = async {
        let world = open::world(config, &opened.warehouse, &stop)?;
        let wanted: Vec<&Project> =
            world.projects.iter().filter(|project| options.wants(project)).collect();
        if wanted.is_empty() {
            let text = "no configured project has that name and stream";
            return Err(Failed::new(ExitStatus::Usage, text));
        }
        compare(&world, &wanted, Verify { days: None, repairs: options.repair }).await
    };
    let done = done.await;
    opened.close().await?;
    done
}

/// Compares the records of some projects and prints the results. Returns the worst status of all.
pub(super) async fn compare(
    world: &World,
    projects: &[&Project],
    how: Verify,
) -> Result<ExitStatus, Failed> {
    let mut all = Vec::new();
    for project in projects {
        all.push((*project, how.run(world, project).await?));
    }
    print::stdout(&as_text(&all));
    if world.stop.is_cancelled() {
        return Ok(ExitStatus::Interrupted);
    }
    for (project, verified) in &all {
        for line in advice(project.scope().raw, verified, how.repairs) {
            print::stderr(&format!("{}: {line}", project.name()));
        }
    }
    let statuses =
        all.iter().map(|(project, verified)| status_of(project.scope().raw, verified, how.repairs));
    Ok(statuses.fold(ExitStatus::Done, worse))
}

/// Returns the counts of each project, and its tables with differing records. Contains no ids and
/// no values.
fn as_text(all: &[(&Project, Verified)]) -> String {
    let mut rows = Vec::new();
    let mut tables = Vec::new();
    for (project, verified) in all {
        let names = [project.name().to_string(), project.stream().to_string()];
        let counts = [
            verified.compared,
            verified.differing,
            verified.repaired,
            verified.lost_raw,
            verified.asked,
            verified.deleted,
            verified.older,
        ];
        rows.push([&names[..], &counts.map(|count| count.to_string())].concat());
        let named = |table: &String, records: &i64, what: &str| {
            [&names[..], &[table.clone(), records.to_string(), what.to_owned()]].concat()
        };
        let differing = verified.differing_by_table.iter();
        tables.extend(differing.map(|(table, records)| named(table, records, "rows differ")));
        let without = verified.without_record.iter();
        tables.extend(without.map(|(table, records)| named(table, records, "no such record")));
    }
    let head = [
        "project",
        "stream",
        "compared",
        "differing",
        "repaired",
        "raw lost",
        "calls due",
        "deleted",
        "older",
    ];
    let text = print::table(&head, &rows);
    if tables.is_empty() {
        return text;
    }
    let head = ["project", "stream", "table", "records", "what"];
    format!("{text}\n{}", print::table(&head, &tables))
}

/// Returns advice about the results of a project.
fn advice(raw: RawStorage, verified: &Verified, repairs: bool) -> Vec<&'static str> {
    let mut lines = Vec::new();
    if raw == RawStorage::None {
        lines.push("nothing was compared: `raw.storage = \"none\"` stores no raw items");
    }
    if verified.older > 0 {
        lines.push(
            "records of another release were not compared: run `argos-sync renormalize` first",
        );
    }
    if repairs {
        if verified.lost_raw > 0 || !verified.without_record.is_empty() {
            lines.push("lost items are read again: their detail calls are due in the next run");
        }
    } else if verified.is_wrong() {
        lines.push(
            "`argos-sync verify --repair` rewrites differing rows and reads lost items again",
        );
    }
    lines
}

/// Returns the exit status for one project.
fn status_of(raw: RawStorage, verified: &Verified, repairs: bool) -> ExitStatus {
    let is_partial = raw == RawStorage::None || verified.older > 0;
    if !repairs && verified.is_wrong() {
        ExitStatus::Wrong
    } else if is_partial || verified.lost_raw > 0 || !verified.without_record.is_empty() {
        ExitStatus::Partial
    } else {
        ExitStatus::Done
    }
}

/// Returns the worse status. Differences are worse than records that were not compared.
fn worse(one: ExitStatus, other: ExitStatus) -> ExitStatus {
    let rank = |status| match status {
        ExitStatus::Wrong => 2,
        ExitStatus::Partial => 1,
        _ => 0,
    };
    if rank(other) > rank(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_ends_with_1_and_what_was_left_open_with_65() {
        let equal = Verified { compared: 5, ..Verified::default() };
        let differing = Verified { differing: 1, ..equal.clone() };
        let repaired = Verified { repaired: 1, ..differing.clone() };
        let lost = Verified { lost_raw: 1, ..equal.clone() };
        let older = Verified { older: 1, ..equal.clone() };
        let (zstd, none) = (RawStorage::Zstd, RawStorage::None);
        for (raw, verified, repairs, status) in [
            (zstd, &equal, false, ExitStatus::Done),
            (zstd, &differing, false, ExitStatus::Wrong),
            (zstd, &repaired, true, ExitStatus::Done),
            (zstd, &lost, false, ExitStatus::Wrong),
            (zstd, &lost, true, ExitStatus::Partial),
            (zstd, &older, false, ExitStatus::Partial),
            (none, &Verified::default(), false, ExitStatus::Partial),
        ] {
            assert_eq!(status_of(raw, verified, repairs), status, "{verified:?} {repairs}");
        }
    }
}
