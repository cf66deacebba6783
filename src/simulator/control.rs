//! The addresses by which other processes look into the world and change it while it runs.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::change::{Addition, Change, ChangeError};
use super::faults::Faults;
use super::knobs::Knobs;
use super::routes::response;
use super::world::{CallKind, World};

#[derive(Debug, Serialize)]
struct Status {
    calls: u64,
    calls_by_kind: BTreeMap<CallKind, u64>,
    faults: Faults,
    projects: Vec<ProjectStatus>,
}

#[derive(Debug, Serialize)]
struct ProjectStatus {
    project: String,
    stream: &'static str,
    knobs: Knobs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnobsOrder {
    /// The project's key; all projects when absent.
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
    /// JSON or anything else, to be served in place of the item.
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

/// `GET /sim/status`
pub(super) async fn status(State(world): State<World>) -> Response {
    let projects = world.projects().iter().map(|project| ProjectStatus {
        project: project.key.clone(),
        stream: project.stream.as_str(),
        knobs: project.knobs().as_ref().clone(),
    });
    let status = Status {
        calls: world.call_count(),
        calls_by_kind: world.calls_by_kind(),
        faults: world.faults(),
        projects: projects.collect(),
    };
    json(StatusCode::OK, &status)
}

/// `PUT /sim/knobs`
pub(super) async fn knobs(State(world): State<World>, body: Bytes) -> Response {
    carry_out(&body, |KnobsOrder { project, knobs }| {
        match project {
            Some(key) => world.set_knobs(&key, knobs)?,
            None => world.set_all_knobs(&knobs),
        }
        Ok(None)
    })
}

/// `PUT /sim/keys`
pub(super) async fn keys(State(world): State<World>, body: Bytes) -> Response {
    carry_out(&body, |KeysOrder { project, keys }| {
        world.set_accepted_keys(&project, keys)?;
        Ok(None)
    })
}

/// `PUT /sim/faults`
pub(super) async fn faults(State(world): State<World>, body: Bytes) -> Response {
    carry_out(&body, |faults| {
        world.set_faults(faults);
        Ok(None)
    })
}

/// `POST /sim/change`
pub(super) async fn change(State(world): State<World>, body: Bytes) -> Response {
    carry_out(&body, |order: ChangeOrder| {
        let ChangeOrder { project, id, change, raw, add } = order;
        if let Some(addition) = add {
            return Ok(Some(world.add(&project, &addition)?));
        }
        let id = id.ok_or(ChangeError::UnknownRecord)?;
        if let Some(raw) = raw {
            world.override_item(&project, &id, raw.into_bytes())?;
        }
        if let Some(change) = change {
            world.change(&project, &id, change)?;
        }
        Ok(Some(id))
    })
}

/// Reads an order, does it, and says what came of it.
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
