//! Texts that the grammar accepts or refuses.

use proptest::prelude::*;

use super::{super::parse, *};

fn rewritten(text: &str) -> String {
    let mut out = String::new();
    parse(text).unwrap().value.write(&mut out);
    out
}

#[test]
fn members_are_sorted_and_the_last_of_a_repeated_key_counts() {
    assert_eq!(rewritten(r#"{"b":1,"a":2,"b":3,"b":4,"a":5}"#), r#"{"a":5,"b":4}"#);
}

#[test]
fn numbers_stay_as_written() {
    assert_eq!(
        rewritten("[0.9969999999999999,1e999,-0,12345678901234567890.5]"),
        "[0.9969999999999999,1e999,-0,12345678901234567890.5]"
    );
}

#[test]
fn what_postgresql_cannot_hold_is_replaced_and_reported() {
    for (text, want) in [
        (r#""a\u0000b""#, "a\u{fffd}b"),
        ("\"a\0b\"", "a\u{fffd}b"),
        ("\"\0\\\"b\0\"", "\u{fffd}\"b\u{fffd}"),
        (r#""\ud800""#, "\u{fffd}"),
        (r#""\udc00\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud800\u0041""#, "\u{fffd}A"),
    ] {
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.value.as_text(), Some(want), "{text}");
        assert!(parsed.damaged, "{text}");
    }
    assert!(!parse(r#""\ud83d\ude00""#).unwrap().damaged);
    assert_eq!(text(b"\xef\xbb\xbf\"\xff\""), "\"\u{fffd}\"");
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(parse(&deep(128)).is_ok());
    assert_eq!(parse(&deep(129)).unwrap_err().what, "nested too deeply");
    assert!(parse(&deep(1_000_000)).is_err());
}

#[test]
fn broken_structure_is_refused() {
    for bad in [
        "",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "01",
        "1.",
        "tru",
        "\"a",
        "\"\\x\"",
        "[1] 2",
        "{a:1}",
        "\"\\u00\"",
        "nul",
        "-",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn damaged_texts_are_named_by_path() {
    let parsed = parse(r#"{"data":{"name":"a\u0000"},"list":[{"x":"\ud800"}],"ok":"y"}"#);
    let mut paths = Vec::new();
    parsed.unwrap().value.damaged_paths(&mut |path| paths.push(path.to_owned()));
    assert_eq!(paths, ["data.name", "list.x"]);
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&text(&bytes));
    }

    #[test]
    fn nothing_json_like_panics(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalsd ]{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn texts_survive(value in "\\PC*") {
        let json = serde_json::to_string(&value).unwrap();
        let parsed = parse(&json).unwrap();
        prop_assert_eq!(parsed.value.as_text(), Some(value.as_str()));
    }
}
