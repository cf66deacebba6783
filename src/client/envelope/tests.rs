//! The vendor's answer shapes, including those that must be rejected.

use super::*;

fn list(stream: Stream, body: &str) -> Result<Envelope, NoEnvelope> {
    open(stream, Call::List, &Bytes::copy_from_slice(body.as_bytes()), None, &|_| None)
}

fn detail(stream: Stream, body: &str) -> Result<Envelope, NoEnvelope> {
    open(stream, Call::Detail, &Bytes::copy_from_slice(body.as_bytes()), None, &|_| None)
}

fn envelope(items: &[&'static str], next: Option<(&str, &str)>) -> Envelope {
    Envelope {
        items: items.iter().map(|item| Bytes::from_static(item.as_bytes()).into()).collect(),
        next: next.map(|(id, date)| Cursor { id: id.into(), date: date.into() }),
        ..Envelope::default()
    }
}

#[test]
fn submissions_come_in_an_object() {
    for (body, expected) in [
        (r#"{"Items":[]}"#, envelope(&[], None)),
        ("\u{feff} {\"Items\" : [ {\"a\":1} , null ]}", envelope(&[r#"{"a":1}"#, "null"], None)),
        (r#"{"Items":[{}],"nextpageKey":null}"#, envelope(&["{}"], None)),
        (
            r#"{"nextpageKey":{"id":"x\u0041","created_at":1735689600.10},"Items":[]}"#,
            envelope(&[], Some(("xA", "1735689600.10"))),
        ),
    ] {
        assert_eq!(list(Stream::Submission, body), Ok(expected), "{body}");
    }
}

#[test]
fn face_authentications_come_in_every_shape() {
    let wrapped = r#"[{"faceAuth_projectId":"p1","data":[{"auth_id":"1"}]},
        {"faceAuth_projectId":"p1","data":[{"auth_id":"2"}],
         "nextPage_key":{"authId":"2","createTime":"2025-10-02T02:15:17.554Z"}}]"#;
    let both = [r#"{"auth_id":"1"}"#, r#"{"auth_id":"2"}"#];
    let next = Some(("2", "2025-10-02T02:15:17.554Z"));
    let with_project = Envelope { vendor_project: Some("p1".into()), ..envelope(&both, next) };
    for (body, expected) in [
        (wrapped, with_project),
        (r#"[{"auth_id":"1"},{"auth_id":"2"}]"#, envelope(&both, None)),
        ("\u{feff} {\"auth_id\":\"1\"}\n", envelope(&both[..1], None)),
        (r#"{"data":[{"auth_id":"1"}]}"#, envelope(&both[..1], None)),
        (r#"[{"auth_id":"1"},{"x":1},null]"#, envelope(&[both[0], r#"{"x":1}"#, "null"], None)),
        ("[]", envelope(&[], None)),
        (r#"[{"data":[]}]"#, envelope(&[], None)),
    ] {
        assert_eq!(list(Stream::Faceauth, body), Ok(expected), "{body}");
    }
}

#[test]
fn an_unknown_id_is_an_empty_answer() {
    for body in [r#"{"Items":[]}"#, "{}", r#"{"Items":null}"#] {
        assert_eq!(detail(Stream::Submission, body), Ok(Envelope::default()), "{body}");
    }
    for body in ["[]", r#"[{"data":[]}]"#] {
        assert_eq!(detail(Stream::Faceauth, body), Ok(Envelope::default()), "{body}");
    }
    let no_data = detail(Stream::Faceauth, r#"[{"faceAuth_projectId":"p"}]"#);
    assert!(no_data.is_ok_and(|envelope| envelope.items.is_empty()));
}

#[test]
fn half_understood_answers_are_refused() {
    let key = |key: &str| format!(r#"{{"Items":[],"nextpageKey":{key}}}"#);
    let submission = [
        "{}".to_owned(),
        "[]".into(),
        r#"{"items":[]}"#.into(),
        r#"{"Items":{}}"#.into(),
        r#"{"Items":null}"#.into(),
        r#"{"message":"busy"}"#.into(),
        key("{}"),
        key(r#"{"id":"x"}"#),
        key(r#"{"id":"x","created_at":""}"#),
        key(r#"{"id":"x","created_at":null}"#),
        key(r#"{"id":"\ud800","created_at":"d"}"#),
        key(r#""x""#),
        key("[]"),
    ];
    for body in &submission {
        let error = list(Stream::Submission, body).unwrap_err();
        let is_wrong = matches!(error, NoEnvelope::Unreadable(UnreadableEnvelope::WrongShape(_)));
        assert!(is_wrong, "{body}: {error:?}");
    }
    for body in [
        r#"[{"faceAuth_projectId":"p"}]"#,
        r#"[{"message":"busy"}]"#,
        r#"{"message":"busy"}"#,
        r#"[{"data":{}}]"#,
        "[1]",
        r#"[{"data":[],"nextPage_key":{"authId":"x"}}]"#,
        r#"[{"data":[],"nextPage_key":{"authId":"x","createTime":"1"}},
            {"data":[],"nextPage_key":{"authId":"y","createTime":"1"}}]"#,
    ] {
        let error = list(Stream::Faceauth, body).unwrap_err();
        let is_wrong = matches!(error, NoEnvelope::Unreadable(UnreadableEnvelope::WrongShape(_)));
        assert!(is_wrong, "{body}: {error:?}");
    }
    for body in [r#"{"message":"busy"}"#, r#"{"Items":[{},{}]}"#, r#"{"submission_id":"x"}"#] {
        assert!(detail(Stream::Submission, body).is_err(), "{body}");
    }
}

#[test]
fn garbage_and_bodies_cut_short_are_no_json() {
    let whole = r#"{"Items":[{"a":1}],"nextpageKey":{"id":"x","created_at":"d"}}"#;
    let wrapped = r#"[{"data":[{"auth_id":"1"}]}]"#;
    for length in 0..whole.len() {
        let error = list(Stream::Submission, whole.get(..length).unwrap()).unwrap_err();
        assert!(
            matches!(error, NoEnvelope::Unreadable(UnreadableEnvelope::NotJson(_))),
            "{length}"
        );
    }
    for length in 0..wrapped.len() {
        assert!(list(Stream::Faceauth, wrapped.get(..length).unwrap()).is_err(), "{length}");
    }
    for body in ["OK", "null", r#"{"Items":[]} trailing"#] {
        let error = list(Stream::Submission, body).unwrap_err();
        assert!(matches!(error, NoEnvelope::Unreadable(UnreadableEnvelope::NotJson(_))), "{body}");
    }
    let html = list(Stream::Submission, "\n<!doctype html><p>Sign in</p>");
    assert_eq!(html, Err(UnreadableEnvelope::Html.into()));
}

#[test]
fn encrypted_answers_are_recognised() {
    let encrypted = Err(EncryptionError::AnswerEncrypted.into());
    for body in [
        r#"{"data":"AAqikbbTbrPx8yYWAZsutA==","isEncrypted":true}"#,
        r#"{"data":"AAqikbbTbrPx8yYWAZsutA=="}"#,
        r#"{"isEncrypted":true,"Items":[]}"#,
    ] {
        assert_eq!(list(Stream::Submission, body), encrypted, "{body}");
        assert_eq!(list(Stream::Faceauth, body), encrypted, "{body}");
    }
    assert_eq!(list(Stream::Faceauth, r#"[{"data":"AAqi"}]"#), encrypted);
}

#[test]
fn a_next_page_key_is_read_in_every_documented_spelling_and_echoed_as_it_came() {
    let keys = [
        r#""nextpageKey":{"id":"7","created_at":"d +1"}"#,
        r#""nextPageKey":{"id":"7","created_at":"d +1"}"#,
        r#""NextpageKey":{"createdAt":"d +1","ID":"7"}"#,
        r#""nextPage_key":{"id":"7","created_at":"d +1"}"#,
        r#""nextPage_key":{"authId":"7","createTime":"d +1"}"#,
        r#""next_page_key":{"auth_id":7,"create_time":"d +1"}"#,
        r#""NEXTPAGEKEY":{"authId":"7","createTime":"d +1","x":1}"#,
        r#""nextPageKeyId":"7","nextPageKeyTime":"d +1""#,
        r#""nextpage_key_id":7,"nextpage_key_time":"d +1","nextpageKey":null"#,
        r#""nextPageKey":{"id":"7","created_at":"d +1"},"nextPageKeyId":"7","nextPageKeyTime":"d +1""#,
    ];
    for key in keys {
        let expected = envelope(&["{}"], Some(("7", "d +1")));
        let body = format!(r#"{{"Items":[{{}}],{key}}}"#);
        assert_eq!(list(Stream::Submission, &body), Ok(expected), "{key}");
        let expected = envelope(&[r#"{"auth_id":"7"}"#], Some(("7", "d +1")));
        for body in [
            format!(r#"[{{"data":[{{"auth_id":"7"}}],{key}}}]"#),
            format!(r#"{{{key},"data":[{{"auth_id":"7"}}]}}"#),
        ] {
            assert_eq!(list(Stream::Faceauth, &body).as_ref(), Ok(&expected), "{key}");
        }
    }
}

#[test]
fn half_a_next_page_key_and_two_different_ones_are_refused() {
    for key in [
        r#""nextPageKeyId":"7""#,
        r#""nextPageKeyTime":"d""#,
        r#""nextPageKeyId":"7","nextPageKeyTime":null"#,
        r#""nextPage_key":{"authId":"7"}"#,
        r#""NextPageKey":"7""#,
        r#""nextPageKey":{"id":"7","authId":"8","createTime":"d"}"#,
        r#""nextpageKey":{"id":"7","created_at":"d"},"nextPageKey":{"id":"8","created_at":"d"}"#,
        r#""nextpageKey":{"id":"7","created_at":"d"},"nextPageKeyId":"8","nextPageKeyTime":"d""#,
    ] {
        for (stream, body) in [
            (Stream::Submission, format!(r#"{{"Items":[{{}}],{key}}}"#)),
            (Stream::Faceauth, format!(r#"[{{"data":[],{key}}}]"#)),
        ] {
            let error = list(stream, &body).unwrap_err();
            let is_wrong =
                matches!(error, NoEnvelope::Unreadable(UnreadableEnvelope::WrongShape(_)));
            assert!(is_wrong, "{body}: {error:?}");
        }
    }
}

#[test]
fn a_next_page_key_that_no_request_can_carry_is_told_from_other_answers() {
    let body = |length| {
        format!(
            r#"{{"Items":[],"nextpageKey":{{"id":"{}","created_at":"d"}}}}"#,
            "x".repeat(length)
        )
    };
    let longest = members::CURSOR_BYTES_MAX - 1;
    assert!(list(Stream::Submission, &body(longest)).is_ok());
    let bytes = longest + 2;
    let long = list(Stream::Submission, &body(longest + 1));
    assert_eq!(long, Err(NoEnvelope::LongCursor { bytes }));
}

/// The names of the unknown members, with a `?` after those that may be a next-page key.
fn unknown(stream: Stream, body: &str) -> Vec<String> {
    let name =
        |it: &UnknownMember| format!("{}{}", it.name, if it.may_be_cursor { "?" } else { "" });
    list(stream, body).unwrap().unknown.iter().map(name).collect()
}

#[test]
fn an_unknown_member_may_be_a_next_page_key_by_its_name_or_its_value() {
    for (members, expected) in [
        (r#""Count":3"#, &["Count"][..]),
        (r#""nextToken":"abc""#, &["nextToken?"]),
        (r#""continuation_TOKEN":"abc""#, &["continuation_TOKEN?"]),
        (r#""totalPages":3,"Cursor":{"a":1}"#, &["totalPages?", "Cursor?"]),
        (r#""hasNext":true"#, &["hasNext?"]),
        (
            r#""hasNext":false,"nextToken":"","cursor":{ },"pages":[],"token":null"#,
            &["hasNext", "nextToken", "cursor", "pages", "token"],
        ),
        (r#""LastKey":{"id":{"S":"x7"}}"#, &["LastKey?"]),
        (r#""after":"x7|2025""#, &["after?"]),
        (r#""after":"x71","first":"x6""#, &["after", "first"]),
        (
            r#""traceId":"1","statusCode":200,"message":"OK","error":null"#,
            &["traceId", "statusCode", "message", "error"],
        ),
        (r#""isEncrypted":false,"nextpageKey":null"#, &[]),
    ] {
        let body =
            format!(r#"{{"Items":[{{"submission_id":"x6"}},{{"submission_id":"x7"}}],{members}}}"#);
        assert_eq!(unknown(Stream::Submission, &body), expected, "{members}");
        let body = format!(r#"[{{"data":[{{"auth_id":"x6"}},{{"auth_id":"x7"}}],{members}}}]"#);
        assert_eq!(unknown(Stream::Faceauth, &body), expected, "{members}");
    }
    let record = r#"[{"auth_id":"1","nextToken":"a"}]"#;
    assert_eq!(unknown(Stream::Faceauth, record), [""; 0], "members of a record are its own");
    let beside_records = r#"[{"auth_id":"1"},{"nextToken":"a","x":1}]"#;
    assert_eq!(unknown(Stream::Faceauth, beside_records), ["nextToken?"]);
}

#[test]
fn an_error_beside_items_is_no_page() {
    for error in [
        r#""errorCode":"NOT_FOUND""#,
        r#""error_code":"busy","errorMessage":"busy""#,
        r#""message":"Internal Server Error""#,
        r#""Message":"Endpoint request timed out""#,
        r#""statusCode":500"#,
        r#""code":"processing_error""#,
        r#""errors":[{"message":"busy"}]"#,
        r#""error":{"reason":"busy"}"#,
        r#""error":true"#,
    ] {
        for (stream, body) in [
            (Stream::Submission, format!(r#"{{"Items":[],{error}}}"#)),
            (Stream::Submission, format!(r#"{{{error},"Items":[{{"submission_id":"1"}}]}}"#)),
            (Stream::Faceauth, format!(r#"[{{"data":[],{error}}}]"#)),
            (Stream::Faceauth, format!(r#"{{"data":[{{"auth_id":"1"}}],{error}}}"#)),
            (Stream::Faceauth, format!(r#"[{{"auth_id":"1"}},{{{error}}}]"#)),
        ] {
            for found in [list(stream, &body), detail(stream, &body)] {
                let is_wrong =
                    matches!(found, Err(NoEnvelope::Unreadable(UnreadableEnvelope::WrongShape(_))));
                assert!(is_wrong, "{body}: {found:?}");
            }
        }
    }
}

#[test]
fn items_that_come_twice_are_no_page() {
    for (stream, body) in [
        (Stream::Submission, r#"{"Items":[{"submission_id":"1"}],"Items":[]}"#),
        (Stream::Submission, r#"{"Items":null,"Items":[]}"#),
        (Stream::Submission, r#"{"items":[{"submission_id":"1"}],"Items":[]}"#),
        (Stream::Faceauth, r#"[{"data":[{"auth_id":"1"}],"data":[]}]"#),
        (Stream::Faceauth, r#"{"data":[],"data":null}"#),
    ] {
        for found in [list(stream, body), detail(stream, body)] {
            let is_wrong =
                matches!(found, Err(NoEnvelope::Unreadable(UnreadableEnvelope::WrongShape(_))));
            assert!(is_wrong, "{body}: {found:?}");
        }
    }
}
