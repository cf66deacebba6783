//! Answers as HTTP responses, complete or broken by a fault.

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::Response,
};
use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};

use super::listener::Scissors;
use crate::simulator::{api::answer::Answer, clock};

/// The answer as JSON.
pub(super) fn response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Sends the head of the answer and half of the body, and then closes the connection.
pub(super) fn cut_short(answer: Answer, scissors: Scissors) -> Response {
    let length = answer.body.len();
    let half = Bytes::from(answer.body).slice(..length / 2);
    let torn = stream::once(async move {
        // Lets the data written so far leave the machine first.
        tokio::task::yield_now().await;
        scissors.cut();
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
    });
    let halves = stream::iter([Ok::<_, std::io::Error>(half)]).chain(torn);
    let whole = response(Answer { status: answer.status, body: Vec::new() });
    let (mut head, _) = whole.into_parts();
    head.headers.insert(header::CONTENT_LENGTH, header::HeaderValue::from(length));
    Response::from_parts(head, Body::from_stream(halves))
}

pub(super) fn html() -> Response {
    let page = b"<!doctype html><html><body><h1>Down for maintenance</h1></body></html>".to_vec();
    let mut response = response(Answer::ok(page));
    let html = header::HeaderValue::from_static("text/html");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

pub(super) fn server_error(call: u64) -> Answer {
    Answer::gateway_fault(match call % 3 {
        0 => StatusCode::INTERNAL_SERVER_ERROR,
        1 => StatusCode::BAD_GATEWAY,
        _ => StatusCode::GATEWAY_TIMEOUT,
    })
}

pub(super) fn too_many_requests(retry_after_seconds: Option<u32>) -> Response {
    let mut response = response(Answer::gateway_fault(StatusCode::TOO_MANY_REQUESTS));
    if let Some(seconds) = retry_after_seconds {
        let seconds = header::HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// The answer of a vendor whose clock differs. Without a difference the server writes the date.
pub(super) fn dated(mut response: Response, ahead_seconds: i64) -> Response {
    let date = clock::now() + TimeDelta::seconds(ahead_seconds);
    let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let (true, Ok(date)) = (ahead_seconds != 0, header::HeaderValue::try_from(date)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}
