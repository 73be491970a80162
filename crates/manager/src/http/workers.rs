//! `GET /v1/workers`, `POST /v1/workers/{id}/drain` and `/undrain`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use muster_consensus::ProposeError;
use muster_node::http::{Answer, PageQuery, Problem};
use muster_wire::api::{Cores, Page, WorkerView};
use muster_wire::rpc::RpcError;
use muster_wire::rpc::manager::{ListWorkers, SetWorkerDraining, WorkerRow};

use crate::service::workers;
use crate::shared::Shared;

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<Page<WorkerView>>> {
    let listed = workers::list(shared, ListWorkers {}).await.map_err(ProposeError::from)?;
    let mut views: Vec<WorkerView> = listed.workers.into_iter().map(view).collect();
    views.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(page.page(views, |view| view.id.clone())?))
}

pub(super) async fn drain(
    State(shared): State<Arc<Shared>>,
    Path(worker): Path<String>,
) -> Answer<(StatusCode, Json<WorkerView>)> {
    set(shared, SetWorkerDraining { worker, draining: true }).await
}

pub(super) async fn undrain(
    State(shared): State<Arc<Shared>>,
    Path(worker): Path<String>,
) -> Answer<(StatusCode, Json<WorkerView>)> {
    set(shared, SetWorkerDraining { worker, draining: false }).await
}

async fn set(shared: Arc<Shared>, call: SetWorkerDraining) -> Answer<(StatusCode, Json<WorkerView>)> {
    let row = workers::set_draining(shared, call).await.map_err(problem)?;
    Ok((StatusCode::ACCEPTED, Json(view(row))))
}

fn problem(error: RpcError) -> Problem {
    match error {
        RpcError::Refused { why } => Problem::not_found("unknown_worker", why),
        error => ProposeError::from(error).into(),
    }
}

fn view(row: WorkerRow) -> WorkerView {
    WorkerView {
        id: row.node.id.to_string(),
        name: row.node.name,
        address: row.node.addr,
        state: row.state,
        generation: row.node.generation.0,
        cores: Cores { total: row.cores_total, used: row.cores_used },
        labels: row.labels,
    }
}
