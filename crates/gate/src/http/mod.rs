//! The gates' part of the HTTP API, one file per group of routes.

mod api;
mod callbacks;
mod cancel;
mod context;
mod dashboard;
mod datacenters;
mod events;
mod jobs;
mod list;
mod logs;
mod place;
mod resolve;
mod results;
mod stats;
mod submit;
mod workers;

use axum::Router;
use axum::routing::{get, post};

pub use api::API;

use crate::gate::Gate;

/// The gates' routes.
pub fn routes(gate: &Gate) -> Router {
    Router::new()
        .route("/", get(dashboard::page))
        .route("/v1/jobs", get(list::list).post(submit::submit))
        .route("/v1/jobs/{id}", get(jobs::show).delete(jobs::delete))
        .route("/v1/jobs/{id}/explain", get(jobs::explain))
        .route("/v1/jobs/{id}/events", get(events::events))
        .route("/v1/jobs/{id}/results", get(results::results))
        .route("/v1/jobs/{id}/logs", get(logs::logs))
        .route("/v1/jobs/{id}/cancel", post(cancel::cancel))
        .route("/v1/jobs/{id}/callbacks", get(callbacks::list).put(callbacks::put).delete(callbacks::delete))
        .route("/v1/jobs/{id}/stats", get(stats::stats))
        .route("/v1/jobs/{id}/context", get(context::list))
        .route("/v1/jobs/{id}/context/{key}", get(context::get).put(context::put).delete(context::delete))
        .route("/v1/workers", get(workers::list))
        .route("/v1/workers/{id}/drain", post(workers::drain))
        .route("/v1/workers/{id}/undrain", post(workers::undrain))
        .route("/v1/datacenters", get(datacenters::datacenters))
        .with_state(gate.clone())
}

/// A duration of a query such as `30s`.
fn duration(name: &str, text: &str) -> Result<std::time::Duration, muster_node::http::Problem> {
    muster_spec::parse_duration(text)
        .map(std::time::Duration::from_millis)
        .map_err(|why| muster_node::http::Problem::malformed(format!("{name}: {why}")))
}
