//! The worker's own routes: draining.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use crate::worker::Worker;

/// `POST /v1/node/drain`, `POST /v1/node/undrain`.
pub(crate) fn routes(worker: &Arc<Worker>) -> Router {
    Router::new()
        .route("/v1/node/drain", post(drain))
        .route("/v1/node/undrain", post(undrain))
        .with_state(worker.clone())
}

async fn drain(State(worker): State<Arc<Worker>>) -> StatusCode {
    worker.set_draining(true).await;
    StatusCode::ACCEPTED
}

async fn undrain(State(worker): State<Arc<Worker>>) -> StatusCode {
    worker.set_draining(false).await;
    StatusCode::ACCEPTED
}
