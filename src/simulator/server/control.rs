//! The endpoints by which other processes read and change the simulation while it runs.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::response::response;
use crate::domain::is_loopback;
use crate::simulator::api::answer::Answer;
use crate::simulator::faults::Faults;
use crate::simulator::knobs::Knobs;
use crate::simulator::people::change::{Addition, Change, ChangeError};
use crate::simulator::simulation::{CallKind, Simulation};

#[derive(Debug, Serialize)]
struct Status {
    calls: u64,
    calls_by_kind: BTreeMap<CallKind, u64>,
    faults: Faults,
    projects: Vec<ProjectStatus>,
}

/// A project, identified by its index: the status must not contain keys.
#[derive(Debug, Serialize)]
struct ProjectStatus {
    number: usize,
    stream: &'static str,
    knobs: Knobs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnobsOrder {
    /// The project's key; all projects if absent.
    project: Option<String>,
    knobs: Knobs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysOrder {
    project: String,
    keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeOrder {
    project: String,
    /// The record to change.
    id: Option<String>,
    change: Option<Change>,
    /// JSON or any other text, to be served instead of the item.
    raw: Option<String>,
    add: Option<Addition>,
}

#[derive(Debug, Serialize)]
struct Done {
    id: Option<String>,
}

#[derive(Debug, Serialize)]
struct Problem {
    error: String,
}

/// Rejects requests that a web page could send.
///
/// A page in a browser on this machine can reach this port, but it cannot send JSON without an
/// `Origin` header. DNS rebinding does not produce a loopback `Host`.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    match refusal(request.method(), request.headers()) {
        Some((status, error)) => json(status, &Problem { error: error.to_owned() }),
        None => next.run(request).await,
    }
}

fn refusal(method: &Method, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(header::HOST).and_then(|host| host.parse::<Authority>().ok());
    let is_local = host.is_some_and(|host| is_loopback(host.host()));
    let is_json = header(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.split(';').next() == Some("application/json"));
    if !is_local || headers.contains_key(header::ORIGIN) {
        Some((StatusCode::FORBIDDEN, "only programs on this machine may control the simulator"))
    } else if method != Method::GET && !is_json {
        let error = "send JSON, with `content-type: application/json`";
        Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, error))
    } else {
        None
    }
}

/// `GET /sim/status`
pub(super) async fn status(State(simulation): State<Simulation>) -> Response {
    let projects =
        simulation.projects().iter().enumerate().map(|(number, project)| ProjectStatus {
            number,
            stream: project.stream.as_str(),
            knobs: project.knobs().as_ref().clone(),
        });
    let status = Status {
        calls: simulation.call_count(),
        calls_by_kind: simulation.calls_by_kind(),
        faults: simulation.faults(),
        projects: projects.collect(),
    };
    json(StatusCode::OK, &status)
}

/// `PUT /sim/knobs`
pub(super) async fn knobs(State(simulation): State<Simulation>, body: Bytes) -> Response {
    carry_out(&body, |KnobsOrder { project, knobs }| {
        match project {
            Some(key) => simulation.set_knobs(&key, knobs)?,
            None => simulation.set_all_knobs(&knobs),
        }
        Ok(None)
    })
}

/// `PUT /sim/keys`
pub(super) async fn keys(State(simulation): State<Simulation>, body: Bytes) -> Response {
    carry_out(&body, |KeysOrder { project, keys }| {
        simulation.set_accepted_keys(&project, keys)?;
        Ok(None)
    })
}

/// `PUT /sim/faults`
pub(super) async fn faults(State(simulation): State<Simulation>, body: Bytes) -> Response {
    carry_out(&body, |faults| {
        simulation.set_faults(faults);
        Ok(None)
    })
}

/// `POST /sim/change`
pub(super) async fn change(State(simulation): State<Simulation>, body: Bytes) -> Response {
    carry_out(&body, |order: ChangeOrder| {
        let ChangeOrder { project, id, change, raw, add } = order;
        if let Some(addition) = add {
            return Ok(Some(simulation.add(&project, &addition)?));
        }
        let id = id.ok_or(ChangeError::UnknownRecord)?;
        if let Some(raw) = raw {
            simulation.override_item(&project, &id, raw.into_bytes())?;
        }
        if let Some(change) = change {
            simulation.change(&project, &id, change)?;
        }
        Ok(Some(id))
    })
}

/// Parses a request, executes it, and returns the result.
fn carry_out<T: DeserializeOwned>(
    body: &[u8],
    act: impl FnOnce(T) -> Result<Option<String>, ChangeError>,
) -> Response {
    let done = serde_json::from_slice(body)
        .map_err(|error| error.to_string())
        .and_then(|order| act(order).map_err(|error| error.to_string()));
    match done {
        Ok(id) => json(StatusCode::OK, &Done { id }),
        Err(error) => json(StatusCode::BAD_REQUEST, &Problem { error }),
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => response(Answer { status, body }),
        Err(_) => response(Answer::gateway_fault(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}
