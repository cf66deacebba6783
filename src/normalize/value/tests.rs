//! Values and the cells that they become.

use proptest::prelude::*;

use super::*;
use crate::json::parse;

fn cell(kind: Type, json: &str) -> Result<String, InvalidValue> {
    read(kind, &parse(json).unwrap().value).map(|cell| format!("{cell:?}"))
}

#[test]
fn every_form_of_a_time_is_read() {
    for (text, want) in [
        ("2025-10-02T02:15:17.554Z", "2025-10-02T02:15:17.554Z"),
        ("2025-10-02T02:15:17Z", "2025-10-02T02:15:17Z"),
        ("2025-10-02T02:15:17", "2025-10-02T02:15:17Z"),
        ("2025-10-02T02:15Z", "2025-10-02T02:15:00Z"),
        ("2025-10-02 02:15:17", "2025-10-02T02:15:17Z"),
        ("2025-10-02T11:15:17.5+09:00", "2025-10-02T02:15:17.500Z"),
        ("2025-10-01T21:15:17-0500", "2025-10-02T02:15:17Z"),
        ("2025-10-02-02-15-17-554", "2025-10-02T02:15:17.554Z"),
        ("2025-10-02-02-15-17", "2025-10-02T02:15:17Z"),
        ("2025-10-02-02-15-17-UTC", "2025-10-02T02:15:17Z"),
        ("2025-10-02", "2025-10-02T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
    ] {
        let want = DateTime::parse_from_rfc3339(want).unwrap();
        assert_eq!(parse_time(text).map(|time| time.fixed_offset()), Some(want), "{text}");
    }
    for bad in [
        "",
        "YYYY-MM-DD-HH-MM-SS-ZZZ",
        "2025-13-01T00:00:00Z",
        "2025-10-02T25:00:00Z",
        "1759371317",
        "2025-10-02T02:15:17+9",
        "2025/10/02",
        "0000-01-01",
        "2025-10-02T02:15:17 KST",
        "2025-10-02T02:15:17 09:00",
        "é025-10-02",
    ] {
        assert_eq!(parse_time(bad), None, "{bad}");
    }
}

#[test]
fn a_time_that_its_zone_moves_out_of_the_years_1_to_9999_is_none() {
    for (text, is_read) in [
        ("0001-01-01T00:00:00Z", true),
        ("0001-01-01T00:00:00+00:01", false),
        ("0001-01-01T09:00:00+09:00", true),
        ("9999-12-31T23:59:59.999999Z", true),
        ("9999-12-31T23:59:59-00:01", false),
        ("9999-12-31T15:00:00-09:00", false),
        ("9999-12-31T14:59:59-09:00", true),
    ] {
        assert_eq!(parse_time(text).is_some(), is_read, "{text}");
    }
    let at = "\"9999-12-31T20:00:00-09:00\"";
    assert_eq!(cell(Type::Timestamp, at), Err(InvalidValue::InvalidTimestamp));
    assert_eq!(cell(Type::Date, at).unwrap(), "Date(9999-12-31)", "a date does not move");
}

#[test]
fn numbers_may_be_texts() {
    assert_eq!(cell(Type::Double, "\"85.5\"").unwrap(), "Double(85.5)");
    assert_eq!(cell(Type::Double, "1").unwrap(), "Double(1.0)");
    assert_eq!(cell(Type::Double, "\"\"").unwrap(), "Null");
    assert_eq!(cell(Type::Double, "1e999"), Err(InvalidValue::NumberOutOfRange));
    assert_eq!(cell(Type::Double, "\"inf\""), Err(InvalidValue::WrongType));
    assert_eq!(cell(Type::Double, "\"NaN\""), Err(InvalidValue::WrongType));
    assert_eq!(cell(Type::Integer, "2.0").unwrap(), "Integer(2)");
    assert_eq!(cell(Type::Integer, "99999999999999999999"), Err(InvalidValue::NumberOutOfRange));
    assert_eq!(cell(Type::Bool, "\"True\"").unwrap(), "Bool(true)");
    assert_eq!(cell(Type::Bool, "{}"), Err(InvalidValue::WrongType));
}

#[test]
fn one_text_is_an_array_of_one() {
    assert_eq!(cell(Type::TextArray, "\"a\"").unwrap(), r#"TextArray(["a"])"#);
    assert_eq!(cell(Type::TextArray, "[]").unwrap(), "TextArray([])");
    assert_eq!(
        cell(Type::TextArray, r#"["a",null,{"b":1}]"#).unwrap(),
        r#"TextArray(["a", "{\"b\":1}"])"#
    );
    assert_eq!(cell(Type::Enum, "\"Red Flag\"").unwrap(), r#"Text("red flag")"#);
    assert_eq!(cell(Type::Text, "17").unwrap(), r#"Text("17")"#);
    assert_eq!(cell(Type::Date, "\"1990-02-30\""), Err(InvalidValue::InvalidTimestamp));
    assert_eq!(cell(Type::Date, "\"1990-02-28\"").unwrap(), "Date(1990-02-28)");
    assert_eq!(cell(Type::TextArray, "\"\"").unwrap(), "TextArray([])");
}

#[test]
fn a_birthday_does_not_move_with_the_zone() {
    for time in ["1990-02-28T00:00:00+09:00", "1990-02-28T23:30:00-05:00", "1990-02-28 00:00:00"] {
        assert_eq!(cell(Type::Date, &format!("{time:?}")).unwrap(), "Date(1990-02-28)");
    }
    assert_eq!(cell(Type::Date, "\"1990-02-28T25:00:00\""), Err(InvalidValue::InvalidTimestamp));
    assert_eq!(cell(Type::Date, "\"1990-02-2\""), Err(InvalidValue::InvalidTimestamp));
}

#[test]
fn a_number_that_jsonb_refuses_becomes_null() {
    let long = "9".repeat(200_000);
    for bad in ["1e999", "-1e999", "1e999999999999", "1e-999999", long.as_str()] {
        let read = cell(Type::Json, &format!(r#"{{"a":[{bad}],"b":1e-999}}"#)).unwrap();
        assert_eq!(read, r#"Json("{\"a\":[null],\"b\":1e-999}")"#);
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = parse_time(&text);
        let _ = parse_date(&text);
    }

    #[test]
    fn no_date_like_text_panics(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T -][0-9:.+Z-]{0,20}") {
        let _ = parse_time(&text);
        let _ = parse_date(&text);
    }
}
