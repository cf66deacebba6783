//! The table of missed and late changes, and of their delays.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::year::{DAY, HOUR, Kind, MINUTE, Move, Year};

/// The age of a record when it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    ToTwoDays,
    ToTwoWeeks,
    ToTwoMonths,
    Older,
}

impl Age {
    fn of(seconds: i64) -> Self {
        match seconds {
            // Today or yesterday, at any hour.
            ..DAY => Self::ToTwoDays,
            _ if seconds < 13 * DAY => Self::ToTwoWeeks,
            _ if seconds < 60 * DAY => Self::ToTwoMonths,
            _ => Self::Older,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::ToTwoDays => "up to 1 day",
            Self::ToTwoWeeks => "up to 13 days",
            Self::ToTwoMonths => "up to 60 days",
            Self::Older => "older",
        }
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::New => "submitted",
        Kind::Late => "submitted, backdated",
        Kind::Decided => "decided",
        Kind::Aml => "AML flagged or cleared",
        Kind::AmlUnlisted => "AML flagged or cleared, lists omit `aml`",
        Kind::Edited => "edited",
        Kind::DetailOnly => "changed in the detail only",
        Kind::Deleted => "deleted with a mark",
        Kind::Vanished => "deleted without a mark",
    }
}

/// The promised delay while the budget lasts: the planner's interval and two schedule intervals.
fn promise(kind: Kind, age: i64) -> i64 {
    let bells = 10 * MINUTE;
    let cycle = DAY + bells;
    let settled = match Age::of(age) {
        Age::ToTwoDays => bells,
        Age::ToTwoWeeks => 6 * HOUR + bells,
        Age::ToTwoMonths | Age::Older => cycle,
    };
    match kind {
        // The age of a day counts from its first minute.
        Kind::Decided => (((age + DAY) / 48).clamp(15 * MINUTE, DAY) + bells).min(settled),
        Kind::New | Kind::Late | Kind::Aml | Kind::Edited => settled,
        // The interval of detail calls is at least six hours, also for today and yesterday.
        Kind::AmlUnlisted => settled.max(6 * HOUR + bells),
        Kind::Deleted | Kind::Vanished => settled + HOUR + bells,
        Kind::DetailOnly => 180 * DAY + bells,
    }
}

fn age(year: &Year, given: &Move) -> i64 {
    year.records.get(given.record).map_or(0, |record| given.at - record.created)
}

/// The number of changes that became visible late or never.
pub(crate) fn broken_promises(year: &Year, visible: &[Option<i64>]) -> usize {
    let late =
        year.moves.iter().zip(visible).filter(|(given, visible)| is_late(year, given, **visible));
    late.count()
}

fn is_late(year: &Year, given: &Move, visible: Option<i64>) -> bool {
    visible.is_none_or(|visible| visible - given.at > promise(given.kind, age(year, given)))
}

/// One line for each kind of change and age of its record.
pub(crate) fn table(year: &Year, ours: &[Option<i64>], theirs: &[Option<i64>]) -> String {
    let mut classes: BTreeMap<(Kind, Age), Vec<usize>> = BTreeMap::new();
    for (index, given) in year.moves.iter().enumerate() {
        classes.entry((given.kind, Age::of(age(year, given)))).or_default().push(index);
    }
    let mut text = String::from(
        "| event | record age | changes | promised | planner: missed | late | median | 99% | lookback: missed | late | median | 99% |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for ((kind, age_class), moves) in &classes {
        let promised = moves.iter().filter_map(|index| year.moves.get(*index));
        let promised =
            promised.map(|given| promise(*kind, age(year, given))).max().unwrap_or_default();
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            words(*kind),
            age_class.as_str(),
            moves.len(),
            span(promised),
            cells(year, moves, ours),
            cells(year, moves, theirs),
        );
    }
    text
}

fn cells(year: &Year, moves: &[usize], visible: &[Option<i64>]) -> String {
    let (mut missed, mut late, mut waits) = (0, 0, Vec::new());
    for index in moves {
        let (Some(given), Some(visible)) = (year.moves.get(*index), visible.get(*index)) else {
            continue;
        };
        match visible {
            None => missed += 1,
            Some(at) => {
                late += usize::from(is_late(year, given, *visible));
                waits.push(at - given.at);
            }
        }
    }
    waits.sort_unstable();
    let at = |part: usize| {
        let index = (waits.len() * part / 100).min(waits.len().saturating_sub(1));
        waits.get(index).map_or("-".to_owned(), |wait| span(*wait))
    };
    format!("{missed} | {late} | {} | {}", at(50), at(99))
}

fn span(seconds: i64) -> String {
    match seconds {
        ..HOUR => format!("{} min", (seconds + 59) / 60),
        _ if seconds < 2 * DAY => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{:.1} d", seconds as f64 / 86400.0),
    }
}
