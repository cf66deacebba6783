//! The vendor's API as a program: the read side of `api/contract.md`, with generated people and faults on demand.
//!
//! Nothing is kept but what was changed, unless somebody measures: every item is a pure function of seed and number
//! ([`Population`]), written when it is asked for, so that a million records cost no more memory than ten. What the
//! vendor's pages leave open is a knob ([`Knobs`]); what networks do is a fault ([`Faults`]). A test asks the [`World`] for
//! the truth and compares.
//!
//! # Looking in and changing things from another process
//!
//! All bodies are JSON; unknown names are refused with 400 and `{"error"}`.
//!
//! | call | body |
//! |---|---|
//! | `GET /sim/status` | without keys |
//! | `PUT /sim/knobs` | `{"project": "<key>", "knobs": {..}}`; without `project` all; knobs left out are the default's |
//! | `PUT /sim/keys` | `{"project": "<key>", "keys": ["<new>"]}`: the project keeps its name, these keys open it |
//! | `PUT /sim/faults` | `{"seed": 1, "server_error": 0.1, "retry_after_seconds": 2}` as in [`Faults`] |
//! | `POST /sim/change` | `{"project": "<key>", "id": "<id>", "change": {"decide": {"result": "approved"}}}` |
//! | | `"change"` may be `"flag_aml"`, `"clear_aml"`, `"detail"`, `"delete"`, `"vanish"`, `"return"`, `{"memo": "text"}`, `{"edit": {"full_name": "text"}}`, `{"delete_faceauth": {"keep_result": true}}` |
//! | | `{"project": "<key>", "id": "<id>", "raw": "<served in place of the item>"}` |
//! | | `{"project": "<key>", "add": {"created_at_ms": 1704067200000, "result": "pending"}}`, answered with the `id` |

mod answer;
mod bodies;
mod change;
mod clock;
mod control;
mod draw;
mod encryption;
mod envelope;
mod faults;
mod ids;
mod kept;
mod knobs;
mod line;
mod list;
mod options;
mod overlay;
mod person;
mod population;
mod project;
mod render_checks;
mod render_data;
mod render_faceauth;
mod render_kyc;
mod render_submission;
mod request;
mod routes;
mod submission;
mod walk;
mod world;
mod writer;

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod item_tests;

pub use change::{Addition, Change, ChangeError, KycResult};
pub use faults::Faults;
pub use knobs::{
    AboveMax, CursorLoop, DateFormat, DeletedLabel, EncryptedPaging, Encryption, ErrorShape,
    FaceauthShape, FilterZone, Forbid, HiddenFields, Knobs, ModeMismatch, NextPageKey, Order,
    TimeFormat, UnknownId,
};
pub use options::SimulateOptions;
pub use population::Population;
pub use world::{CallKind, SimulatedProject, World};

/// Serves the world until `stop` is ready and the answers under way are given.
pub async fn serve(
    listener: tokio::net::TcpListener,
    world: World,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = routes::router(world).into_make_service_with_connect_info::<line::Scissors>();
    axum::serve(line::Lines(listener), service).with_graceful_shutdown(stop).await
}
