//! The vendor's API as a program: the read side of `api/contract.md`, with generated people and
//! faults on demand.
//!
//! Only changes are stored. Every item is a pure function of seed and number ([`Population`]) and
//! is generated on request, so that a million records need no more memory than ten. Behaviour that
//! the vendor's pages leave open is a knob ([`Knobs`]); network failures are faults ([`Faults`]). A
//! test compares with the actual records in the [`Simulation`].
//!
//! # Control by another process
//!
//! All bodies are JSON. Unknown names are rejected with 400 and `{"error"}`.
//!
//! - `GET /sim/status`: the state, without keys.
//! - `PUT /sim/knobs` with `{"project": "<key>", "knobs": {..}}`: without `project`, applies to all
//!   projects. Omitted knobs are reset to their defaults.
//! - `PUT /sim/keys` with `{"project": "<key>", "keys": ["<new>"]}`: the project keeps its name,
//!   and these keys open it.
//! - `PUT /sim/faults` with `{"seed": 1, "server_error": 0.1, "retry_after_seconds": 2}`, as in
//!   [`Faults`].
//! - `POST /sim/change` with one of the following:
//!   - `{"project": "<key>", "id": "<id>", "change": {"decide": {"result": "approved"}}}`.
//!   - `{"project": "<key>", "id": "<id>", "raw": "<text>"}`: the text is served instead of the
//!     item.
//!   - `{"project": "<key>", "add": {"created_at_ms": 1704067200000, "result": "pending"}}`,
//!     answered with the `id`.
//!
//! Other values of `"change"` are `"flag_aml"`, `"clear_aml"`, `"detail"`, `"delete"`, `"vanish"`,
//! `"return"`, `{"memo": "text"}`, `{"edit": {"full_name": "text"}}` and
//! `{"delete_faceauth": {"keep_result": true}}`.

mod api;
mod clock;
mod faults;
mod knobs;
mod options;
mod people;
mod render;
mod server;
mod simulation;
mod traffic;

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod item_tests;

pub use faults::Faults;
pub use knobs::{
    AboveMax, CiphertextForm, CursorLoop, DateFormat, DeletedLabel, ErrorShape, FaceauthShape,
    FilterZone, Forbid, HiddenFields, Knobs, ModeMismatch, NextPageKey, Order, PagingPlace,
    TimeFormat, UnknownId,
};
pub use options::SimulateOptions;
pub use people::{
    change::{Addition, Change, ChangeError, KycResult},
    population::Population,
};
pub use simulation::{CallKind, SimulatedProject, Simulation};
pub use traffic::TrafficLimits;

/// Serves the simulation until `stop` is ready and all pending answers are sent.
pub async fn serve(
    listener: tokio::net::TcpListener,
    simulation: Simulation,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = server::routes::router(simulation)
        .into_make_service_with_connect_info::<server::listener::Scissors>();
    axum::serve(server::listener::Lines(listener), service).with_graceful_shutdown(stop).await
}
