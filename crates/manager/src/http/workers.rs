//! `GET /v1/workers`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use muster_node::http::{Answer, PageQuery};
use muster_swim::State as Belief;
use muster_wire::api::{Cores, Page, WorkerView};

use crate::seats::Seat;
use crate::shared::Shared;

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<Page<WorkerView>>> {
    let mut views: Vec<WorkerView> = shared.seats().iter().map(|seat| view(&shared, seat)).collect();
    views.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(page.page(views, |view| view.id.clone())?))
}

fn view(shared: &Shared, seat: &Seat) -> WorkerView {
    WorkerView {
        id: seat.node.id.to_string(),
        name: seat.node.name.clone(),
        address: seat.node.addr.clone(),
        state: state(seat).into(),
        generation: seat.node.generation.0,
        cores: Cores { total: seat.cores, used: shared.load.used(seat.node.id) },
        labels: seat.labels.clone(),
    }
}

const fn state(seat: &Seat) -> &'static str {
    match (seat.state, seat.draining) {
        (Belief::Alive, false) => "active",
        (Belief::Alive, true) => "draining",
        (Belief::Suspect, _) => "suspect",
        (Belief::Dead | Belief::Left, _) => "dead",
    }
}
