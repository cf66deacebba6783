//! Turns HTTP into calls and answers into HTTP, and lets happen on the way what the faults ask for.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post, put};
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};

use super::answer::Answer;
use super::bodies;
use super::clock;
use super::control;
use super::encryption::{self, Pairs};
use super::faults::{Fault, Faults};
use super::line::Scissors;
use super::world::{CallKind, World};
use crate::domain::Stream;

/// Where submissions are asked for.
const SUBMISSION: &str = "/v3/submission";

/// Every address the simulator knows.
pub(super) fn router(world: World) -> axum::Router {
    axum::Router::new()
        .route("/sim/status", get(control::status))
        .route("/sim/knobs", put(control::knobs))
        .route("/sim/keys", put(control::keys))
        .route("/sim/faults", put(control::faults))
        .route("/sim/change", post(control::change))
        .route_layer(middleware::from_fn(control::guard))
        .fallback(vendor)
        .with_state(world)
}

/// Every call of the vendor's own API.
async fn vendor(
    State(world): State<World>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let pairs = Query::<Pairs>::try_from_uri(&uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let key = headers.get("x-api-key").and_then(|key| key.to_str().ok());
    let knobs = key.and_then(|key| Some((key, world.opened_by(key)?.knobs())));
    let opened = match &knobs {
        // Nobody says that anything else is asked in ciphertexts (U24).
        Some((key, knobs)) if uri.path() == SUBMISSION => encryption::opened(knobs, key, &pairs),
        _ => Ok(pairs.clone()),
    };
    let asked = opened.as_ref().unwrap_or(&pairs);
    let kind = if method == Method::GET { kind(uri.path(), asked) } else { CallKind::Other };
    let call = world.count_call(kind);
    let (latency_ms, date_ahead_seconds) =
        knobs.map_or((0, 0), |(_, knobs)| (knobs.latency_ms, knobs.date_ahead_seconds));
    if latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(latency_ms)).await;
    }
    let faults = world.faults();
    let fault = faults.of_call(call);
    let answer = || answer(&world, kind, key, opened, call);
    let response = match fault {
        None => response(answer()),
        Some(Fault::Slow) => {
            tokio::time::sleep(Duration::from_millis(faults.slow_ms)).await;
            response(answer())
        }
        Some(Fault::Dropped) => {
            scissors.cut();
            response(Answer::ok(Vec::new()))
        }
        Some(Fault::CutShort) => cut_short(answer(), scissors),
        Some(Fault::Html) => html(),
        Some(Fault::ServerError) => response(server_error(call)),
        Some(Fault::TooManyRequests) => too_many_requests(&faults),
    };
    dated(response, date_ahead_seconds)
}

/// The answer of a vendor whose clock is ahead; without a difference the server writes the date.
fn dated(mut response: Response, ahead_seconds: i64) -> Response {
    let date = clock::now() + TimeDelta::seconds(ahead_seconds);
    let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let (true, Ok(date)) = (ahead_seconds != 0, header::HeaderValue::try_from(date)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

fn kind(path: &str, pairs: &[(String, String)]) -> CallKind {
    let has = |name: &str| pairs.iter().any(|(known, _)| known == name);
    match path {
        SUBMISSION if has("submission_id") => CallKind::SubmissionSingle,
        SUBMISSION if has("userid") || has("email") => CallKind::SubmissionsOfPerson,
        SUBMISSION if has("request_type") => CallKind::SubmissionParts,
        SUBMISSION => CallKind::SubmissionList,
        "/v3/submission/applicant" => CallKind::Applicant,
        "/v3/faceauth" if has("authId") => CallKind::FaceauthSingle,
        "/v3/faceauth" => CallKind::FaceauthList,
        _ => CallKind::Other,
    }
}

fn answer(
    world: &World,
    kind: CallKind,
    key: Option<&str>,
    pairs: Result<Pairs, Answer>,
    call: u64,
) -> Answer {
    let project = |stream| {
        let opened = key.and_then(|key| Some((key, world.opened_by(key)?)));
        opened.filter(|(_, project)| project.stream == stream)
    };
    let answer = match kind {
        CallKind::SubmissionSingle
        | CallKind::SubmissionsOfPerson
        | CallKind::SubmissionList
        | CallKind::SubmissionParts => match project(Stream::Submission) {
            Some((key, project)) => project.answer(key, pairs, call),
            None => Err(Answer::forbidden()),
        },
        CallKind::Applicant => match project(Stream::Submission) {
            Some((_, project)) => pairs.and_then(|pairs| project.applicant(pairs)),
            None => Err(Answer::forbidden()),
        },
        CallKind::FaceauthSingle | CallKind::FaceauthList => match project(Stream::Faceauth) {
            Some((key, project)) => project.answer(key, pairs, call),
            None if key.is_none() => Err(Answer::forbidden()),
            None => Err(Answer::no_faceauth_project(call)),
        },
        // What the gateway says of addresses it does not know.
        CallKind::Other => {
            Err(Answer::gateway(StatusCode::FORBIDDEN, "Missing Authentication Token"))
        }
    };
    answer.unwrap_or_else(|refused| refused)
}

/// The answer as JSON.
pub(super) fn response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(bodies::lend(answer.body)));
    *response.status_mut() = answer.status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The head of the answer and half of the body; then the connection closes.
fn cut_short(answer: Answer, scissors: Scissors) -> Response {
    let length = answer.body.len();
    let half = bodies::lend(answer.body).slice(..length / 2);
    let torn = stream::once(async move {
        // What was written before leaves the machine first.
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

fn html() -> Response {
    let page = b"<!doctype html><html><body><h1>Down for maintenance</h1></body></html>".to_vec();
    let mut response = response(Answer::ok(page));
    let html = header::HeaderValue::from_static("text/html");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

fn server_error(call: u64) -> Answer {
    Answer::gateway_fault(match call % 3 {
        0 => StatusCode::INTERNAL_SERVER_ERROR,
        1 => StatusCode::BAD_GATEWAY,
        _ => StatusCode::GATEWAY_TIMEOUT,
    })
}

fn too_many_requests(faults: &Faults) -> Response {
    let mut response = response(Answer::gateway_fault(StatusCode::TOO_MANY_REQUESTS));
    if let Some(seconds) = faults.retry_after_seconds {
        let seconds = header::HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}
