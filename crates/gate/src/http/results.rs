//! `GET /v1/jobs/{id}/results`.

use axum::Json;
use axum::extract::{Path, State};
use muster_consensus::Consistency;
use muster_node::http::{Answer, Problem};
use muster_wire::api::JobResults;

use super::resolve::read;
use crate::gate::Gate;
use crate::present;

pub(super) async fn results(State(gate): State<Gate>, Path(id): Path<String>) -> Answer<Json<JobResults>> {
    let view = read(&gate, &id, Consistency::Linearizable).await?;
    present::results(&view.state).map(Json).ok_or_else(Problem::unknown_job)
}
