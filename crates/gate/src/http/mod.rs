//! The gates' part of the HTTP API, one file per group of routes.

mod cancel;
mod datacenters;
mod events;
mod jobs;
mod list;
mod logs;
mod resolve;
mod results;
mod submit;

use axum::Router;
use axum::routing::{get, post};

use crate::gate::Gate;

/// The gates' routes.
pub fn routes(gate: &Gate) -> Router {
    Router::new()
        .route("/v1/jobs", get(list::list).post(submit::submit))
        .route("/v1/jobs/{id}", get(jobs::show).delete(jobs::delete))
        .route("/v1/jobs/{id}/explain", get(jobs::explain))
        .route("/v1/jobs/{id}/events", get(events::events))
        .route("/v1/jobs/{id}/results", get(results::results))
        .route("/v1/jobs/{id}/logs", get(logs::logs))
        .route("/v1/jobs/{id}/cancel", post(cancel::cancel))
        .route("/v1/datacenters", get(datacenters::datacenters))
        .with_state(gate.clone())
}

/// A duration of a query such as `30s`.
fn duration(name: &str, text: &str) -> Result<std::time::Duration, muster_node::http::Problem> {
    muster_spec::parse_duration(text)
        .map(std::time::Duration::from_millis)
        .map_err(|why| muster_node::http::Problem::malformed(format!("{name}: {why}")))
}
