//! The calendar of a project: a table for each year, with a column for each week.

use chrono::{Datelike as _, Days, NaiveDate};

use super::{
    history::{DayState, HistoryDay, Span, counts, spans},
    words,
};
use crate::domain::Day;

/// Most spans that are listed as text.
const SPANS: usize = 40;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The days of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeatMap {
    /// The years, the newest first.
    pub(super) years: Vec<Year>,
    /// The states that occur, with their numbers of days.
    pub(super) legend: Vec<Entry>,
    /// The same days as text, the newest first.
    pub(super) spans: Vec<SpanLine>,
    /// Number of older spans that are not listed.
    pub(super) spans_left: usize,
}

/// A state in the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    pub(super) days: String,
}

/// A line about consecutive days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpanLine {
    pub(super) class: &'static str,
    pub(super) days: String,
    pub(super) text: String,
}

/// The days of a calendar year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Year {
    pub(super) number: i32,
    /// Number of columns.
    pub(super) weeks: usize,
    pub(super) summary: String,
    pub(super) months: Vec<Month>,
    /// One row for each day of the week.
    pub(super) rows: Vec<Row>,
}

/// The columns of the weeks that begin in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Month {
    pub(super) name: &'static str,
    pub(super) weeks: usize,
}

/// The same day of all weeks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) weekday: &'static str,
    pub(super) cells: Vec<Cell>,
}

/// A cell of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// This number of columns without a known day.
    Blank(usize),
    /// A day.
    Day {
        /// The class of its state.
        class: &'static str,
        /// Its accessible text.
        text: String,
    },
}

impl HeatMap {
    /// The calendar of consecutive days.
    pub(super) fn of(days: &[HistoryDay]) -> Self {
        let years = days.chunk_by(|before, after| before.day.year() == after.day.year());
        let legend = counts(days.iter()).into_iter().map(|(state, days)| Entry {
            class: state.class(),
            name: state.as_str(),
            days: words::count(days, "day"),
        });
        let all_spans = spans(days);
        Self {
            years: years.rev().filter_map(Year::of).collect(),
            legend: legend.collect(),
            spans: all_spans.iter().take(SPANS).map(SpanLine::of).collect(),
            spans_left: all_spans.len().saturating_sub(SPANS),
        }
    }
}

impl SpanLine {
    fn of(span: &Span) -> Self {
        let days = if span.from == span.to {
            span.from.to_string()
        } else {
            format!("{} to {}", span.from, span.to)
        };
        let is_long = span.days > 1;
        let read = span.as_of.map(|as_of| {
            let records = words::count(span.records, "record");
            let oldest = if is_long { "oldest read" } else { "read" };
            format!("{records}, {oldest} {}", as_of.format("%Y-%m-%d %H:%M UTC"))
        });
        let number = is_long.then(|| words::count(span.days, "day"));
        let parts = [Some(span.state.as_str().to_owned()), number, read];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        Self { class: span.state.class(), days, text }
    }
}

impl Year {
    /// The table of consecutive days of one year; `None` if there are none.
    fn of(days: &[HistoryDay]) -> Option<Self> {
        let first = days.first()?.day;
        let year = first.year();
        let (start, end) = (NaiveDate::from_ymd_opt(year, 1, 1)?, first_of(year + 1)?.pred_opt()?);
        let monday = monday_of(start);
        let weeks = usize::try_from((end - monday).num_days() / 7 + 1).ok()?;
        let mondays: Vec<Day> = monday.iter_weeks().take(weeks).collect();
        let rows = WEEKDAYS.iter().zip(0_u64..).map(|(weekday, row)| {
            let of_row = mondays.iter().map(|monday| {
                let day = monday.checked_add_days(Days::new(row))?;
                days.get(usize::try_from((day - first).num_days()).ok()?)
            });
            Row { weekday, cells: cells(of_row) }
        });
        Some(Self {
            number: year,
            weeks,
            summary: summary(days),
            months: months(mondays.iter().map(|monday| *monday.max(&start))),
            rows: rows.collect(),
        })
    }
}

fn first_of(year: i32) -> Option<Day> {
    NaiveDate::from_ymd_opt(year, 1, 1)
}

fn monday_of(day: Day) -> Day {
    day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())).unwrap_or(day)
}

/// The months in which weeks begin, with their numbers of weeks.
fn months(weeks: impl Iterator<Item = Day>) -> Vec<Month> {
    let mut months: Vec<Month> = Vec::new();
    for week in weeks {
        let name = usize::try_from(week.month0()).ok().and_then(|month| MONTHS.get(month));
        let name = name.copied().unwrap_or_default();
        match months.last_mut() {
            Some(last) if last.name == name => last.weeks += 1,
            _ => months.push(Month { name, weeks: 1 }),
        }
    }
    months
}

