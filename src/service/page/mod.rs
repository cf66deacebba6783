//! The status page: one HTML document without scripts, rendered from the [`Board`].
//!
//! The view model is built by pure functions: a project, its history, its calendar, its calls, its
//! pending work, and the warnings. The templates contain no decisions beyond "is there any".

mod calls;
#[cfg(test)]
mod fixtures;
mod heat_map;
mod history;
mod project;
mod sparkline;
#[cfg(test)]
mod tests;
mod view;
mod warnings;
mod words;
mod work;

use askama::Template as _;
use chrono::TimeDelta;
use tokio::time::Instant;

use super::board::{Board, Outage};
use view::{Facts, Page};

/// The style sheet of the page.
pub(super) const STYLE: &str = include_str!("style.css");

/// The icon of the page.
pub(super) const ICON: &str = include_str!("icon.svg");

/// Seconds between two reloads of a page that reloads itself.
pub(super) const RELOAD_SECONDS: u32 = 30;

/// Renders the page. `reloads`: the browser loads it again after [`RELOAD_SECONDS`].
pub(super) fn render(board: &Board, reloads: bool) -> Result<String, askama::Error> {
    let now = Instant::now();
    let known = board.known();
    let age = known.as_ref().map(|known| known.age(now));
    let is_late = known.as_ref().is_some_and(|known| !known.is_fresh(now));
    let outage = board.outage().or_else(|| is_late.then(late));
    let facts = Facts {
        known: known.as_deref(),
        outage: outage.as_ref(),
        liveness: &board.liveness(now),
        age: age.and_then(|age| TimeDelta::from_std(age).ok()).unwrap_or_default(),
        reloads,
    };
    Page::of(&facts).render()
}

/// A refresh of the state that does not end.
fn late() -> Outage {
    Outage {
        error: "the state was not refreshed in time".to_owned(),
        advice: "check the server and the network",
    }
}
