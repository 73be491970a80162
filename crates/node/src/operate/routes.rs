//! The operators' routes.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, post, put};
use axum::{Json, Router};
use muster_consensus::directory::MemberStatus;
use muster_machine::Machine;
use muster_wire::api::{DrainView, GroupAsked, SwimProfileView, TransferRequest};

use super::{Operator, drain};
use crate::http::Answer;

/// Serves them, and keeps draining going.
pub(crate) fn routes<M: Machine>(operator: Operator<M>) -> Router {
    drain::start(&operator);
    Router::new()
        .route("/v1/groups/{job}/transfer", post(transfer::<M>))
        .route("/v1/groups/{job}/snapshot", post(snapshot::<M>))
        .route("/v1/node/drain", post(drain_node::<M>))
        .route("/v1/node/undrain", post(undrain_node::<M>))
        .route("/v1/node/swim-profile", put(swim_profile::<M>))
        .route("/v1/members/{id}", delete(remove::<M>))
        .route("/v1/members/{id}/drain", post(drain_member::<M>))
        .route("/v1/members/{id}/undrain", post(undrain_member::<M>))
        .with_state(operator)
}

async fn transfer<M: Machine>(
    State(operator): State<Operator<M>>,
    Path(job): Path<String>,
    Json(request): Json<TransferRequest>,
) -> Answer<(StatusCode, Json<GroupAsked>)> {
    Ok((StatusCode::ACCEPTED, Json(operator.transfer(&job, &request.to).await?)))
}

async fn snapshot<M: Machine>(
    State(operator): State<Operator<M>>,
    Path(job): Path<String>,
) -> Answer<(StatusCode, Json<GroupAsked>)> {
    Ok((StatusCode::ACCEPTED, Json(operator.snapshot(&job).await?)))
}

async fn drain_node<M: Machine>(
    State(operator): State<Operator<M>>,
) -> Answer<(StatusCode, Json<DrainView>)> {
    Ok((StatusCode::ACCEPTED, Json(operator.set_status(None, MemberStatus::Draining).await?)))
}

async fn undrain_node<M: Machine>(
    State(operator): State<Operator<M>>,
) -> Answer<(StatusCode, Json<DrainView>)> {
    Ok((StatusCode::ACCEPTED, Json(operator.set_status(None, MemberStatus::Active).await?)))
}

async fn swim_profile<M: Machine>(
    State(operator): State<Operator<M>>,
    Json(view): Json<SwimProfileView>,
) -> Json<SwimProfileView> {
    operator.set_swim_profile(view.profile);
    Json(view)
}

async fn drain_member<M: Machine>(
    State(operator): State<Operator<M>>,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<DrainView>)> {
    Ok((StatusCode::ACCEPTED, Json(operator.set_status(Some(&id), MemberStatus::Draining).await?)))
}

async fn undrain_member<M: Machine>(
    State(operator): State<Operator<M>>,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<DrainView>)> {
    Ok((StatusCode::ACCEPTED, Json(operator.set_status(Some(&id), MemberStatus::Active).await?)))
}

async fn remove<M: Machine>(
    State(operator): State<Operator<M>>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    operator.remove(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