/// The cells of a row. Columns without a known day are joined, and omitted at the end.
fn cells<'d>(days: impl Iterator<Item = Option<&'d HistoryDay>>) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut blank = 0;
    for day in days {
        let Some(day) = day else {
            blank += 1;
            continue;
        };
        if blank > 0 {
            cells.push(Cell::Blank(blank));
            blank = 0;
        }
        cells.push(Cell::Day { class: day.state.class(), text: day.as_text() });
    }
    cells
}

/// Summarizes the days of a year, such as `all 365 days are final`.
fn summary(days: &[HistoryDay]) -> String {
    let counts = counts(days.iter());
    let all = i64::try_from(days.len()).unwrap_or(i64::MAX);
    if let [(state, _)] = counts.as_slice() {
        return match all {
            1 => format!("1 day, {}", state.as_str()),
            _ => format!("all {}, {}", words::count(all, "day"), state.as_str()),
        };
    }
    let parts = counts.iter().map(|(state, days)| match state {
        DayState::Final => {
            format!("{} of {} final", words::number(*days), words::count(all, "day"))
        }
        state => format!("{} {}", words::number(*days), state.as_str()),
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(from: &str, count: usize) -> Vec<HistoryDay> {
        let from: Day = from.parse().unwrap();
        let days = from.iter_days().take(count).map(|day| HistoryDay {
            day,
            state: DayState::Final,
            as_of: None,
            records: 0,
            is_read_again: false,
        });
        days.collect()
    }

    #[test]
    fn each_year_has_a_column_for_each_week() {
        // 2012 begins on a Sunday and has 366 days.
        for (from, count, weeks) in
            [("2012-01-01", 366, 54), ("2024-01-01", 366, 53), ("2025-01-01", 365, 53)]
        {
            let map = HeatMap::of(&days(from, count));
            let [year] = map.years.as_slice() else { panic!("one year: {map:?}") };
            assert_eq!(year.weeks, weeks, "{from}");
            assert_eq!(year.rows.len(), 7);
            assert_eq!(year.months.len(), 12);
            assert_eq!(year.months.iter().map(|month| month.weeks).sum::<usize>(), weeks);
            let cells = year.rows.iter().flat_map(|row| &row.cells);
            let shown = cells.filter(|cell| matches!(cell, Cell::Day { .. })).count();
            assert_eq!(shown, count, "{from}");
        }
    }

    #[test]
    fn a_day_is_in_the_row_of_its_weekday_and_the_column_of_its_week() {
        let map = HeatMap::of(&days("2026-11-30", 2));
        let [year] = map.years.as_slice() else { panic!("one year: {map:?}") };
        let day = |text: &str| Cell::Day { class: "f", text: format!("{text}: final") };
        let shown: Vec<_> = year.rows.iter().map(|row| (row.weekday, row.cells.clone())).collect();
        // The week of 30 November is the 49th column: 2026 begins on a Thursday.
        assert_eq!(shown[0], ("Mon", vec![Cell::Blank(48), day("2026-11-30")]));
        assert_eq!(shown[1], ("Tue", vec![Cell::Blank(48), day("2026-12-01")]));
        assert_eq!(shown[2], ("Wed", vec![]));
    }

    #[test]
    fn the_newest_year_comes_first() {
        let map = HeatMap::of(&days("2023-12-30", 400));
        let years: Vec<_> =
            map.years.iter().map(|year| (year.number, year.summary.as_str())).collect();
        assert_eq!(
            years,
            [
                (2025, "all 32 days, final"),
                (2024, "all 366 days, final"),
                (2023, "all 2 days, final"),
            ]
        );
    }

    #[test]
    fn a_summary_counts_the_days_of_each_state() {
        let mut days = days("2026-01-01", 1500);
        days[3].state = DayState::Blocked;
        days[1499].state = DayState::Unread;
        assert_eq!(summary(&days), "1,498 of 1,500 days final, 1 blocked, 1 not read yet");
        assert_eq!(summary(&days[3..4]), "1 day, blocked");
        let map = HeatMap::of(&days);
        let lines: Vec<_> = map.spans.iter().map(|span| span.text.as_str()).collect();
        assert_eq!(lines, ["not read yet", "final, 1,495 days", "blocked", "final, 3 days"]);
    }

    #[test]
    fn no_days_are_no_calendar() {
        let map = HeatMap::of(&[]);
        assert!(map.years.is_empty() && map.legend.is_empty() && map.spans.is_empty());
    }
}
