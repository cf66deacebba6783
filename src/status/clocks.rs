//! Clocks that differ from PostgreSQL's clock, for `check` and `status`.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::{Clocks, OtherClock, Skew},
    warehouse::{Warehouse, WarehouseError},
};

/// Advice about any differing clock.
pub(crate) const ADVICE: &str = "correct the wrong clock: argos-sync uses the latest of all \
     clocks for the newest days, and PostgreSQL's for everything else";

/// A clock that differs from PostgreSQL's clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WrongClock {
    /// The owner of the clock: `host` or `vendor`.
    pub(crate) clock: &'static str,
    /// The project whose vendor has this clock; `None` for this machine's clock.
    pub(crate) project: Option<String>,
    /// Lead over PostgreSQL's clock in seconds; negative if the clock is slow.
    pub(crate) ahead_seconds: i64,
    #[serde(skip)]
    pub(crate) text: String,
}

/// Returns the clocks that differ from PostgreSQL's clock. A vendor's clock counts with the
/// difference that was last stored.
pub(crate) async fn wrong_clocks(
    warehouse: &Warehouse,
    host: impl FnOnce() -> DateTime<Utc>,
) -> Result<Vec<WrongClock>, WarehouseError> {
    Ok(of_all(&warehouse.all_clocks(host).await?))
}

/// Returns each differing vendor's clock, and this machine's clock at most once for all projects.
fn of_all(clocks: &[(String, Clocks)]) -> Vec<WrongClock> {
    let mut wrong: Vec<WrongClock> = Vec::new();
    for (project, clocks) in clocks {
        for skew in clocks.skews() {
            let clock = WrongClock::of(project, &skew);
            if clock.project.is_some() || wrong.iter().all(|known| known.project.is_some()) {
                wrong.push(clock);
            }
        }
    }
    wrong
}

impl WrongClock {
    /// The clock with this difference, as found for this project.
    pub(crate) fn of(project: &str, skew: &Skew) -> Self {
        let (clock, project) = match skew.clock {
            OtherClock::Host => ("host", None),
            OtherClock::Vendor => ("vendor", Some(project.to_owned())),
        };
        let text =
            project.as_ref().map_or_else(|| skew.to_string(), |name| format!("{name}: {skew}"));
        Self { clock, project, ahead_seconds: skew.ahead.num_seconds(), text }
    }
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
