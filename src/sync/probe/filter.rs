//! How the date filter interprets its two days, derived from the records that a dated list
//! contained and omitted (contract U3).

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};

use crate::domain::{Day, Window};

/// Lead of a Korean day over the UTC day.
const KOREA_AHEAD: TimeDelta = TimeDelta::hours(9);

/// A record with a readable creation date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) id: String,
    pub(super) created_at: DateTime<Utc>,
}

/// The result of a list with dates.
#[derive(Debug, Clone)]
pub(in crate::sync) struct DatedList {
    /// The days as requested: `to` is the end day itself.
    pub(super) asked: Window,
    pub(super) brought: Vec<Dated>,
    /// Whether the list was read to its end, so that missing records are known not to be in it.
    pub(super) is_whole: bool,
}

/// A possible interpretation of a filter's days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    includes_end: bool,
    is_korean: bool,
}

const RULES: [Rule; 4] = [
    Rule { includes_end: true, is_korean: false },
    Rule { includes_end: false, is_korean: false },
    Rule { includes_end: true, is_korean: true },
    Rule { includes_end: false, is_korean: true },
];

/// The known properties of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter {
    /// Whether records of the end day are returned; `None` if unknown.
    pub(super) includes_end: Option<bool>,
    /// Whether days are Korean instead of UTC; `None` if unknown.
    pub(super) is_korean: Option<bool>,
}

impl Filter {
    /// Excludes every rule that the returned and omitted records contradict.
    ///
    /// An empty list does not show that a filter is applied, and is ignored.
    pub(super) fn save_findings(lists: &[DatedList], known: &[Dated]) -> Self {
        let agrees = |rule: &Rule| lists.iter().all(|list| rule.agrees(list, known));
        let left: Vec<Rule> = RULES.into_iter().filter(agrees).collect();
        Self {
            includes_end: same(left.iter().map(|rule| rule.includes_end)),
            is_korean: same(left.iter().map(|rule| rule.is_korean)),
        }
    }
}

impl Rule {
    fn agrees(self, list: &DatedList, known: &[Dated]) -> bool {
        if list.brought.is_empty() {
            return true;
        }
        let ids: BTreeSet<&str> = list.brought.iter().map(|record| record.id.as_str()).collect();
        let is_inside = |record: &&Dated| self.lists(list.asked, record.created_at);
        let all_came = || known.iter().filter(is_inside).all(|one| ids.contains(one.id.as_str()));
        list.brought.iter().all(|record| is_inside(&record)) && (!list.is_whole || all_came())
    }

    fn lists(self, asked: Window, at: DateTime<Utc>) -> bool {
        let ahead = if self.is_korean { KOREA_AHEAD } else { TimeDelta::zero() };
        let end = if self.includes_end { next(asked.to()) } else { asked.to() };
        (midnight(asked.from()) - ahead..midnight(end) - ahead).contains(&at)
    }
}

