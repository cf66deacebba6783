//! Faults that are retried, that make pages smaller, or that end a call.

use std::{num::NonZeroU32, time::Instant};

use super::*;
use crate::client::scripted::{answer, ok, status};

const BUSY: &str = "503 Service Unavailable";

/// Checks for the page of one item that follows the script's faults.
#[track_caller]
fn assert_recovered(result: Result<Vec<Page>, ClientError>) {
    assert_eq!(result.unwrap()[0].items, [r#"{"a":1}"#]);
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    let cut_short = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"Items\":[".to_vec();
    let faults: [(&str, Step); 13] = [
        ("a dropped connection", Step::Send(Vec::new())),
        ("half a head", Step::Send(b"HTTP/1.1 200".to_vec())),
        ("a body cut short", Step::Send(cut_short)),
        ("JSON cut short", ok(r#"{"Items":["#)),
        ("a web page", ok("<html><body>Sign in</body></html>")),
        ("another shape", ok(r#"{"items":[]}"#)),
        ("a part", status("206 Partial Content", "", &page(1, None))),
        ("another success", status("203 Non-Authoritative Information", "", &page(1, None))),
        ("an error beside items", ok(r#"{"Items":[],"errorCode":"busy"}"#)),
        ("an empty body", ok("")),
        ("408", status("408 Request Timeout", "", "")),
        ("429", status("429 Too Many Requests", "", r#"{"message":"Limit Exceeded"}"#)),
        ("500", status("500 Internal Server Error", "", "")),
    ];
    for (name, fault) in faults {
        let (server, client) = submissions([fault, status(BUSY, "", ""), ok(&page(1, None))]).await;
        let pages = walk(&client).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(pages[0].read, ReadNumber(3), "{name}: each attempt draws its number");
        assert_eq!(server.asked().len(), 3, "{name}");
    }
}

#[tokio::test]
async fn the_time_for_retries_ends() {
    let script = (0..100_000).map(|_| status(BUSY, "", r#"{"message":"soon"}"#));
    let server = Scripted::start(script).await;
    let settings = ClientSettings { retry_budget: Duration::from_millis(300), ..settings(&server) };
    let error = walk_error(&client_with(settings, domain::Stream::Submission)).await;
    let ClientError::Unavailable { attempts, elapsed, not_before, .. } = &error else {
        panic!("{error}")
    };
    assert!(*attempts > 2 && *elapsed < Duration::from_secs(5) && not_before.is_none());
    assert_eq!(error.remedy(), CallRemedy::Later { not_before: None });
    let text = error.to_string();
    assert!(text.starts_with("the vendor responded with status 503: `soon` (attempt "), "{text}");
}

#[tokio::test]
async fn no_connection_is_a_fault_that_may_pass() {
    let server = Scripted::start([]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = ClientSettings {
        base_url: format!("http://{free}/v3").parse().unwrap(),
        retry_budget: Duration::from_millis(20),
        ..settings(&server)
    };
    let client = client_with(settings, domain::Stream::Submission);
    let error = walk_error(&client).await;
    assert!(matches!(error, ClientError::Unavailable { fault: Fault::Connect(_), .. }), "{error}");
}

#[tokio::test]
async fn retry_after_is_kept_by_all_workers() {
    let script = [
        status("429 Too Many Requests", "Retry-After: 1\r\n", ""),
        ok(&page(1, None)),
        ok(&page(1, None)),
    ];
    let (server, client) = submissions(script).await;
    let started = Instant::now();
    let other = client.through(Arc::new(Open::default()));
    let later = async {
        while server.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        walk(&other).await.unwrap();
        started.elapsed()
    };
    let (first, later) = futures_util::future::join(walk(&client), later).await;
    assert_recovered(first);
    assert!(started.elapsed() >= Duration::from_secs(1) && later >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_long_retry_after_ends_the_call_and_holds_the_next_back() {
    let date =
        "Date: Sun, 06 Nov 1994 08:00:00 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:10:00 GMT\r\n";
    for (headers, seconds) in [("Retry-After: 86400\r\n", 3600), (date, 600)] {
        let (server, client) = submissions([status(BUSY, headers, "")]).await;
        let asked = Some(Duration::from_secs(seconds));
        assert_eq!(walk_error(&client).await.remedy(), CallRemedy::Later { not_before: asked });
        let second = walk_error(&client).await;
        let ClientError::Paused { not_before } = second else { panic!("{second}") };
        assert!(not_before > Duration::from_secs(seconds - 60));
        assert_eq!(server.asked().len(), 1, "nobody asks during the pause");
    }
}

#[tokio::test]
async fn a_page_that_is_too_large_is_halved_and_stays_so() {
    let refused = || status("413 Request Entity Too Large", "", "");
    let script = [refused(), refused(), ok(&page(1, Some("a"))), ok(&page(1, None))];
    let (server, client) = submissions(script).await;
    walk(&client).await.unwrap();
    assert_eq!(counts(&server), [2000, 1000, 500, 500]);
}

#[tokio::test]
async fn an_answer_over_the_cap_halves_the_page() {
    let server = Scripted::start([ok(&page(200, None)), ok(&page(1, None))]).await;
    let settings = ClientSettings { response_bytes_max: 1000, ..settings(&server) };
    assert_recovered(walk(&client_with(settings, domain::Stream::Submission)).await);
    assert_eq!(counts(&server), [2000, 1000]);
}

#[tokio::test]
async fn the_cap_counts_inflated_bytes_that_were_not_announced() {
    let chunked = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        Step::Send(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes())
    };
    let server = Scripted::start([chunked(&page(200, None)), chunked(&page(1, None))]).await;
    let settings = ClientSettings { response_bytes_max: 1000, ..settings(&server) };
    assert_recovered(walk(&client_with(settings, domain::Stream::Submission)).await);
    assert_eq!(counts(&server), [2000, 1000]);
}

#[tokio::test]
async fn the_second_gateway_fault_in_a_row_halves_the_page() {
    let script = [
        status("504 Gateway Timeout", "", ""),
        status("502 Bad Gateway", "", ""),
        ok(&page(1, None)),
    ];
    let (server, client) = submissions(script).await;
    assert_recovered(walk(&client).await);
    assert_eq!(counts(&server), [2000, 2000, 1000]);
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_asked_for_less() {
    let server = Scripted::start([Step::Hang, Step::Hang, ok(&page(1, None))]).await;
    let settings =
        ClientSettings { request_timeout: Duration::from_millis(400), ..settings(&server) };
    assert_recovered(walk(&client_with(settings, domain::Stream::Submission)).await);
    assert_eq!(counts(&server), [2000, 2000, 1000]);
}

#[tokio::test]
async fn when_a_page_of_one_fails_the_window_is_split() {
    let server = Scripted::start((0..2).map(|_| status("413 Too Large", "", ""))).await;
    let settings = ClientSettings { page_size: NonZeroU32::new(2).unwrap(), ..settings(&server) };
    let error = walk_error(&client_with(settings, domain::Stream::Submission)).await;
    assert!(matches!(error, ClientError::PageOfOne { .. }), "{error}");
    assert_eq!(error.remedy(), CallRemedy::SplitWindow);
    assert_eq!(counts(&server), [2, 1]);
}

#[tokio::test]
async fn a_part_of_an_answer_is_told_from_a_proxy_and_from_a_new_shape() {
    let server = Scripted::start([status("206 Partial Content", "", &page(1, None))]).await;
    let settings = ClientSettings { retry_budget: Duration::ZERO, ..settings(&server) };
    let error = walk_error(&client_with(settings, domain::Stream::Submission)).await;
    assert!(error.to_string().starts_with("the response has status 206 instead of 200"), "{error}");
    assert!(error.advice().contains("partial responses"), "{}", error.advice());
}

#[tokio::test]
async fn a_record_that_is_larger_than_an_answer_names_the_key_to_raise() {
    let server = Scripted::start((0..2).map(|_| ok(&page(200, None)))).await;
    let page_size = NonZeroU32::new(2).unwrap();
    let settings = ClientSettings { response_bytes_max: 1000, page_size, ..settings(&server) };
    let error = walk_error(&client_with(settings, domain::Stream::Submission)).await;
    assert!(matches!(error, ClientError::PageOfOne { fault: Fault::TooLarge { .. } }), "{error}");
    assert_eq!(error.remedy(), CallRemedy::SplitWindow);
    assert!(error.advice().contains("`client.response_bytes_max`"), "{}", error.advice());
}

#[tokio::test]
async fn a_next_page_key_that_no_request_can_carry_splits_the_window() {
    let cursor = "x".repeat(100_000);
    let (server, client) = submissions([ok(&page(2, Some(&cursor)))]).await;
    let error = walk_error(&client).await;
    assert!(matches!(error, ClientError::CursorTooLong { bytes: 100_025 }), "{error}");
    assert_eq!(error.remedy(), CallRemedy::SplitWindow);
    assert!(error.to_string().contains("next-page key") && !error.advice().contains("prox"));
    assert_eq!(server.asked().len(), 1, "it is not sent back");
}

#[tokio::test]
async fn the_other_date_style_is_tried_and_remembered() {
    let refusal = r#"{"errorCode":"invalid_format","message":"invalid format: start_date"}"#;
    let refused = || status("400 Bad Request", "", refusal);
    let script = [refused(), ok(&page(1, None)), ok(&page(1, None)), refused(), refused()];
    let (server, client) = submissions(script).await;
    walk(&client).await.unwrap();
    walk(&client).await.unwrap();
    let error = walk_error(&client).await;
    assert!(matches!(error, ClientError::Refused { status: 400, .. }), "{error}");
    let is_dashed: Vec<_> =
        server.asked().iter().map(|query| query.contains("start_date=2025-01-01&")).collect();
    assert_eq!(is_dashed, [true, false, false, false, true]);
}

#[tokio::test]
async fn compressed_answers_are_read() {
    // {"Items":[{"a":"zipped"}]}
    const ZIPPED: [u8; 46] = [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0xf2, 0x2c, 0x49,
        0xcd, 0x2d, 0x56, 0xb2, 0x8a, 0xae, 0x56, 0x4a, 0x54, 0xb2, 0x52, 0xaa, 0xca, 0x2c, 0x28,
        0x48, 0x4d, 0x51, 0xaa, 0x8d, 0xad, 0x05, 0x00, 0xbd, 0xf5, 0x3f, 0x81, 0x1a, 0x00, 0x00,
        0x00,
    ];
    let gzip = "Content-Encoding: gzip\r\n";
    let script = [answer("200 OK", gzip, &ZIPPED[..30]), answer("200 OK", gzip, &ZIPPED)];
    let (server, client) = submissions(script).await;
    assert_eq!(walk(&client).await.unwrap()[0].items, [r#"{"a":"zipped"}"#]);
    assert_eq!(server.asked().len(), 2, "a compressed answer cut short is asked again");
}

#[tokio::test]
async fn a_closed_gate_lets_nothing_through() {
    struct Closed(Option<Duration>);
    impl CallLimiter for Closed {
        fn acquire<'a>(
            &'a self,
            _is_paused: &'a (dyn Fn() -> bool + Send + Sync),
        ) -> BoxFuture<'a, Result<Option<Admission>, LimiterClosed>> {
            let closed = LimiterClosed {
                reason: "the day's calls are used up".into(),
                not_before: self.0,
                is_planned: true,
            };
            Box::pin(async { Err(closed) })
        }
    }
    let (server, client) = submissions([]).await;
    let hour = Some(Duration::from_hours(1));
    for (not_before, remedy) in
        [(None, CallRemedy::Stop), (hour, CallRemedy::Later { not_before: hour })]
    {
        let error = walk_error(&client.through(Arc::new(Closed(not_before)))).await;
        assert_eq!(error.remedy(), remedy);
        assert_eq!(error.to_string(), "no call is allowed: the day's calls are used up");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn who_waits_at_the_gate_while_a_pause_begins_keeps_the_pause() {
    /// Admits the first call at once, and the second one after the vendor has asked for a pause.
    struct Slow(AtomicI64);
    impl CallLimiter for Slow {
        fn acquire<'a>(
            &'a self,
            is_paused: &'a (dyn Fn() -> bool + Send + Sync),
        ) -> BoxFuture<'a, Result<Option<Admission>, LimiterClosed>> {
            Box::pin(async {
                let number = self.0.fetch_add(1, Ordering::SeqCst);
                while number == 1 && !is_paused() {
                    tokio::task::yield_now().await;
                }
                Ok((!is_paused()).then(|| admission(number)))
            })
        }
    }
    let busy = status("429 Too Many Requests", "Retry-After: 1\r\n", "");
    let (server, client) = submissions([busy, ok(&page(1, None)), ok(&page(1, None))]).await;
    let client = client.through(Arc::new(Slow(AtomicI64::new(0))));
    let started = Instant::now();
    let (one, two) = tokio::join!(walk(&client), walk(&client));
    assert_recovered(one);
    assert_recovered(two);
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.asked().len(), 3);
}
