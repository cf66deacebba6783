//! Requests lists of AML data only, if detail calls are scarce. A change there brings a detail call
//! forward.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tracing::{debug, info};

use super::memory::PageBytes;
use crate::{
    client::{CallRemedy, Item},
    domain::{Day, HintPlace, Lane, Window},
    json::{self, Paths},
    normalize,
    planner::{DetailSchedule, HintSchedule},
    sync::{
        account,
        outcome::Failure,
        plan_input::PlanInput,
        probe::{AML_LISTS_ARE_COMPLETE, Fact},
        project::Project,
        world::World,
    },
    warehouse::Hint,
};

/// Whether `check` has found that lists of AML data contain `aml` of records whose other list
/// items lack it.
pub fn has_aml_lists(findings: &BTreeMap<String, String>) -> bool {
    findings.get(Fact::AmlLists.as_str()).is_some_and(|found| found == AML_LISTS_ARE_COMPLETE)
}

/// Reads the next windows of AML data if detail calls are too few and [`has_aml_lists`].
///
/// The lists are only a hint: their digests are compared and nothing else is stored. A failed list
/// is retried later.
pub(in crate::sync) async fn follow(
    world: &World,
    project: &Project,
    plan_input: &PlanInput,
    schedule: &DetailSchedule,
) -> Result<(), Failure> {
    let Some(hints) = HintSchedule::beside(schedule, &plan_input.settings, &plan_input.ledger)
    else {
        return Ok(());
    };
    let findings = world.warehouse.findings(project.name()).await?;
    if !has_aml_lists(&findings) {
        return Ok(());
    }
    while !world.stop.is_cancelled() {
        let (place, now) = world.warehouse.hint_place(&project.scope).await?;
        let Some(due) = hints.due(&place, now) else { break };
        let before = due.before.unwrap_or(Day::MAX);
        let days = world.warehouse.sparse_days(&project.scope, before).await?;
        let Some(window) = hints.window(&days) else {
            let through = HintPlace { before: None, ..due };
            world.warehouse.move_hints(&project.scope, &place, &through).await?;
            break;
        };
        let claimed = hints.reading(&due, window, now);
        if !world.warehouse.move_hints(&project.scope, &place, &claimed).await? {
            break;
        }
        let calls = match read(world, project, window).await {
            Ok(calls) => calls,
            Err(Failure::Client(error)) if error.remedy() != CallRemedy::Stop => {
                info!(
                    %window, %error,
                    "a list of AML data could not be read; scheduled detail calls continue"
                );
                break;
            }
            Err(failure) => return Err(failure),
        };
        let behind = hints.behind(&claimed, window, calls, now);
        world.warehouse.move_hints(&project.scope, &claimed, &behind).await?;
    }
    Ok(())
}

/// Compares the digests of one window; returns the number of pages.
async fn read(world: &World, project: &Project, window: Window) -> Result<u64, Failure> {
    let bytes = PageBytes::new(&project.item_bytes, project.page_size());
    let mut pages = project.client(Lane::Detail).aml_pages(window.asked()).boxed();
    let mut calls = 0;
    loop {
        let fetching = async {
            let memory = world.page_memory.reserve_page(&bytes).await;
            (memory, pages.try_next().await)
        };
        let (_memory, page) = tokio::select! {
            biased;
            () = world.stop.cancelled() => return Err(Failure::Interrupted),
            fetched = fetching => fetched,
        };
        let Some(page) = page? else { return Ok(calls) };
        calls += 1;
        account::admit(world, project, page.vendor_project.as_deref()).await?;
        let hints: Vec<Hint> = page.items.iter().filter_map(|item| hint(project, item)).collect();
        let due = world.warehouse.take_hints(&project.scope, &hints).await?;
        debug!(%window, due, "AML data compared");
    }
}

/// The hint in an item; `None` if the item is malformed or lacks `aml`.
fn hint(project: &Project, item: &Item) -> Option<Hint> {
    let nothing = Paths::default();
    let volatile = project.scope().volatile.at("aml").unwrap_or(&nothing);
    let text = json::text(&item.body);
    let (id, digest) = normalize::aml_of(&text, volatile)?;
    Some(Hint { id, digest })
}
