//! Reads a value as the type of its column, as tolerantly as contract section 13 requires.

use std::{borrow::Cow, ops::RangeInclusive};

use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use super::catalogue::Type;
use crate::json::Json;

/// The value of one column in one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// No value: absent, null, or unreadable and noted.
    Null,
    /// For [`Type::Bool`].
    Bool(bool),
    /// For [`Type::Integer`].
    Integer(i64),
    /// For [`Type::Double`]; always finite.
    Double(f64),
    /// For [`Type::Text`] and [`Type::Enum`].
    Text(Cow<'a, str>),
    /// For [`Type::TextArray`].
    TextArray(Vec<Cow<'a, str>>),
    /// For [`Type::Timestamp`].
    Timestamp(DateTime<Utc>),
    /// For [`Type::Date`].
    Date(NaiveDate),
    /// For [`Type::Json`], as JSON text.
    Json(String),
}

impl Cell<'_> {
    /// The same value without borrowed data.
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Bool(value) => Cell::Bool(value),
            Self::Integer(value) => Cell::Integer(value),
            Self::Double(value) => Cell::Double(value),
            Self::Text(value) => Cell::Text(Cow::Owned(value.into_owned())),
            Self::TextArray(values) => Cell::TextArray(
                values.into_iter().map(|value| Cow::Owned(value.into_owned())).collect(),
            ),
            Self::Timestamp(value) => Cell::Timestamp(value),
            Self::Date(value) => Cell::Date(value),
            Self::Json(value) => Cell::Json(value),
        }
    }
}

/// Why a value does not match its column. The column is then null, and the raw item keeps the
/// value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidValue {
    /// Another JSON type.
    WrongType,
    /// A text that is not a date or time in a form of contract section 8.
    InvalidTimestamp,
    /// A number that cannot be represented, such as 1e999.
    NumberOutOfRange,
}

/// The years of times and dates that can be stored.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// Initial capacity for values of [`Type::Json`].
const JSON_BYTES: usize = 256;

/// Reads a value as a cell of this type.
pub(super) fn read<'a>(kind: Type, value: &'a Json<'_>) -> Result<Cell<'a>, InvalidValue> {
    if matches!(value, Json::Null) {
        return Ok(Cell::Null);
    }
    match kind {
        Type::Text => scalar(value).map(Cell::Text),
        Type::Enum => scalar(value).map(|word| Cell::Text(lower(word))),
        Type::TextArray => Ok(Cell::TextArray(texts(value))),
        Type::Double => double(value),
        Type::Integer => integer(value),
        Type::Bool => bool(value),
        Type::Timestamp => time(value, |text| parse_time(text).map(Cell::Timestamp)),
        Type::Date => time(value, |text| parse_date(text).map(Cell::Date)),
        Type::Json => Ok(read_json(value).0),
    }
}

/// Reads any JSON as a cell. Also returns whether a number was left out because it cannot be
/// stored.
pub(super) fn read_json(value: &Json<'_>) -> (Cell<'static>, bool) {
    if matches!(value, Json::Null) {
        return (Cell::Null, false);
    }
    let mut text = String::with_capacity(JSON_BYTES);
    let is_cut = holds_unstorable(value);
    if is_cut {
        storable(value).write_for_jsonb(&mut text);
    } else {
        value.write_for_jsonb(&mut text);
    }
    (Cell::Json(text), is_cut)
}

/// Whether a value contains a number that `jsonb` or this program cannot represent. One such number
/// would make the whole page's transaction fail.
fn holds_unstorable(value: &Json<'_>) -> bool {
    match value {
        Json::Number(number) => !is_storable(number),
        Json::Array(elements) => elements.iter().any(holds_unstorable),
        Json::Object(members) => members.iter().any(|(_, value)| holds_unstorable(value)),
        Json::Null | Json::Bool(_) | Json::Text(_) => false,
    }
}

/// Whether a number is far below the limits of PostgreSQL's `numeric`: 131072 digits before the
/// point and 16383 after it.
fn is_storable(number: &str) -> bool {
    const DIGITS_MAX: usize = 1000;
    const EXPONENT_MAX: u32 = 1000;
    /// Numbers with this many digits, with or without a point, are below the largest double.
    const PLAIN_MAX: usize = 300;
    if number.len() <= PLAIN_MAX && !number.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
        return true;
    }
    let exponent =
        number.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i32>());
    number.len() <= DIGITS_MAX
        && exponent.is_ok_and(|exponent| exponent.unsigned_abs() <= EXPONENT_MAX)
        && number.parse().is_ok_and(f64::is_finite)
}

