//! The schedules of the daemon.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds},
};

/// Longest sleep between two polls of the clock.
const LOOKS_AT_LEAST_EVERY: TimeDelta = TimeDelta::seconds(10);

/// Most occurrences that are compared to find the longest gap: a week of one every five minutes.
const OCCURRENCES_MAX: usize = 2016;

/// A cron expression with six fields, seconds first, in UTC.
#[derive(Debug, Clone)]
pub struct Schedule(Cron);

/// The text is not a valid schedule. The error does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// The expression cannot be parsed.
    #[error("a schedule has six fields, seconds first, such as \"0 */5 * * * *\"")]
    Unreadable,
    /// No time matches the expression, for example the 30th of February.
    #[error("a schedule never occurs, such as one on February 30")]
    NeverRings,
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let parser = CronParser::builder().seconds(Seconds::Required).build();
        let cron = parser.parse(text).map_err(|_unreadable| InvalidSchedule::Unreadable)?;
        let schedule = Self(cron);
        let rings = schedule.next(DateTime::UNIX_EPOCH).is_some();
        rings.then_some(schedule).ok_or(InvalidSchedule::NeverRings)
    }
}

impl Schedule {
    /// Returns the first occurrence after this time.
    fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.find_next_occurrence(&after, false).ok()
    }
}

/// Returns the longest time between two occurrences of any of these schedules in the week after
/// `from`, or among the first thousands of them. At least a minute.
pub fn longest_gap(schedules: &[Schedule], from: DateTime<Utc>) -> TimeDelta {
    let end = from + TimeDelta::days(7);
    let mut last = from;
    let mut longest = TimeDelta::minutes(1);
    for _ in 0..OCCURRENCES_MAX {
        let Some(next) = next_of(schedules, last).filter(|_| last < end) else { break };
        // The time until the first occurrence is only a part of a gap.
        if last > from {
            longest = longest.max(next - last);
        }
        last = next;
    }
    longest
}

fn next_of(schedules: &[Schedule], after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedules.iter().filter_map(|schedule| schedule.next(after)).min()
}

/// Polls schedules against a wall clock that may be set forward or back.
#[derive(Debug)]
pub struct Bells {
    schedules: Vec<Schedule>,
    heard: DateTime<Utc>,
}

impl Bells {
    /// Watches the schedules from this time on.
    pub fn new(schedules: Vec<Schedule>, now: DateTime<Utc>) -> Self {
        Self { schedules, heard: now }
    }

    /// Returns whether an occurrence has passed since the last poll, and the time to sleep until
    /// the next poll.
    ///
    /// Several passed occurrences count as one. After the clock was set back, occurrences count
    /// again from the new time.
    pub fn listen(&mut self, now: DateTime<Utc>) -> (bool, TimeDelta) {
        let heard = self.heard.min(now);
        let has_rung = self.next(heard).is_some_and(|at| at <= now);
        self.heard = now;
        let next = self.next(now).map_or(LOOKS_AT_LEAST_EVERY, |at| at - now);
        (has_rung, next.clamp(TimeDelta::milliseconds(1), LOOKS_AT_LEAST_EVERY))
    }

    fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        next_of(&self.schedules, after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64, second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(minute * 60 + second)
    }

    #[test]
    fn a_schedule_has_six_fields_and_comes_round() {
        for (text, expected) in [
            ("0 */5 * * * *", Ok(())),
            ("30 0 3 1 * *", Ok(())),
            ("*/5 * * * *", Err(InvalidSchedule::Unreadable)),
            ("every now and then", Err(InvalidSchedule::Unreadable)),
            ("", Err(InvalidSchedule::Unreadable)),
            ("0 0 0 30 2 *", Err(InvalidSchedule::NeverRings)),
        ] {
            assert_eq!(text.parse::<Schedule>().map(drop), expected, "{text}");
        }
    }

    #[test]
    fn the_longest_gap_is_between_occurrences_of_any_schedule() {
        for (schedules, minutes) in [
            (&["0 */5 * * * *"][..], 5),
            (&["0 0 3 * * *"], 24 * 60),
            (&["0 0 8-18 * * *"], 14 * 60),
            (&["0 0 8-18 * * *", "0 30 0 * * *"], 7 * 60 + 30),
            (&["0 0 6 * * MON"], 7 * 24 * 60),
            (&["*/5 * * * * *"], 1),
        ] {
            let schedules: Vec<Schedule> =
                schedules.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(longest_gap(&schedules, at(0, 30)).num_minutes(), minutes);
        }
    }

    #[test]
    fn bells_ring_on_time_and_whatever_the_clock_does() {
        let schedules = vec!["0 */5 * * * *".parse().unwrap(), "0 2 * * * *".parse().unwrap()];
        let mut bells = Bells::new(schedules, at(0, 30));
        for (now, has_rung, sleeps) in [
            (at(0, 30), false, 10),
            (at(1, 57), false, 3),
            (at(2, 0), true, 10),
            (at(2, 1), false, 10),
            // Slept over two occurrences: they count as one.
            (at(11, 0), true, 10),
            // Set back by more than an hour: no occurrence until the next one after the new time.
            (at(-60, 58), false, 10),
            (at(-55, 0), true, 10),
            // Set forward by days.
            (at(9000, 1), true, 10),
            (at(9001, 55), false, 5),
            (at(9004, 55), true, 5),
            (at(9005, 0), true, 10),
        ] {
            let (rang, sleep) = bells.listen(now);
            assert_eq!((rang, sleep.num_seconds()), (has_rung, sleeps), "{now}");
        }
    }
}
