//! Data that leaves the module: the key only in its header, persons only in the query, neither in
//! an error.

use super::*;
use crate::client::scripted::{ok, status};

const EMAIL: &str = "ada.lovelace@example.com";

#[tokio::test]
async fn the_head_says_who_asks() {
    let (server, client) = submissions([ok(&page(0, None))]).await;
    walk(&client).await.unwrap();
    let head = server.first_head();
    for line in [
        format!("x-api-key: {KEY}\r\n"),
        "accept-encoding: gzip\r\n".to_owned(),
        concat!("user-agent: argos-sync/", env!("CARGO_PKG_VERSION"), "\r\n").to_owned(),
    ] {
        assert!(head.contains(&line), "{line}");
    }
    assert!(!head.contains("cookie") && !head.contains("referer"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Scripted::start([ok(&page(1, None))]).await;
    let location = format!("Location: {}submission\r\n", elsewhere.base_url);
    for line in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
        let (_server, client) = submissions([status(line, &location, "")]).await;
        let error = walk_error(&client).await;
        assert!(matches!(error, ClientError::Refused { status: 301..=307, .. }), "{error}");
        assert!(error.advice().contains("base_url"));
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_refused_key_blocks_the_project_and_says_what_to_check() {
    let deny = "User is not authorized to access this resource with an explicit deny";
    for (line, body, hint) in [
        ("403 Forbidden", r#"{"message":"Forbidden"}"#.to_owned(), "complete and still valid"),
        ("403 Forbidden", format!(r#"{{"Message":"{deny}"}}"#), "allowlist"),
        ("403 Forbidden", "<html>".to_owned(), "complete and still valid"),
        ("401 Unauthorized", String::new(), "complete and still valid"),
        (
            "400 Bad Request",
            r#"{"errorCode":"NOT_FOUND","message":"faceAuth_project not found"}"#.to_owned(),
            "its own key",
        ),
    ] {
        let (server, client) = submissions([status(line, "", &body)]).await;
        let error = walk_error(&client).await;
        assert_eq!(error.remedy(), CallRemedy::BlockProject, "{error}");
        assert!(error.advice().contains(hint), "{error}: {}", error.advice());
        assert_eq!(server.asked().len(), 1, "asking again would not help");
    }
}

#[tokio::test]
async fn no_error_repeats_the_key_the_person_or_the_answer() {
    let echo = format!(
        r#"{{"errorCode":"bad {KEY}","message":"no {EMAIL} nor {} in {KEY}\nx"}}"#,
        EMAIL.to_uppercase()
    );
    let cut_short = format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{EMAIL} {KEY}");
    let location = format!("Location: https://example.com/?{KEY}{EMAIL}\r\n");
    let steps = [
        status("400 Bad Request", "", &echo),
        status("403 Forbidden", "", &echo),
        status("418 Teapot", "", &echo),
        status("500 Internal Server Error", "", &echo),
        status("301 Moved Permanently", &location, &echo),
        ok(&format!(r#"{{"Items":"{EMAIL} {KEY}"}}"#)),
        ok(&format!("{EMAIL} {KEY}")),
        ok(&format!("<html>{EMAIL} {KEY}")),
        Step::Send(cut_short.into_bytes()),
        status(
            "400 Bad Request",
            "",
            r#"{"message":"no user Ada Lovelace, 12 St James's Square"}"#,
        ),
        Step::Send(format!("{EMAIL} {KEY}\r\n\r\n").into_bytes()),
        Step::Hang,
    ];
    for step in steps {
        let server = Scripted::start([step]).await;
        let settings = ClientSettings {
            retry_budget: Duration::ZERO,
            request_timeout: Duration::from_millis(300),
            ..settings(&server)
        };
        let client = client_with(settings.clone(), domain::Stream::Submission);
        let error = found(&client, Find::Email(EMAIL)).await.unwrap_err();
        let shown = format!(
            "{error} {error:?} {} {client:?} {settings:?} {:?}",
            error.advice(),
            Find::Email(EMAIL)
        );
        let shown = shown.to_lowercase().replace(&settings.base_url.to_string(), "");
        for hidden in [KEY, EMAIL, "lovelace", "http://", "email=", "count="] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
    }
}
