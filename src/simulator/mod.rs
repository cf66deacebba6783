//! The vendor's API as a program: the read side of `api/contract.md`, with generated people and
//! faults on demand.
//!
//! Only changes are stored. Every item is a pure function of seed and number ([`Population`]) and
//! is written when it is requested, so that a million records cost no more memory than ten. What
//! the vendor's pages leave open is a knob ([`Knobs`]); what networks do is a fault ([`Faults`]). A
//! test asks the [`World`] for the truth and compares.
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

mod api;
mod clock;
mod faults;
mod knobs;
mod options;
mod people;
mod render;
mod server;
mod world;

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod item_tests;

pub use faults::Faults;
pub use knobs::{
    AboveMax, CursorLoop, DateFormat, DeletedLabel, EncryptedPaging, Encryption, ErrorShape,
    FaceauthShape, FilterZone, Forbid, HiddenFields, Knobs, ModeMismatch, NextPageKey, Order,
    TimeFormat, UnknownId,
};
pub use options::SimulateOptions;
pub use people::{
    change::{Addition, Change, ChangeError, KycResult},
    population::Population,
};
pub use world::{CallKind, SimulatedProject, World};

/// Serves the world until `stop` is ready and the answers under way are given.
pub async fn serve(
    listener: tokio::net::TcpListener,
    world: World,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = server::routes::router(world)
        .into_make_service_with_connect_info::<server::listener::Scissors>();
    axum::serve(server::listener::Lines(listener), service).with_graceful_shutdown(stop).await
}