/// The fewest windows to request that determine most. In each, the end day itself is requested.
///
/// A record of the end day before 15:00 UTC, when Korea has the same day, shows whether that day is
/// included. A record of the evening before the first day shows the zone, because in Korea it
/// belongs to that day. A record in between, which every rule lists, shows that the filter is
/// applied.
pub(super) fn telling_windows(known: &[Dated]) -> Vec<Window> {
    let times: BTreeSet<DateTime<Utc>> = known.iter().map(|record| record.created_at).collect();
    // Korea's midnight is at 15:00 UTC. Subtraction from a time of day wraps around.
    let is_late = |at: &&DateTime<Utc>| at.time() >= NaiveTime::MIN - KOREA_AHEAD;
    let evenings: BTreeSet<Day> = times.iter().filter(is_late).map(DateTime::date_naive).collect();
    let ends: BTreeSet<Day> =
        times.iter().filter(|at| !is_late(at)).map(DateTime::date_naive).collect();
    let listed_before =
        |end: Day| times.range(..midnight(end) - KOREA_AHEAD).next_back().map(DateTime::date_naive);
    let both = ends.iter().filter_map(|end| {
        let evening = evenings.range(..listed_before(*end)?).next_back()?;
        Window::new(next(*evening), *end).ok()
    });
    let of_the_end = ends.iter().filter_map(|end| Window::new(listed_before(*end)?, *end).ok());
    // If all records are of one day, either all or none of them are returned.
    let of_one_day = || ends.first().and_then(|end| Window::new(end.pred_opt()?, *end).ok());
    let of_the_zone = evenings.iter().filter_map(|evening| {
        let from = next(*evening);
        let listed = times.range(midnight(from)..).next()?.date_naive();
        Window::new(from, listed.checked_add_days(Days::new(2))?).ok()
    });
    let length = |window: &Window| window.len_days();
    match both.min_by_key(length) {
        Some(window) => vec![window],
        None => [of_the_end.min_by_key(length).or_else(of_one_day), of_the_zone.min_by_key(length)]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn midnight(day: Day) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// The day after; the last representable day is returned unchanged.
fn next(day: Day) -> Day {
    day.succ_opt().unwrap_or(day)
}

/// The common answer of all, if they agree.
fn same(mut answers: impl Iterator<Item = bool>) -> Option<bool> {
    let first = answers.next()?;
    answers.all(|answer| answer == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of this day and hour of January, with an id made of both.
    fn record(day: u32, hour: u32) -> Dated {
        let date = Day::from_ymd_opt(2025, 1, day).unwrap();
        let created_at = date.and_hms_opt(hour, 30, 0).unwrap().and_utc();
        Dated { id: format!("{day}-{hour}"), created_at }
    }

    fn window(from: u32, to: u32) -> Window {
        let day = |day| Day::from_ymd_opt(2025, 1, day).unwrap();
        Window::new(day(from), day(to)).unwrap()
    }

    fn answer(rule: Rule, asked: Window, all: &[Dated]) -> DatedList {
        let listed = all.iter().filter(|record| rule.lists(asked, record.created_at));
        DatedList { asked, brought: listed.cloned().collect(), is_whole: true }
    }

    #[test]
    fn one_window_tells_both_where_records_are_dense() {
        let all: Vec<_> =
            (3..20).flat_map(|day| [2, 11, 16, 23].map(|hour| record(day, hour))).collect();
        let windows = telling_windows(&all);
        assert_eq!(windows, [window(4, 5)]);
        for rule in RULES {
            let lists: Vec<_> = windows.iter().map(|asked| answer(rule, *asked, &all)).collect();
            let found = Filter::save_findings(&lists, &all);
            let Rule { includes_end, is_korean } = rule;
            let expected = Filter { includes_end: Some(includes_end), is_korean: Some(is_korean) };
            assert_eq!(found, expected, "{rule:?}");
        }
    }

    #[test]
    fn what_the_records_cannot_tell_stays_unknown() {
        // No record of an evening: the zone stays unknown.
        let all: Vec<_> = (3..9).map(|day| record(day, 5)).collect();
        let windows = telling_windows(&all);
        for rule in RULES {
            let lists: Vec<_> = windows.iter().map(|asked| answer(rule, *asked, &all)).collect();
            let found = Filter::save_findings(&lists, &all);
            let expected = Filter { includes_end: Some(rule.includes_end), is_korean: None };
            assert_eq!(found, expected, "{rule:?}");
        }
        assert_eq!(telling_windows(&[]), []);
    }

    #[test]
    fn a_filter_that_is_not_at_work_tells_nothing() {
        let nothing = Filter { includes_end: None, is_korean: None };
        let all: Vec<_> = (3..20).flat_map(|day| [5, 20].map(|hour| record(day, hour))).collect();
        let asked = telling_windows(&all)[0];
        let ignored = DatedList { asked, brought: all.clone(), is_whole: true };
        assert_eq!(Filter::save_findings(&[ignored], &all), nothing);
        let empty = DatedList { asked, brought: Vec::new(), is_whole: true };
        assert_eq!(Filter::save_findings(&[empty], &all), nothing);
    }

    #[test]
    fn what_did_not_come_counts_only_when_the_list_was_read_to_its_end() {
        let all: Vec<_> = (3..20).flat_map(|day| [5, 20].map(|hour| record(day, hour))).collect();
        let asked = telling_windows(&all)[0];
        let mut cut = answer(RULES[0], asked, &all);
        cut.is_whole = false;
        cut.brought.truncate(1);
        let nothing = Filter { includes_end: None, is_korean: None };
        assert_eq!(Filter::save_findings(&[cut], &all), nothing);
    }
}
