//! `GET /v1/workers`, `POST /v1/workers/{id}/drain` and `/undrain`: the workers of every datacenter, through its managers.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use futures_util::future::join_all;
use muster_node::http::{Answer, PageQuery, Problem};
use muster_wire::api::{Cores, Page, PlacedWorkerView, WorkerView};
use muster_wire::rpc::manager::{ListWorkers, SetWorkerDraining, WorkerRow};
use serde::Deserialize;

use super::place::ask_any;
use crate::gate::Gate;

#[derive(Deserialize)]
pub(super) struct Place {
    datacenter: Option<String>,
}

pub(super) async fn list(
    State(gate): State<Gate>,
    Query(page): Query<PageQuery>,
    Query(place): Query<Place>,
) -> Answer<Json<Page<PlacedWorkerView>>> {
    let names = names(&gate, &place)?;
    let lists = join_all(names.iter().map(|dc| ask_any(&gate, dc, &ListWorkers {}))).await;
    // A datacenter that does not answer hides its workers, not those of the others.
    let rows = lists.into_iter().zip(&names).flat_map(|(list, dc)| {
        let workers = list.map(|list| list.workers).unwrap_or_default();
        workers.into_iter().map(|row| view(row, dc)).collect::<Vec<_>>()
    });
    let mut views: Vec<PlacedWorkerView> = rows.collect();
    views.sort_by(|a, b| a.worker.id.cmp(&b.worker.id));
    Ok(Json(page.page(views, |view| view.worker.id.clone())?))
}

fn names(gate: &Gate, place: &Place) -> Answer<Vec<String>> {
    let all: Vec<String> = gate.datacenters.views().into_iter().map(|view| view.id).collect();
    let Some(wanted) = &place.datacenter else { return Ok(all) };
    let unknown = || Problem::not_found("unknown_datacenter", format!("there is no datacenter `{wanted}`"));
    Ok(vec![all.into_iter().find(|name| name == wanted).ok_or_else(unknown)?])
}

pub(super) async fn drain(
    State(gate): State<Gate>,
    Path(worker): Path<String>,
    Query(place): Query<Place>,
) -> Answer<(StatusCode, Json<PlacedWorkerView>)> {
    set(&gate, &place, SetWorkerDraining { worker, draining: true }).await
}

pub(super) async fn undrain(
    State(gate): State<Gate>,
    Path(worker): Path<String>,
    Query(place): Query<Place>,
) -> Answer<(StatusCode, Json<PlacedWorkerView>)> {
    set(&gate, &place, SetWorkerDraining { worker, draining: false }).await
}

/// Asked of each datacenter in turn until one knows the worker.
async fn set(
    gate: &Gate,
    place: &Place,
    call: SetWorkerDraining,
) -> Answer<(StatusCode, Json<PlacedWorkerView>)> {
    let mut last =
        Problem::not_found("unknown_worker", format!("no datacenter has a worker `{}`", call.worker));
    for dc in names(gate, place)? {
        match ask_any(gate, &dc, &call).await {
            Ok(row) => return Ok((StatusCode::ACCEPTED, Json(view(row, &dc)))),
            Err(problem) => last = graver(last, problem),
        }
    }
    Err(last)
}

/// Silence says more than a datacenter that has no such worker.
fn graver(last: Problem, next: Problem) -> Problem {
    match next.status() {
        StatusCode::NOT_FOUND => last,
        _ => next,
    }
}

fn view(row: WorkerRow, datacenter: &str) -> PlacedWorkerView {
    let worker = WorkerView {
        id: row.node.id.to_string(),
        name: row.node.name,
        address: row.node.addr,
        state: row.state,
        generation: row.node.generation.0,
        cores: Cores { total: row.cores_total, used: row.cores_used },
        labels: row.labels,
    };
    PlacedWorkerView { datacenter: datacenter.to_owned(), worker }
}
