//! Whether a list item may be older than the stored one. The vendor's own times raise that doubt;
//! read numbers decide.

use chrono::{DateTime, TimeDelta, Utc};

use super::value::parse_moment;
use crate::{
    domain::ReadNumber,
    json::{Flat, Json},
};

/// The vendor's times of an item that increase when its state changes. Face authentications have
/// none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    updated_at: Option<Moment>,
    kyc_result_at: Option<Moment>,
}

/// A time and its precision: the smallest step that its text can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    at: DateTime<Utc>,
    step: TimeDelta,
}

impl Moment {
    fn read(text: &str) -> Option<Self> {
        parse_moment(text.trim()).map(|(at, step)| Self { at, step })
    }

    /// Compares at the coarser of the two precisions.
    fn is_later_than(self, other: Self) -> bool {
        let step = self.step.max(other.step);
        count(self.at, step) > count(other.at, step)
    }
}

/// The number of whole steps since 1970.
fn count(at: DateTime<Utc>, step: TimeDelta) -> i128 {
    const SECOND: i128 = 1_000_000_000;
    let step = i128::from(step.num_seconds()) * SECOND + i128::from(step.subsec_nanos());
    let at = i128::from(at.timestamp()) * SECOND + i128::from(at.timestamp_subsec_nanos());
    at.div_euclid(step.max(1))
}

impl Times {
    /// Reads the times of an item's text. Missing and invalid times are left out.
    pub fn read(item: &str) -> Self {
        let Ok(item) = Flat::parse(item) else { return Self::default() };
        Self::of_members(|name| item.text(name))
    }

    pub(super) fn of(item: &Json<'_>) -> Self {
        Self::of_members(|name| item.get(name).and_then(Json::as_text))
    }

    fn of_members<'t>(text: impl Fn(&'static str) -> Option<&'t str>) -> Self {
        let moment = |name| text(name).and_then(Moment::read);
        Self { updated_at: moment("updated_at"), kyc_result_at: moment("kyc_result_at") }
    }

    /// The times of a record that is [merged](super::merge()) from items with these times.
    pub fn of_record(list: Option<(Self, ReadNumber)>, detail: Option<(Self, ReadNumber)>) -> Self {
        match (list, detail) {
            (None, None) => Self::default(),
            (Some((list, _)), None) => list,
            (None, Some((detail, _))) => detail,
            (Some((list, asked)), Some((detail, answered))) => {
                if answered > asked || detail.is_later_than(&list) {
                    return detail;
                }
                Self {
                    updated_at: list.updated_at.or(detail.updated_at),
                    kyc_result_at: list.kyc_result_at.or(detail.kyc_result_at),
                }
            }
        }
    }

    /// Whether there is no time to compare.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a time is later than the same time of the other item. A time that either item lacks
    /// is not compared.
    pub fn is_later_than(&self, other: &Self) -> bool {
        let pairs =
            [(self.updated_at, other.updated_at), (self.kyc_result_at, other.kyc_result_at)];
        pairs.into_iter().any(|pair| match pair {
            (Some(own), Some(other)) => own.is_later_than(other),
            (None, _) | (_, None) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(members: &str) -> Times {
        let item = format!(r#"{{"submission_id":"s",{members}}}"#);
        let times = Times::read(&item);
        assert_eq!(times, Times::of(&crate::json::parse(&item).unwrap().value));
        times
    }

    #[test]
    fn a_record_with_a_later_time_raises_doubt_at_the_coarser_precision() {
        let updated = |text: &str| format!(r#""updated_at":"{text}""#);
        let decided = |text: &str| format!(r#""kyc_result_at":"{text}""#);
        let both = |one: &str, other: &str| format!("{},{}", updated(one), decided(other));
        let morning = "2025-10-02T02:15:17.554Z";
        let noon = "2025-10-02T12:00:00.000Z";
        for (record, list, raises_doubt) in [
            (updated(noon), updated(morning), true),
            (updated(morning), updated(noon), false),
            (updated(noon), updated(noon), false),
            (decided(noon), decided(morning), true),
            // One later time is enough.
            (both(morning, noon), both(noon, morning), true),
            // A time that only one item has is not compared.
            (updated(noon), decided(morning), false),
            (both(noon, noon), r#""memo":null"#.to_owned(), false),
            (r#""memo":null"#.to_owned(), both(noon, noon), false),
            (both(noon, noon), decided(morning), true),
            (updated(noon), r#""updated_at":null"#.to_owned(), false),
            (updated(noon), updated("yesterday"), false),
            (updated(noon), r#""updated_at":1"#.to_owned(), false),
            // Seconds and milliseconds, minutes and seconds, days and other precisions.
            (updated(morning), updated("2025-10-02T02:15:17Z"), false),
            (updated("2025-10-02T02:15:18.001Z"), updated("2025-10-02T02:15:17Z"), true),
            (updated("2025-10-02T02:15:59Z"), updated("2025-10-02T02:15Z"), false),
            (updated("2025-10-02-02-15-17-554"), updated("2025-10-02T02:15:17Z"), false),
            (updated("2025-10-02-02-15-18-554"), updated("2025-10-02T02:15:17Z"), true),
            (updated(noon), updated("2025-10-02"), false),
            (updated("2025-10-03"), updated(noon), true),
            // The same moment in another zone, and a later one that looks earlier.
            (updated("2025-10-02T11:15:17.554+09:00"), updated(morning), false),
            (updated("2025-10-02T01:00:00-05:00"), updated(morning), true),
            (updated("0001-01-01T00:00:00Z"), updated(morning), false),
        ] {
            let is_doubtful = times(&record).is_later_than(&times(&list));
            assert_eq!(is_doubtful, raises_doubt, "record {record}, list {list}");
        }
    }

    #[test]
    fn a_record_has_the_times_of_the_items_it_is_merged_from() {
        let early = times(r#""updated_at":"2025-01-01T00:00:00Z""#);
        let late = times(r#""updated_at":"2025-01-02T00:00:00Z""#);
        let decided = times(r#""kyc_result_at":"2025-01-02T00:00:00Z""#);
        let one = |times, number| Some((times, ReadNumber(number)));
        assert!(Times::of_record(None, None).is_empty());
        assert_eq!(Times::of_record(one(early, 1), None), early);
        assert_eq!(Times::of_record(one(late, 1), one(early, 2)), early);
        assert_eq!(Times::of_record(one(late, 2), one(early, 1)), late);
        assert_eq!(Times::of_record(one(early, 2), one(late, 1)), late, "the list item is stale");
        let overlaid = Times::of_record(one(late, 2), one(decided, 1));
        let expected = Times { updated_at: late.updated_at, kyc_result_at: decided.kyc_result_at };
        assert_eq!(overlaid, expected);
    }
}
