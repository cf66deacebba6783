//! The start date of the warehouse: an unknown older record is not stored unless its day was
//! requested.

use std::collections::BTreeSet;

use super::observation::Origin;
use crate::{
    domain::{Day, ItemKey, ListScope},
    warehouse::{
        postgres::error::{Doing as _, WarehouseError},
        tx::Tx,
    },
};

/// Returns the unknown records of a list answer that were not requested. They were created before
/// [`Scope::since`](crate::warehouse::Scope::since), outside the days of this pass, and on a day
/// that was never read.
///
/// Detail calls and quarantined items are always requested. A record without a date may belong to
/// any day.
pub(in crate::warehouse) async fn not_asked_for<'a>(
    tx: &mut Tx<'_>,
    origin: Origin,
    unknown: impl Iterator<Item = &'a ItemKey>,
) -> Result<BTreeSet<&'a str>, WarehouseError> {
    let scope = tx.scope;
    let (Some(since), Origin::List { reading, .. }) = (scope.since, origin) else {
        return Ok(BTreeSet::new());
    };
    let older: Vec<(&str, Day)> = unknown
        .filter_map(|key| Some((key.id.as_str(), key.created_at?.date_naive())))
        .filter(|(_, day)| !is_wanted(since, reading, *day))
        .collect();
    if older.is_empty() {
        return Ok(BTreeSet::new());
    }
    let days: BTreeSet<Day> = older.iter().map(|(_, day)| *day).collect();
    let days: Vec<Day> = days.into_iter().collect();
    // A day that a backfill has read is read again regularly and kept current.
    let read = sqlx::query_scalar!(
        r#"select given.day as "day!" from unnest($3::date[]) as given (day)
           cross join lateral (
                select day from argos_sync.coverage
                where project = $1 and stream = $2 and day = given.day offset 0
           ) as covered"#,
        scope.project.as_str(),
        scope.stream.as_str(),
        &days,
    )
    .fetch_all(&mut *tx.connection)
    .await
    .doing("reading the requested days")?;
    Ok(older.into_iter().filter(|(_, day)| !read.contains(day)).map(|(id, _)| id).collect())
}

/// Whether a day is requested regardless of earlier passes. A pass without a date filter requests
/// no day of its own.
fn is_wanted(since: Day, reading: ListScope, day: Day) -> bool {
    match reading {
        _ if day >= since => true,
        ListScope::Window(window) => window.contains(day),
        ListScope::All => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Window;

    #[test]
    fn days_since_then_and_those_that_are_read_are_wanted() {
        let day = |day| Day::from_ymd_opt(2025, 1, day).unwrap();
        let window = ListScope::Window(Window::new(day(3), day(5)).unwrap());
        let nowhere = ListScope::All.claimed().from();
        for (reading, of, wanted) in [
            (ListScope::All, day(9), false),
            (ListScope::All, day(10), true),
            (ListScope::All, day(11), true),
            (ListScope::All, nowhere, false),
            (window, day(2), false),
            (window, day(3), true),
            (window, day(4), true),
            (window, day(5), false),
            (window, day(10), true),
        ] {
            assert_eq!(is_wanted(day(10), reading, of), wanted, "{reading} {of}");
        }
    }
}
