//! This datacenter's part of the HTTP API: its jobs and its workers.

mod groups;
mod jobs;
mod submit;
mod view;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::shared::Shared;

/// The managers' own routes.
pub(crate) fn routes(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/jobs", get(jobs::list).post(submit::submit))
        .route("/v1/jobs/{id}", get(jobs::show))
        .route("/v1/groups/{job}/transfer", post(groups::transfer))
        .route("/v1/groups/{job}/snapshot", post(groups::snapshot))
        .route("/v1/workers", get(workers::list))
        .with_state(shared.clone())
}