/// The value with null in place of numbers that cannot be stored.
fn storable<'a>(value: &Json<'a>) -> Json<'a> {
    match value {
        Json::Number(number) if !is_storable(number) => Json::Null,
        Json::Array(elements) => Json::Array(elements.iter().map(storable).collect()),
        Json::Object(members) => Json::Object(
            members.iter().map(|(key, value)| (key.clone(), storable(value))).collect(),
        ),
        other => other.clone(),
    }
}

/// One text or many (quirk Q6). Elements that are not scalars become JSON text; null elements are
/// left out.
pub(super) fn texts<'a>(value: &'a Json<'_>) -> Vec<Cow<'a, str>> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(elements) => {
            elements.iter().filter(|element| !matches!(element, Json::Null)).map(text_of).collect()
        }
        // A single empty text means the same as an empty array.
        Json::Text(text) if text.is_empty() => Vec::new(),
        other => vec![text_of(other)],
    }
}

/// A scalar as its text, any other value as JSON text.
pub(super) fn text_of<'a>(value: &'a Json<'_>) -> Cow<'a, str> {
    scalar(value).unwrap_or_else(|_| {
        let mut text = String::new();
        value.write(&mut text);
        Cow::Owned(text)
    })
}

fn scalar<'a>(value: &'a Json<'_>) -> Result<Cow<'a, str>, InvalidValue> {
    match value {
        Json::Text(text) | Json::Number(text) => Ok(Cow::Borrowed(text.as_ref())),
        Json::Bool(true) => Ok(Cow::Borrowed("true")),
        Json::Bool(false) => Ok(Cow::Borrowed("false")),
        Json::Null | Json::Array(_) | Json::Object(_) => Err(InvalidValue::WrongType),
    }
}

fn lower(word: Cow<'_, str>) -> Cow<'_, str> {
    if word.chars().any(char::is_uppercase) { Cow::Owned(word.to_lowercase()) } else { word }
}

/// The text of a number. A string may contain one too (quirk Q8); an empty string counts as null.
fn number_text<'a>(value: &'a Json<'_>) -> Result<Option<&'a str>, InvalidValue> {
    match value {
        Json::Number(text) => Ok(Some(text.as_ref())),
        Json::Text(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
            Err(InvalidValue::WrongType)
        }
    }
}

fn double<'a>(value: &Json<'_>) -> Result<Cell<'a>, InvalidValue> {
    let Some(text) = number_text(value)? else { return Ok(Cell::Null) };
    // `f64` also accepts words such as `inf`; a number begins with a digit.
    if !text.trim_start_matches(['-', '+']).starts_with(|first: char| first.is_ascii_digit()) {
        return Err(InvalidValue::WrongType);
    }
    let number: f64 = text.parse().map_err(|_not_a_number| InvalidValue::WrongType)?;
    if number.is_finite() { Ok(Cell::Double(number)) } else { Err(InvalidValue::NumberOutOfRange) }
}

fn integer<'a>(value: &Json<'_>) -> Result<Cell<'a>, InvalidValue> {
    let Some(text) = number_text(value)? else { return Ok(Cell::Null) };
    // `1.0` is a whole number too.
    let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
    match whole.map_or(text, |(whole, _)| whole).parse() {
        Ok(number) => Ok(Cell::Integer(number)),
        Err(_) if matches!(value, Json::Number(_)) => Err(InvalidValue::NumberOutOfRange),
        Err(_) => Err(InvalidValue::WrongType),
    }
}

fn bool<'a>(value: &Json<'_>) -> Result<Cell<'a>, InvalidValue> {
    match value {
        Json::Bool(bool) => Ok(Cell::Bool(*bool)),
        Json::Text(text) if text.is_empty() => Ok(Cell::Null),
        Json::Text(text) if text.eq_ignore_ascii_case("true") => Ok(Cell::Bool(true)),
        Json::Text(text) if text.eq_ignore_ascii_case("false") => Ok(Cell::Bool(false)),
        Json::Null | Json::Text(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Err(InvalidValue::WrongType)
        }
    }
}

fn time<'a>(
    value: &Json<'_>,
    parse: impl FnOnce(&str) -> Option<Cell<'a>>,
) -> Result<Cell<'a>, InvalidValue> {
    let Json::Text(text) = value else { return Err(InvalidValue::WrongType) };
    let text = text.trim();
    if text.is_empty() { Ok(Cell::Null) } else { parse(text).ok_or(InvalidValue::InvalidTimestamp) }
}

/// Parses a date-time of contract section 8.
///
/// Accepts ISO 8601 with or without fraction, with `Z` or an offset, and with a space instead of
/// `T`; `YYYY-MM-DD-HH-MM-SS-mmm`; and a date alone, which means its midnight. Without a zone, it
/// is UTC. The time in UTC must lie in the years 1 to 9999, because most client libraries of
/// PostgreSQL read no others.
pub(super) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    parse_moment(text).map(|(at, _)| at)
}

