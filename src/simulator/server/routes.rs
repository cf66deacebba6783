//! The router of all simulated endpoints.

use axum::{
    middleware,
    routing::{get, post, put},
};

use super::{control, vendor::vendor};
use crate::simulator::simulation::Simulation;

/// Routes control calls; everything else goes to the vendor's API.
pub(in crate::simulator) fn router(simulation: Simulation) -> axum::Router {
    axum::Router::new()
        .route("/sim/status", get(control::status))
        .route("/sim/knobs", put(control::knobs))
        .route("/sim/keys", put(control::keys))
        .route("/sim/faults", put(control::faults))
        .route("/sim/change", post(control::change))
        .route_layer(middleware::from_fn(control::guard))
        .fallback(vendor)
        .with_state(simulation)
}
