//! This datacenter's part of the HTTP API: its jobs and its workers.

mod api;
mod cancel;
mod context;
mod delete;
mod events;
mod explain;
mod jobs;
mod logs;
mod results;
mod submit;
mod view;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use api::API;

use crate::shared::Shared;

/// The managers' own routes.
pub(crate) fn routes(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/jobs", get(jobs::list).post(submit::submit))
        .route("/v1/jobs/{id}", get(jobs::show).delete(delete::delete))
        .route("/v1/jobs/{id}/explain", get(explain::show))
        .route("/v1/jobs/{id}/events", get(events::events))
        .route("/v1/jobs/{id}/results", get(results::show))
        .route("/v1/jobs/{id}/stats", get(explain::stats))
        .route("/v1/jobs/{id}/logs", get(logs::read))
        .route("/v1/jobs/{id}/context", get(context::list))
        .route("/v1/jobs/{id}/context/{key}", get(context::get).put(context::put).delete(context::delete))
        .route("/v1/jobs/{id}/cancel", post(cancel::cancel))
        .route("/v1/workers", get(workers::list))
        .route("/v1/workers/{id}/drain", post(workers::drain))
        .route("/v1/workers/{id}/undrain", post(workers::undrain))
        .with_state(shared.clone())
}
