//! Calls of the vendor's own API: their kind, answer and faults.

use std::time::{Duration, Instant};

use axum::{
    extract::{ConnectInfo, Query, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};

use super::{
    listener::Scissors,
    response::{cut_short, dated, html, response, server_error, too_many_requests},
};
use crate::{
    domain::Stream,
    simulator::{
        api::{
            answer::Answer,
            encryption::{self, Pairs},
        },
        faults::InjectedFault,
        simulation::{CallKind, Simulation},
        traffic::Admitted,
    },
};

/// The path of submissions.
const SUBMISSION: &str = "/v3/submission";

/// Handles every call of the vendor's own API.
pub(super) async fn vendor(
    State(simulation): State<Simulation>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let pairs = Query::<Pairs>::try_from_uri(&uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let key = headers.get("x-api-key").and_then(|key| key.to_str().ok());
    let knobs = key.and_then(|key| Some((key, simulation.opened_by(key)?.knobs())));
    let opened = match &knobs {
        // Encrypted parameters are documented for no other path (U24).
        Some((key, knobs)) if uri.path() == SUBMISSION => encryption::opened(knobs, key, &pairs),
        _ => Ok(pairs.clone()),
    };
    let asked = opened.as_ref().unwrap_or(&pairs);
    let kind = if method == Method::GET { kind(uri.path(), asked) } else { CallKind::Other };
    let call = simulation.count_call(kind);
    let date_ahead_seconds = knobs.as_ref().map_or(0, |(_, knobs)| knobs.date_ahead_seconds);
    if let Some((key, knobs)) = &knobs
        && let Some(project) = simulation.opened_by(key)
    {
        let Admitted::After(time) = project.traffic.admit(&knobs.traffic, Instant::now()) else {
            return too_many_requests(knobs.traffic.retry_after_seconds);
        };
        let is_slow = knobs.traffic.slow_every > 0 && call.is_multiple_of(knobs.traffic.slow_every);
        let latency = Duration::from_millis(knobs.latency_ms) * if is_slow { 5 } else { 1 };
        if !(time + latency).is_zero() {
            tokio::time::sleep(time + latency).await;
        }
    }
    let faults = simulation.faults();
    let fault = faults.of_call(call);
    let answer = || answer(&simulation, kind, key, opened, call);
    let response = match fault {
        None => response(answer()),
        Some(InjectedFault::Slow) => {
            tokio::time::sleep(Duration::from_millis(faults.slow_ms)).await;
            response(answer())
        }
        Some(InjectedFault::Dropped) => {
            scissors.cut();
            response(Answer::ok(Vec::new()))
        }
        Some(InjectedFault::CutShort) => cut_short(answer(), scissors),
        Some(InjectedFault::Html) => html(),
        Some(InjectedFault::ServerError) => response(server_error(call)),
        Some(InjectedFault::TooManyRequests) => too_many_requests(faults.retry_after_seconds),
    };
    dated(response, date_ahead_seconds)
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
    simulation: &Simulation,
    kind: CallKind,
    key: Option<&str>,
    pairs: Result<Pairs, Answer>,
    call: u64,
) -> Answer {
    let project = |stream| {
        let opened = key.and_then(|key| Some((key, simulation.opened_by(key)?)));
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
        // The gateway's answer to unknown paths.
        CallKind::Other => {
            Err(Answer::gateway(StatusCode::FORBIDDEN, "Missing Authentication Token"))
        }
    };
    answer.unwrap_or_else(|refused| refused)
}
