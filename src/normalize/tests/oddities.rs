//! Items too large or too damaged for a fixture file.

use super::{notes_of, of_detail, rows};
use crate::{
    domain::{
        Call,
        Stream::{Faceauth, Submission},
    },
    normalize::{Refusal, read_key},
};

fn read_id(item: &[u8]) -> Result<String, Refusal> {
    read_key(Submission, &super::volatile(Submission), item).map(|key| key.id)
}

#[test]
fn an_id_may_have_255_bytes() {
    let item = |id: &str| format!(r#"{{"submission_id":"{id}"}}"#).into_bytes();
    assert_eq!(read_id(&item(&"x".repeat(255))), Ok("x".repeat(255)));
    assert_eq!(read_id(&item(&"x".repeat(256))), Err(Refusal::LongId));
    // The limit counts bytes, not characters.
    assert_eq!(read_id(&item(&"é".repeat(128))), Err(Refusal::LongId));
    assert_eq!(read_id(&item("")), Err(Refusal::NoId));
}

#[test]
fn an_item_without_a_usable_id_is_refused() {
    for (item, refusal) in [
        (&b"[]"[..], Refusal::NoObject),
        (b"null", Refusal::NoObject),
        (b"\"submission_id\"", Refusal::NoObject),
        (b"{}", Refusal::NoId),
        (br#"{"submission_id":null}"#, Refusal::NoId),
        (br#"{"submission_id":true}"#, Refusal::NoId),
        (br#"{"submission_id":["a"]}"#, Refusal::NoId),
        (br#"{"auth_id":"a"}"#, Refusal::NoId),
        (br#"{"submission_id":"a\u0000"}"#, Refusal::DamagedId),
        (b"{\"submission_id\":\"a\xff\"}", Refusal::DamagedId),
    ] {
        assert_eq!(read_id(item), Err(refusal), "{}", String::from_utf8_lossy(item));
    }
    for broken in [&b""[..], b"{", b"{\"submission_id\":\"a\"", b"<html>", b"{\"submission_id\":a}"]
    {
        assert!(matches!(read_id(broken), Err(Refusal::Unreadable(_))));
    }
    assert_eq!(read_id(br#"{"submission_id":17}"#).as_deref(), Ok("17"));
}

#[test]
fn nesting_is_read_to_128_levels() {
    let item = |levels: usize| {
        format!(
            r#"{{"submission_id":"a","OCR_raw":{}{}}}"#,
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        )
    };
    assert!(of_detail(Submission, &item(128)).contains("ocr_raw = json [[["));
    assert!(matches!(read_id(item(129).as_bytes()), Err(Refusal::Unreadable(_))));
}

#[test]
fn a_name_of_200_kilobytes_is_stored_whole() {
    let name = "n".repeat(200_000);
    let text =
        of_detail(Submission, &format!(r#"{{"submission_id":"a","data":{{"name":"{name}"}}}}"#));
    assert!(text.contains("nnn... 200002 characters"), "{text}");
}

#[test]
fn bytes_that_are_no_utf8_are_replaced_and_named() {
    let item =
        b"{\"submission_id\":\"a\",\"data\":{\"name\":\"M\xfcller\"},\"email\":\"a@example.org\"}";
    let text = rows(Submission, &[(Call::Detail, 1, item)]).unwrap();
    assert!(text.contains("name = \"M\u{fffd}ller\""), "{text}");
    assert!(text.contains("note data.name: damaged text, string"), "{text}");
    assert_eq!(text.matches("note ").count(), 1, "{text}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_an_item() {
    let plain = br#"{"submission_id":"a"}"#;
    let marked = [&b"\xef\xbb\xbf"[..], plain].concat();
    assert_eq!(read_id(&marked), read_id(plain));
}

#[test]
fn what_is_kept_in_an_index_stays_short() {
    let long = "x".repeat(200_000);
    let item = format!(
        r#"{{"submission_id":"a","duplicated_users":["{long}","b"],"{long}":1,"made {long}":{{"b":"\u0000"}}}}"#
    );
    let text = of_detail(Submission, &item);
    assert!(text.contains("note duplicated_users: id too long, string"), "{text}");
    assert_eq!(text.matches("duplicate_submission_id = ").count(), 1, "{text}");
    assert!(text.lines().all(|line| line.len() < 300), "{text}");
    let item = format!(r#"{{"auth_id":"a","kyc_submission_id":"{long}"}}"#);
    assert_eq!(notes_of(Faceauth, &item), ["kyc_submission_id: id too long, string"]);
}

#[test]
fn one_deviation_a_thousand_times_is_one_note_and_hides_no_other() {
    let attempts = vec![r#"{"livenessScore":"high","errorMsg":"\u0000"}"#; 1000].join(",");
    let item = format!(
        r#"{{"submission_id":"a","kyc":{{"attempts":[{attempts}]}},"memo":{{"text":[]}}}}"#
    );
    assert_eq!(
        notes_of(Submission, &item),
        [
            "kyc.attempts.errorMsg: damaged text, string",
            "kyc.attempts.livenessScore: wrong type, string",
            "memo.text: wrong type, array",
        ]
    );
    let keys: Vec<_> = (0..1000).map(|key| format!(r#""k{key}":{{"x":"\u0000"}}"#)).collect();
    let item = format!(r#"{{"submission_id":"a",{}}}"#, keys.join(","));
    assert_eq!(notes_of(Submission, &item).len(), 200);
}
