//! Windows: half-open ranges of whole UTC days of the creation date.

use std::fmt;

use chrono::{Days, NaiveDate};

/// One UTC day.
pub type Day = NaiveDate;

/// A half-open range of whole UTC days, `[from, to)`. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    from: Day,
    to: Day,
}

/// The two days do not form a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the window from {from} to {to} is invalid: its end must be later than its start")]
pub struct InvalidWindow {
    from: Day,
    to: Day,
}

impl Window {
    /// Returns the window `[from, to)`, or an error if it would be empty.
    pub fn new(from: Day, to: Day) -> Result<Self, InvalidWindow> {
        if from < to { Ok(Self { from, to }) } else { Err(InvalidWindow { from, to }) }
    }

    /// Returns the window of one day.
    pub fn day(day: Day) -> Self {
        Self { from: day, to: plus(day, 1) }
    }

    /// The first day.
    pub fn from(self) -> Day {
        self.from
    }

    /// The day after the last.
    pub fn to(self) -> Day {
        self.to
    }

    /// The last day.
    pub fn last(self) -> Day {
        minus(self.to, 1)
    }

    /// The number of days, at least 1.
    pub fn len_days(self) -> u32 {
        u32::try_from((self.to - self.from).num_days()).unwrap_or(u32::MAX)
    }

    /// Whether the window contains the day.
    pub fn contains(self, day: Day) -> bool {
        self.from <= day && day < self.to
    }

    /// The days in ascending order.
    pub fn days(self) -> impl Iterator<Item = Day> {
        self.from.iter_days().take_while(move |day| *day < self.to)
    }

    /// The range to request from the API: one day more on either side. A filter that uses another
    /// time zone or an exclusive end then loses nothing (contract U3).
    #[must_use]
    pub fn asked(self) -> Self {
        Self { from: minus(self.from, 1), to: plus(self.to, 1) }
    }

    /// Both halves; the first is never the shorter one. `None` for a single day.
    pub fn halves(self) -> Option<(Self, Self)> {
        let days = self.len_days();
        if days < 2 {
            return None;
        }
        let middle = plus(self.from, u64::from(days.div_ceil(2)));
        Some((Self { from: self.from, to: middle }, Self { from: middle, to: self.to }))
    }

    /// Cuts the window into pieces of at most `days` days, in ascending order, without gap or
    /// overlap.
    pub fn pieces(self, days: u32) -> impl Iterator<Item = Self> {
        let mut from = self.from;
        std::iter::from_fn(move || {
            (from < self.to).then(|| {
                let to = plus(from, u64::from(days.max(1))).min(self.to);
                let piece = Self { from, to };
                from = to;
                piece
            })
        })
    }
}

/// The scope of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListScope {
    /// Some days.
    Window(Window),
    /// Everything, without a date filter: finds records that no filter returns.
    All,
}

/// A day before any record was created.
const NOWHERE: Day = match Day::from_ymd_opt(1, 1, 1) {
    Some(day) => day,
    None => Day::MIN,
};

impl ListScope {
    /// The days that the pass claims.
    ///
    /// Without a date filter it claims a day on which no record was created. It then competes with
    /// no other pass, and all its records are from outside the claim.
    pub fn claimed(self) -> Window {
        match self {
            Self::Window(window) => window,
            Self::All => Window::day(NOWHERE),
        }
    }

    /// Whether the pass uses a date filter.
    pub fn is_filtered(self) -> bool {
        matches!(self, Self::Window(_))
    }
}

impl fmt::Display for ListScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(window) => window.fmt(f),
            Self::All => f.write_str("everything"),
        }
    }
}

impl fmt::Display for Window {
    /// Shows both days inclusively, as on the command line: `2024-01-01..2024-01-31`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.last())
    }
}

/// Saturates at the end of the calendar, which is far from any creation date.
fn plus(day: Day, days: u64) -> Day {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}

fn minus(day: Day, days: u64) -> Day {
    day.checked_sub_days(Days::new(days)).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(number: i64) -> Day {
        Day::default() + chrono::Duration::days(number)
    }

    #[test]
    fn an_empty_window_is_refused() {
        assert!(Window::new(day(3), day(3)).is_err());
        assert!(Window::new(day(4), day(3)).is_err());
    }

    #[test]
    fn the_text_names_both_days_included() {
        let window = Window::new(day(0), day(31)).unwrap();
        assert_eq!(window.to_string(), "1970-01-01..1970-01-31");
    }

    proptest! {
        #[test]
        fn pieces_leave_no_gap_and_no_overlap(from in 0i64..9000, len in 1i64..900, size in 0u32..40) {
            let window = Window::new(day(from), day(from + len)).unwrap();
            let days: Vec<_> = window.pieces(size).flat_map(Window::days).collect();
            prop_assert_eq!(days, window.days().collect::<Vec<_>>());
        }

        #[test]
        fn halves_are_the_whole(from in 0i64..9000, len in 1i64..900) {
            let window = Window::new(day(from), day(from + len)).unwrap();
            match window.halves() {
                None => prop_assert_eq!(window.len_days(), 1),
                Some((first, second)) => {
                    prop_assert_eq!((first.from(), first.to(), second.to()),
                        (window.from(), second.from(), window.to()));
                    prop_assert!(first.len_days() >= second.len_days());
                }
            }
        }
    }
}
