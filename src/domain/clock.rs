//! The clocks that a run can read, and the effects of a disagreement between them.

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::{Day, Window};

/// Larger differences between two clocks are reported.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// Days beyond today that the newest window covers, since records may be dated in the future.
pub const DAYS_AHEAD: u64 = 7;

/// Limit, in days, by which a wrong clock can move either end of the newest window.
const SHIFT_DAYS_MAX: i64 = 366;

/// Limit, in days, by which a fast PostgreSQL clock can move the start of the newest window back.
const BACK_DAYS_MAX: i64 = 31;

/// The same moment on every known clock.
///
/// PostgreSQL's clock decides when work is due and the time as of which a day is read. The other
/// clocks can only widen the newest window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// PostgreSQL's time.
    pub database: DateTime<Utc>,
    /// This machine's time.
    pub host: DateTime<Utc>,
    /// The vendor's time, from the `Date` header of its last answer.
    pub vendor: Option<DateTime<Utc>>,
}

/// The difference between a clock and PostgreSQL's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// The clock that differs.
    pub clock: OtherClock,
    /// Its lead over PostgreSQL's clock; negative if it is slow.
    pub ahead: TimeDelta,
}

/// A clock that is compared with PostgreSQL's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherClock {
    /// This machine's clock.
    Host,
    /// The vendor's clock.
    Vendor,
}

impl Clocks {
    /// Returns clocks that all show this time.
    pub fn agreeing(now: DateTime<Utc>) -> Self {
        Self { database: now, host: now, vendor: None }
    }

    /// Returns the window with the newest records.
    ///
    /// It covers yesterday, today by every clock, and [`DAYS_AHEAD`] days beyond, because records
    /// may be dated in the future. Neither a slow nor a fast clock hides records. Both ends stay
    /// near PostgreSQL's time, so that a wildly wrong clock does not request all of history.
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

    /// Returns the clocks that differ from PostgreSQL's by more than five minutes.
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
        // Rounded to the nearest minute, because a query runs between the two clock reads.
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
        // Offsets in days from the real today: PostgreSQL's, this machine's and the vendor's today;
        // then the two ends of the window.
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
