//! Reads the query of a call: names, dates, counts, cursors. Rejects names that the vendor does not
//! define.

use std::ops::Range;

use chrono::{DateTime, NaiveDateTime};

use super::answer::Answer;
use super::order::StartPlace;
use crate::domain::{Day, Stream};
use crate::simulator::knobs::{AboveMax, DateFormat, FilterZone, Knobs};
use crate::simulator::people::ids::Ids;
use crate::simulator::people::overlay::{Records, place};
use crate::simulator::people::population::day_start_ms;

const DAY_MS: i64 = 86_400_000;
const KST_AHEAD_MS: i64 = 9 * 3_600_000;

/// The parameters of a call.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

/// The parameter names of one stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub(super) id: &'static str,
    start: &'static str,
    end: &'static str,
    cursor_id: &'static str,
    cursor_time: &'static str,
    known: &'static [&'static str],
}

/// Contract section 3.1, without `data`, whose ciphertext was decrypted before.
const SUBMISSION: Names = Names {
    id: "submission_id",
    start: "start_date",
    end: "end_date",
    cursor_id: "nextpage_id",
    cursor_time: "nextpage_date",
    known: &[
        "submission_id",
        "userid",
        "email",
        "count",
        "nextpage_id",
        "nextpage_date",
        "start_date",
        "end_date",
        "request_type",
    ],
};

/// Contract section 6.1.
const FACEAUTH: Names = Names {
    id: "authId",
    start: "startDate",
    end: "endDate",
    cursor_id: "nextKey_id",
    cursor_time: "nextKey_date",
    known: &["authId", "startDate", "endDate", "nextKey_id", "nextKey_date", "count"],
};

/// The parameter names of this stream.
pub(super) fn names(stream: Stream) -> Names {
    match stream {
        Stream::Submission => SUBMISSION,
        Stream::Faceauth => FACEAUTH,
    }
}

impl Parameters {
    /// The parameters of a list or detail call, decrypted; 400 for a name that the vendor does not
    /// define.
    pub(super) fn new(
        pairs: Vec<(String, String)>,
        knobs: &Knobs,
        stream: Stream,
    ) -> Result<Self, Answer> {
        Self::among(pairs, knobs, names(stream).known)
    }

    /// The parameters of a call that accepts these names.
    pub(super) fn among(
        pairs: Vec<(String, String)>,
        knobs: &Knobs,
        known: &[&str],
    ) -> Result<Self, Answer> {
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                let message = format!("invalid parameter: {name}");
                Err(Answer::refused(knobs, "invalid_parameter", &message))
            }
            None => Ok(Self(pairs)),
        }
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The page size.
    pub(super) fn count(&self, knobs: &Knobs, stream: Stream) -> Result<u32, Answer> {
        let default = match stream {
            Stream::Submission => knobs.default_count,
            Stream::Faceauth => 2000,
        };
        let asked = match self.get("count") {
            None => default,
            Some(text) => text.parse().map_err(|_error| invalid_format(knobs, "count"))?,
        };
        match knobs.count_above_max {
            _ if asked == 0 => Err(invalid_format(knobs, "count")),
            AboveMax::Refuse if asked > knobs.max_count => Err(invalid_format(knobs, "count")),
            AboveMax::Clamp | AboveMax::Refuse => Ok(asked.min(knobs.max_count)),
        }
    }

    /// The requested time in milliseconds since 1970; `None` without dates.
    pub(super) fn window(
        &self,
        knobs: &Knobs,
        stream: Stream,
    ) -> Result<Option<Range<i64>>, Answer> {
        let names = names(stream);
        let (start, end) = match (self.get(names.start), self.get(names.end)) {
            (None, None) => return Ok(None),
            (Some(start), Some(end)) => (start, end),
            (None, Some(_)) => return Err(missing(knobs, names.start)),
            (Some(_), None) => return Err(missing(knobs, names.end)),
        };
        let (from, _) =
            moment(start, knobs, stream).ok_or_else(|| invalid_format(knobs, names.start))?;
        let (to, length) =
            moment(end, knobs, stream).ok_or_else(|| invalid_format(knobs, names.end))?;
        let to = if knobs.end_exclusive { to } else { to + length };
        Ok(Some(from..to.max(from)))
    }

    /// The place to continue from.
    pub(super) fn cursor(
        &self,
        knobs: &Knobs,
        stream: Stream,
        ids: Ids,
        records: Records<'_>,
    ) -> Result<Option<StartPlace>, Answer> {
        let names = names(stream);
        let (id, time) = match (self.get(names.cursor_id), self.get(names.cursor_time)) {
            (None, None) => return Ok(None),
            (Some(id), Some(time)) => (id, time),
            (None, Some(_)) => return Err(missing(knobs, names.cursor_id)),
            (Some(_), None) => return Err(missing(knobs, names.cursor_time)),
        };
        let refused = |name| move || invalid_format(knobs, name);
        let (number, included) = place(ids.number(id).ok_or_else(refused(names.cursor_id))?);
        let at_ms = records.created_at_ms(number).ok_or_else(refused(names.cursor_id))?;
        // Checks that the cursor is sent back unchanged; a more lenient vendor would hide such an
        // error.
        if time_ms(time) != Some(at_ms) {
            return Err(invalid_format(knobs, names.cursor_time));
        }
        Ok(Some(StartPlace { at_ms, number, included }))
    }
}

/// 400 for a value that the vendor cannot read.
pub(super) fn invalid_format(knobs: &Knobs, name: &str) -> Answer {
    Answer::refused(knobs, "invalid_format", &format!("invalid format: {name}"))
}

/// 400 for a missing value.
pub(super) fn missing(knobs: &Knobs, name: &str) -> Answer {
    Answer::refused(knobs, "missing_data", &format!("Required input data is missing: {name}"))
}

/// The start of a filter's day or moment, and its length.
fn moment(text: &str, knobs: &Knobs, stream: Stream) -> Option<(i64, i64)> {
    let (dash, compact) = match (stream, knobs.date_format) {
        (Stream::Faceauth, _) | (Stream::Submission, DateFormat::Dash) => (true, false),
        (Stream::Submission, DateFormat::Compact) => (false, true),
        (Stream::Submission, DateFormat::Both) => (true, true),
    };
    let format = match text.len() {
        10 if dash => "%Y-%m-%d",
        8 if compact => "%Y%m%d",
        _ if stream == Stream::Faceauth => {
            let at = DateTime::parse_from_rfc3339(text).ok()?;
            return Some((at.timestamp_millis(), 1));
        }
        _ => return None,
    };
    let start_ms = day_start_ms(Day::parse_from_str(text, format).ok()?);
    let ahead_ms = match knobs.filter_zone {
        FilterZone::Utc => 0,
        FilterZone::Kst => KST_AHEAD_MS,
    };
    Some((start_ms - ahead_ms, DAY_MS))
}

/// A date-time in either form that the vendor writes.
fn time_ms(text: &str) -> Option<i64> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let (seconds, ms) = text.rsplit_once('-')?;
    let at = NaiveDateTime::parse_from_str(seconds, "%Y-%m-%d-%H-%M-%S").ok()?;
    Some(at.and_utc().timestamp_millis() + ms.parse::<i64>().ok()?)
}
