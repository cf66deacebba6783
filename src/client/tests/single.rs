//! Detail calls and searches.

use super::*;
use crate::client::scripted::{ok, status};

#[tokio::test]
async fn a_record_comes_as_it_was_sent() {
    let item = r#"{"submission_id":"id\/1","a": 1.10}"#;
    let (server, client) = submissions([ok(&format!(r#"{{"Items":[ {item} ]}}"#))]).await;
    let answer = client.detail("id/1").await.unwrap();
    assert_eq!(answer.item.as_deref(), Some(item.as_bytes()));
    assert_eq!(answer.read, ReadNumber(1));
    assert_eq!(server.asked(), ["/v3/submission?submission_id=id%2F1"]);
}

#[tokio::test]
async fn an_unknown_id_is_no_error() {
    let refusal = r#"{"errorCode":"NOT_FOUND","message":"no such submission"}"#;
    let script = [ok(r#"{"Items":[]}"#), status("400 Bad Request", "", refusal)];
    let (_server, client) = submissions(script).await;
    for _ in 0..2 {
        assert!(client.detail("found").await.unwrap().item.is_none());
    }
}

#[tokio::test]
async fn an_answer_about_another_record_is_unreadable() {
    let right = r#"{"Items":[{"submission_id":"x"}]}"#;
    for wrong in [
        r#"{"Items":[{"submission_id":"y"}]}"#,
        r#"{"Items":[{"submission_id":"X"}]}"#,
        r#"{"Items":[{"data":{"submission_id":"x"},"submission_id":"\u0078y"}]}"#,
        r#"{"Items":[{"submission_id":7}]}"#,
    ] {
        let (server, client) = submissions([ok(wrong), ok(right)]).await;
        let answer = client.detail("x").await.unwrap();
        assert!(answer.item.is_some_and(|item| item == r#"{"submission_id":"x"}"#), "{wrong}");
        assert_eq!(server.asked().len(), 2, "{wrong}");
        let server = Scripted::start([ok(wrong)]).await;
        let settings = ClientSettings { retry_budget: Duration::ZERO, ..settings(&server) };
        let client = client_with(settings, domain::Stream::Submission);
        let error = client.detail("x").await.unwrap_err();
        let fault = Fault::Unreadable(UnreadableEnvelope::OtherRecord);
        assert!(matches!(&error, ClientError::Unavailable { fault: it, .. } if *it == fault));
    }
    // A record without an id is quarantined, as in a list.
    for nameless in [r#"{"Items":[{"submission_id":null,"email":"x"}]}"#, r#"{"Items":["x"]}"#] {
        let (server, client) = submissions([ok(nameless)]).await;
        assert!(client.detail("x").await.unwrap().item.is_some(), "{nameless}");
        assert_eq!(server.asked().len(), 1);
    }
    for (body, is_right) in
        [(r#"[{"auth_id":17}]"#, true), (r#"[{"data":[{"auth_id":"18"}]}]"#, false)]
    {
        let server = Scripted::start([ok(body)]).await;
        let settings = ClientSettings { retry_budget: Duration::ZERO, ..settings(&server) };
        let client = client_with(settings, domain::Stream::Faceauth);
        assert_eq!(client.detail("17").await.is_ok(), is_right, "{body}");
    }
}

#[tokio::test]
async fn a_detail_call_that_reports_an_error_is_no_absence() {
    let error = r#"{"Items":[],"errorCode":"busy","message":"try again"}"#;
    let (server, client) = submissions([ok(error), ok(r#"{"Items":[]}"#)]).await;
    assert!(client.detail("x").await.unwrap().item.is_none());
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn any_other_refusal_is_no_absence() {
    for (line, body) in [
        ("400 Bad Request", r#"{"errorCode":"invalid_parameter"}"#),
        ("400 Bad Request", ""),
        ("404 Not Found", r#"{"message":"Not Found"}"#),
        ("413 Request Entity Too Large", ""),
    ] {
        let (_server, client) = submissions([status(line, "", body)]).await;
        let error = client.detail("x").await.unwrap_err();
        assert!(matches!(error, ClientError::Refused { .. }), "{error}");
        assert_eq!(error.remedy(), CallRemedy::FailPass);
    }
}

#[tokio::test]
async fn a_record_over_the_cap_is_not_read() {
    let server = Scripted::start([ok(&page(100, None))]).await;
    let settings = ClientSettings { response_bytes_max: 300, ..settings(&server) };
    let client = client_with(settings, domain::Stream::Submission);
    let error = client.detail("x").await.unwrap_err();
    assert_eq!(error, ClientError::RecordTooLarge { limit: 300 });
}

#[tokio::test]
async fn all_submissions_of_a_person_are_found() {
    let script = [page(2, Some("a")), page(1, None), page(0, None)];
    let (server, client) = submissions(script.iter().map(|body| ok(body))).await;
    let pages = found(&client, Find::Email("ada+1@example.com")).await.unwrap();
    assert_eq!(pages.iter().map(|page| page.items.len()).sum::<usize>(), 3);
    found(&client, Find::Userid("u 1")).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0], "/v3/submission?email=ada%2B1%40example.com&count=2000");
    assert!(asked[1].starts_with(&asked[0]) && asked[1].contains("&nextpage_id=a&"));
    assert_eq!(asked[2], "/v3/submission?userid=u+1&count=2000");
}

#[tokio::test]
async fn face_authentications_are_not_found_by_person() {
    let server = Scripted::start([]).await;
    let client = client_with(settings(&server), domain::Stream::Faceauth);
    let error = found(&client, Find::Userid("u")).await.unwrap_err();
    assert_eq!((error, server.asked().len()), (ClientError::NoSuchSearch, 0));
}

#[tokio::test]
async fn calls_and_walks_can_move_to_another_thread() {
    let record = ok(r#"{"Items":[{"submission_id":"x"}]}"#);
    let (server, client) = submissions([record, ok(&page(1, None))]).await;
    let work = async move {
        client.detail("x").await.unwrap();
        walk(&client).await.unwrap();
    };
    tokio::spawn(work).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}
