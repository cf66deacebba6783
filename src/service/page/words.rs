//! Numbers and times as the page shows them.

use std::{fmt::Display, time::Duration};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// Some things of a project are counted up to this number; one more stands for more.
const COUNTED_MAX: i64 = 1000;

/// A time, with its distance from now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// In ISO 8601.
    pub(super) iso: String,
    /// With seconds, such as `2026-11-30 08:15:00 UTC`.
    pub(super) exact: String,
    /// Such as `3 min ago`.
    pub(super) relative: String,
}

impl Moment {
    pub(super) fn of(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            iso: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            exact: exact(at),
            relative: relative(at - now),
        }
    }
}

/// A time with seconds.
pub(super) fn exact(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A distance from now; negative distances are in the past.
fn relative(distance: TimeDelta) -> String {
    let length = largest_unit(distance.abs());
    match distance.num_seconds() {
        0 => "now".to_owned(),
        ..0 => format!("{length} ago"),
        1.. => format!("in {length}"),
    }
}

/// A duration in its largest unit, rounded down: less precise than
/// [`duration`](crate::status::words::duration).
pub(super) fn largest_unit(time: TimeDelta) -> String {
    match time.num_seconds() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ 60..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds @ 172_800.. => format!("{} days", number(seconds / 86_400)),
    }
}

/// A duration in words, such as `1 h 5 min` or `30 days`; a negative one counts as zero.
pub(super) fn duration(time: TimeDelta) -> String {
    if time > TimeDelta::days(1) && TimeDelta::days(time.num_days()) == time {
        return count(time.num_days(), "day");
    }
    crate::status::words::duration(time.to_std().unwrap_or(Duration::ZERO))
}

/// A whole number with commas between groups of three digits.
pub(super) fn number(number: impl Display) -> String {
    let digits = number.to_string();
    let (sign, digits) =
        digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count that is exact up to a thousand; a larger one stands for more.
pub(super) fn capped(count: i64) -> String {
    if count > COUNTED_MAX { format!("more than {}", number(COUNTED_MAX)) } else { number(count) }
}

/// A number of things, such as `1 day` or `1,234 days`.
pub(super) fn count(things: i64, thing: &str) -> String {
    let plural = if things == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", number(things))
}

/// A clause as a sentence: with a capital letter and a full stop.
pub(super) fn sentence(clause: &str) -> String {
    let mut chars = clause.trim_end_matches('.').chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// A part of a whole in percent with one decimal, for the width of a bar; from `0.0` to `100.0`.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part.min(whole)) * 1000;
    let tenths = tenths.checked_div(u128::from(whole)).unwrap_or_default();
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A count that is never negative.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_groups_of_three_digits() {
        for (given, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1_234_567, "-1,234,567"),
            (-12, "-12"),
            (i64::MAX, "9,223,372,036,854,775,807"),
        ] {
            assert_eq!(number(given), text);
        }
        assert_eq!(capped(1000), "1,000");
        assert_eq!(capped(1001), "more than 1,000");
        assert_eq!(count(1, "day"), "1 day");
        assert_eq!(count(0, "day"), "0 days");
        assert_eq!(count(1200, "day"), "1,200 days");
    }

    #[test]
    fn times_show_their_distance_from_now() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        for (seconds, relative) in [
            (0, "now"),
            (-3, "3 s ago"),
            (-59, "59 s ago"),
            (-60, "1 min ago"),
            (-7199, "119 min ago"),
            (-7200, "2 h ago"),
            (-47 * 3600, "47 h ago"),
            (-48 * 3600, "2 days ago"),
            (-4000 * 86_400, "4,000 days ago"),
            (90, "in 1 min"),
        ] {
            let moment = Moment::of(now + TimeDelta::seconds(seconds), now);
            assert_eq!(moment.relative, relative);
        }
        let moment = Moment::of(now, now);
        assert_eq!(moment.iso, "2024-10-04T00:00:00Z");
        assert_eq!(moment.exact, "2024-10-04 00:00:00 UTC");
    }

    #[test]
    fn whole_days_are_called_days() {
        for (hours, words) in
            [(-1, "0 s"), (1, "1 h"), (24, "1 d"), (48, "2 days"), (49, "2 d 1 h")]
        {
            assert_eq!(duration(TimeDelta::hours(hours)), words);
        }
    }

    #[test]
    fn a_sentence_has_a_capital_letter_and_one_full_stop() {
        for (clause, expected) in [
            ("lists omit aml", "Lists omit aml."),
            ("It ends.", "It ends."),
            ("12 items; see `status`", "12 items; see `status`."),
            ("", "."),
        ] {
            assert_eq!(sentence(clause), expected);
        }
    }

    #[test]
    fn a_bar_is_never_wider_than_its_frame() {
        for (part, whole, width) in [
            (0, 0, "0.0"),
            (1, 0, "0.0"),
            (1, 3, "33.3"),
            (3, 3, "100.0"),
            (5, 3, "100.0"),
            (u64::MAX, u64::MAX, "100.0"),
        ] {
            assert_eq!(percent(part, whole), width, "{part} of {whole}");
        }
    }
}
