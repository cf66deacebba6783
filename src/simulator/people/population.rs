//! Which records exist and when they were created, without storing any of them.

use std::ops::Range;

use chrono::NaiveTime;

use super::draw::{Draw, Purpose};
use super::ids::Ids;
use crate::domain::{Day, Stream};

/// The first number of the records added while the simulator runs.
pub(super) const ADDED: u32 = 0x8000_0000;
/// Marks the cursor of an empty page: the place just before the record with this number.
pub(in crate::simulator) const BEFORE: u32 = 0x4000_0000;
/// Most records of one person.
const SHARING: u32 = 16;

/// The generated records of the vendor: a pure function of the seed, the numbers and the days.
///
/// Two projects with the same population belong together: the face authentications of one refer to
/// the submissions of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    /// The seed of all values.
    pub seed: u64,
    /// Number of submissions, below 2^30.
    pub submissions: u32,
    /// Number of face authentications, below 2^30.
    pub faceauths: u32,
    /// The UTC day of the first record.
    pub from: Day,
    /// The day after the last record.
    pub to: Day,
}

impl Population {
    /// The generated records of one stream.
    pub(in crate::simulator) fn timeline(&self, stream: Stream) -> Timeline {
        let (count, salt) = match stream {
            Stream::Submission => (self.submissions, 1),
            Stream::Faceauth => (self.faceauths, 2),
        };
        let from_ms = day_start_ms(self.from);
        let span_ms = u128::try_from(day_start_ms(self.to) - from_ms).unwrap_or(0);
        Timeline { seed: self.seed ^ salt, count: count.min(BEFORE - 1), from_ms, span_ms }
    }

    /// The ids of one stream.
    pub(in crate::simulator) fn ids(&self, stream: Stream) -> Ids {
        Ids::new(
            self.seed,
            match stream {
                Stream::Submission => 1,
                Stream::Faceauth => 2,
            },
        )
    }

    /// The number of a submission's person; some persons have several submissions.
    ///
    /// Submissions of the same person are a sixteenth of the population apart, so that a search
    /// takes sixteen steps.
    pub(super) fn person(&self, number: u32) -> u32 {
        if number >= ADDED {
            return number;
        }
        let stride = self.sharing_stride();
        let mut draw = Draw::new(self.seed, number, Purpose::SharedPerson);
        if draw.permille(80) {
            number % stride + draw.below(number / stride + 1) * stride
        } else {
            number
        }
    }

    /// The generated submissions that may show this person.
    pub(in crate::simulator) fn may_show(&self, person: u32) -> impl Iterator<Item = u32> {
        let stride = self.sharing_stride();
        let turns = if person < ADDED { SHARING } else { 0 };
        let count = self.submissions.min(BEFORE - 1);
        (0..turns)
            .map(move |turn| (person % stride).saturating_add(turn.saturating_mul(stride)))
            .filter(move |number| *number < count)
    }

    fn sharing_stride(&self) -> u32 {
        self.submissions.div_ceil(SHARING).max(1)
    }
}

/// The generated records of one stream, oldest first. One in a hundred has the same time as its
/// predecessor.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Timeline {
    seed: u64,
    /// The number of records.
    pub(in crate::simulator) count: u32,
    from_ms: i64,
    span_ms: u128,
}

impl Timeline {
    /// When the record was created, in milliseconds since 1970. Never decreases with the number.
    pub(in crate::simulator) fn created_at_ms(&self, number: u32) -> i64 {
        let mut number = number;
        while number > 0 && Draw::new(self.seed, number, Purpose::Tie).permille(10) {
            number -= 1;
        }
        let Range { start, end } = self.slot(number);
        let room = u32::try_from(end - start).unwrap_or(u32::MAX);
        start + i64::from(Draw::new(self.seed, number, Purpose::Jitter).below(room))
    }

    /// The first record created at or after this moment; `count` if there is none.
    pub(in crate::simulator) fn first_at_or_after(&self, at_ms: i64) -> u32 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.created_at_ms(middle) < at_ms { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn slot(&self, number: u32) -> Range<i64> {
        let start = |number: u32| {
            let offset = self.span_ms * u128::from(number) / u128::from(self.count.max(1));
            self.from_ms + i64::try_from(offset).unwrap_or(0)
        };
        start(number)..start(number + 1)
    }
}

/// The first moment of a UTC day, in milliseconds since 1970.
pub(in crate::simulator) fn day_start_ms(day: Day) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn population(seed: u64, submissions: u32, days: u64) -> Population {
        let from = Day::from_ymd_opt(2024, 1, 1).unwrap();
        let to = from + chrono::Days::new(days);
        Population { seed, submissions, faceauths: submissions, from, to }
    }

    proptest! {
        #[test]
        fn time_never_falls_and_stays_inside(seed: u64, count in 1u32..3000, days in 1u64..400) {
            let population = population(seed, count, days);
            let timeline = population.timeline(Stream::Submission);
            let times: Vec<_> = (0..count).map(|number| timeline.created_at_ms(number)).collect();
            prop_assert!(times.is_sorted());
            prop_assert!(times[0] >= day_start_ms(population.from));
            prop_assert!(times[times.len() - 1] < day_start_ms(population.to));
        }

        #[test]
        fn a_moment_finds_its_first_record(seed: u64, count in 1u32..3000, number in 0u32..3000) {
            let timeline = population(seed, count, 3).timeline(Stream::Submission);
            let at_ms = timeline.created_at_ms(number % count);
            let first = timeline.first_at_or_after(at_ms);
            prop_assert!(timeline.created_at_ms(first) == at_ms && first <= number % count);
            prop_assert!(first == 0 || timeline.created_at_ms(first - 1) < at_ms);
        }

        #[test]
        fn everyone_who_shows_a_person_is_found(seed: u64, count in 1u32..2000, number in 0u32..2000) {
            let population = population(seed, count, 3);
            let number = number % count;
            let person = population.person(number);
            prop_assert!(population.may_show(person).any(|other| other == number));
        }
    }

    #[test]
    fn one_record_in_a_hundred_shares_the_time_of_another() {
        let timeline = population(7, 20_000, 365).timeline(Stream::Submission);
        let times: Vec<_> = (0..20_000).map(|number| timeline.created_at_ms(number)).collect();
        let ties = times.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!((100..400).contains(&ties), "{ties} ties");
    }
}