/// The same as [`parse_time`], with the precision of the text: a day, a minute, a second or a part
/// of one.
pub(super) fn parse_moment(text: &str) -> Option<(DateTime<Utc>, TimeDelta)> {
    let (at, step) = parse_zoned_time(text)?;
    let at = at.with_timezone(&Utc);
    YEARS.contains(&at.year()).then_some((at, step))
}

/// The same as [`parse_moment`], with the zone, and for any year.
fn parse_zoned_time(text: &str) -> Option<(DateTime<FixedOffset>, TimeDelta)> {
    let date = date_of(text.get(..10)?)?;
    let rest = text.get(10..)?;
    if rest.is_empty() {
        let midnight = date.and_hms_opt(0, 0, 0)?.and_utc().fixed_offset();
        return Some((midnight, TimeDelta::days(1)));
    }
    let separator = rest.as_bytes().get(2 + 1).copied()?;
    if !matches!((rest.as_bytes().first()?, separator), (b'T' | b't' | b' ', b':') | (b'-', b'-')) {
        return None;
    }
    let hour = two(rest, 1)?;
    let minute = two(rest, 4)?;
    let (second, tail, step) = match rest.as_bytes().get(6) {
        Some(byte) if *byte == separator => (two(rest, 7)?, rest.get(9..)?, TimeDelta::seconds(1)),
        _ if separator == b':' => (0, rest.get(6..)?, TimeDelta::minutes(1)),
        _ => return None,
    };
    let (fraction, zone) =
        match tail.strip_prefix(if separator == b':' { ['.', ','] } else { ['-', '.'] }) {
            Some(tail) => {
                let end = tail.find(|char: char| !char.is_ascii_digit()).unwrap_or(tail.len());
                (tail.get(..end)?, tail.get(end..)?)
            }
            None => ("", tail),
        };
    // A leap second counts as the second before it.
    let time = date.and_hms_nano_opt(hour, minute, second.min(59), nanoseconds(fraction)?)?;
    let digits = u32::try_from(fraction.len().min(9)).ok()?;
    let step = if digits == 0 { step } else { TimeDelta::nanoseconds(10_i64.pow(9 - digits)) };
    Some((at_zone(time, zone)?, step))
}

/// Parses a calendar date: `YYYY-MM-DD`, or the date part of a date-time as written, because a
/// birthday does not depend on the zone.
fn parse_date(text: &str) -> Option<NaiveDate> {
    if text.len() > 10 {
        parse_zoned_time(text)?;
    }
    date_of(text.get(..10)?)
}

fn date_of(text: &str) -> Option<NaiveDate> {
    let digits = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    if text.as_bytes().get(4) != Some(&b'-') || text.as_bytes().get(7) != Some(&b'-') {
        return None;
    }
    let year = i32::try_from(digits(0, 4)?).ok()?;
    NaiveDate::from_ymd_opt(year, digits(5, 7)?, digits(8, 10)?).filter(|_| YEARS.contains(&year))
}

fn two(text: &str, from: usize) -> Option<u32> {
    let part = text.get(from..from + 2)?;
    part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
}

/// A decimal fraction of a second; digits after the ninth are dropped.
fn nanoseconds(fraction: &str) -> Option<u32> {
    let digits = fraction.get(..fraction.len().min(9))?;
    let missing = u32::try_from(9 - digits.len()).ok()?;
    let value = if digits.is_empty() { 0 } else { digits.parse::<u32>().ok()? };
    Some(value * 10_u32.pow(missing))
}

fn at_zone(time: NaiveDateTime, zone: &str) -> Option<DateTime<FixedOffset>> {
    let zone = zone.trim_start_matches(' ');
    // If dashes separate all parts, one may also precede the zone. An offset without a sign is not
    // valid.
    let name = zone.strip_prefix('-').unwrap_or(zone);
    let hours_minutes = |text: &str| -> Option<u32> {
        let text = text.replace(':', "");
        let minutes = if text.len() > 2 { two(&text, 2)? } else { 0 };
        (text.len() == 2 || text.len() == 4).then(|| Some(two(&text, 0)? * 60 + minutes))?
    };
    let minutes = match (name, name.strip_prefix('+'), zone.strip_prefix('-')) {
        ("" | "Z" | "z" | "UTC" | "GMT", ..) => 0,
        (_, Some(east), _) => i32::try_from(hours_minutes(east)?).ok()?,
        (_, None, Some(west)) => -i32::try_from(hours_minutes(west)?).ok()?,
        (_, None, None) => return None,
    };
    time.and_local_timezone(FixedOffset::east_opt(minutes * 60)?).single()
}

#[cfg(test)]
mod tests;
