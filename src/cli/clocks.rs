//! Clocks that disagree, as `check` and `status` show them.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::{Clocks, OtherClock, Skew},
    warehouse::{Warehouse, WarehouseError},
};

/// What to do about any of them.
pub(super) const ADVICE: &str = "correct the wrong clock: argos-sync uses the latest of all \
     clocks for the newest days, and PostgreSQL's for everything else";

/// A clock that disagrees with PostgreSQL's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct WrongClock {
    /// `host` or `vendor`.
    clock: &'static str,
    /// Whose vendor it is.
    project: Option<String>,
    /// Seconds ahead of PostgreSQL's clock; negative: behind.
    ahead_seconds: i64,
    #[serde(skip)]
    pub(super) text: String,
}

/// The clocks that disagree with PostgreSQL's now; the vendors' as they were last seen.
pub(super) async fn wrong_clocks(
    warehouse: &Warehouse,
    host: impl FnOnce() -> DateTime<Utc>,
) -> Result<Vec<WrongClock>, WarehouseError> {
    Ok(of_all(&warehouse.all_clocks(host).await?))
}

/// This machine's clock once, whatever the number of projects, and each vendor's.
fn of_all(clocks: &[(String, Clocks)]) -> Vec<WrongClock> {
    let mut wrong: Vec<WrongClock> = Vec::new();
    for (project, clocks) in clocks {
        for skew in clocks.skews() {
            let clock = wrong_clock(project, &skew);
            if clock.project.is_some() || wrong.iter().all(|known| known.project.is_some()) {
                wrong.push(clock);
            }
        }
    }
    wrong
}

fn wrong_clock(project: &str, skew: &Skew) -> WrongClock {
    let (clock, project) = match skew.clock {
        OtherClock::Host => ("host", None),
        OtherClock::Vendor => ("vendor", Some(project.to_owned())),
    };
    let text = project.as_ref().map_or_else(|| skew.to_string(), |name| format!("{name}: {skew}"));
    WrongClock { clock, project, ahead_seconds: skew.ahead.num_seconds(), text }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn this_machines_clock_is_named_once_and_each_vendors() {
        let database = DateTime::UNIX_EPOCH;
        let host = database + TimeDelta::hours(3);
        let clocks = |name: &str, vendor| {
            (name.to_owned(), Clocks { database, host, vendor: Some(database + vendor) })
        };
        let wrong = of_all(&[
            clocks("one", TimeDelta::hours(3)),
            clocks("two", TimeDelta::zero()),
            clocks("three", TimeDelta::hours(-2)),
        ]);
        let told: Vec<_> = wrong
            .iter()
            .map(|clock| (clock.clock, clock.project.as_deref(), clock.ahead_seconds))
            .collect();
        assert_eq!(
            told,
            [
                ("host", None, 10_800),
                ("vendor", Some("one"), 10_800),
                ("vendor", Some("three"), -7_200)
            ]
        );
    }
}
