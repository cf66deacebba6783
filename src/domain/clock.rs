//! The clocks that a run can read, and what follows where they disagree.

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::{Day, Window};

/// Clocks that differ by more than this are reported.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// The newest window reaches this many days beyond today: records may be dated ahead.
pub const DAYS_AHEAD: u64 = 7;

/// A wrong clock moves an end of the newest window by at most so many days.
const SHIFT_DAYS_MAX: i64 = 366;

/// A clock that is ahead of the others moves the start of the newest window back by at most so many
/// days.
const BACK_DAYS_MAX: i64 = 31;

/// The same moment by every clock that is known.
///
/// PostgreSQL's clock decides when work is due and as of when a day is known. The others only widen
/// the newest window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// PostgreSQL's clock.
    pub database: DateTime<Utc>,
    /// This machine's clock.
    pub host: DateTime<Utc>,
    /// The vendor's clock, from the `Date` header of its last answer.
    pub vendor: Option<DateTime<Utc>>,
}

/// A clock that disagrees with PostgreSQL's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Whose clock it is.
    pub clock: OtherClock,
    /// How far it is ahead of PostgreSQL's; negative: behind.
    pub ahead: TimeDelta,
}

/// A clock that is compared with PostgreSQL's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherClock {
    /// This machine's.
    Host,
    /// The vendor's.
    Vendor,
}

impl Clocks {
    /// Clocks that all show this time.
    pub fn agreeing(now: DateTime<Utc>) -> Self {
        Self { database: now, host: now, vendor: None }
    }

    /// Yesterday, today, whatever day any clock takes for today, and the days ahead of it on which
    /// records may be dated: the window that holds the newest records.
    ///
    /// A slow clock hides nothing, and a fast one neither. Both ends stay near PostgreSQL's time,
    /// so that a clock that shows nonsense does not ask for all of history.
    pub fn newest_window(&self) -> Window {
        let others = [Some(self.host), self.vendor].into_iter().flatten();
        let (mut earliest, mut latest) = (self.database, self.database);
        if let Some(last) = others.max() {
            earliest = earliest.min(last.max(self.database - TimeDelta::days(BACK_DAYS_MAX)));
            latest = latest.max(last.min(self.database + TimeDelta::days(SHIFT_DAYS_MAX)));
        }
        let yesterday = previous(earliest.date_naive());
        let tomorrow = Window::day(latest.date_naive()).to();
        let end = tomorrow.checked_add_days(Days::new(DAYS_AHEAD)).unwrap_or(tomorrow);
        Window::new(yesterday, end).unwrap_or(Window::day(yesterday))
    }

    /// The clocks that disagree with PostgreSQL's by more than five minutes.
    pub fn skews(&self) -> Vec<Skew> {
        [(OtherClock::Host, Some(self.host)), (OtherClock::Vendor, self.vendor)]
            .into_iter()
            .filter_map(|(clock, time)| Some(Skew { clock, ahead: time? - self.database }))
            .filter(|skew| skew.ahead.abs() > SKEW_MAX)
            .collect()
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = match self.clock {
            OtherClock::Host => "this machine's",
            OtherClock::Vendor => "the vendor's",
        };
        let side = if self.ahead < TimeDelta::zero() { "behind" } else { "ahead of" };
        // To the nearest minute: a query lies between the two readings.
        let minutes = (self.ahead.abs() + TimeDelta::seconds(30)).num_minutes();
        let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
        write!(f, "{whose} clock is {days} d {hours} h {minutes} min {side} PostgreSQL's clock")
    }
}

fn previous(day: Day) -> Day {
    day.pred_opt().unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + day) + TimeDelta::hours(10)
    }

    #[test]
    fn the_newest_window_holds_the_real_today_whichever_clock_is_wrong() {
        // Days from the real today to: PostgreSQL's, this machine's and the vendor's today; then
        // the window's ends.
        for (database, host, vendor, from, to) in [
            (0, 0, None, -1, 1),
            (0, 0, Some(0), -1, 1),
            (-3, 0, None, -4, 1),
            (-3, -3, Some(0), -4, 1),
            (3, 0, None, -1, 4),
            (3, 0, Some(0), -1, 4),
            (0, -7000, Some(0), -1, 1),
            (0, -7000, None, -32, 1),
            (0, 0, Some(-2), -1, 1),
            (0, 9000, Some(0), -1, 367),
        ] {
            let clocks = Clocks { database: at(database), host: at(host), vendor: vendor.map(at) };
            let end = at(to + i64::try_from(DAYS_AHEAD).unwrap()).date_naive();
            let expected = Window::new(at(from).date_naive(), end).unwrap();
            assert_eq!(clocks.newest_window(), expected, "{database} {host} {vendor:?}");
        }
    }

    #[test]
    fn clocks_that_differ_by_more_than_five_minutes_are_named() {
        let now = at(0);
        let clocks = |host, vendor| Clocks {
            database: now,
            host: now + TimeDelta::seconds(host),
            vendor: Some(now + TimeDelta::seconds(vendor)),
        };
        assert_eq!(clocks(300, -300).skews(), []);
        let texts: Vec<_> = clocks(301, -90_089).skews().iter().map(Skew::to_string).collect();
        assert_eq!(
            texts,
            [
                "this machine's clock is 0 d 0 h 5 min ahead of PostgreSQL's clock",
                "the vendor's clock is 1 d 1 h 1 min behind PostgreSQL's clock",
            ]
        );
    }
}
