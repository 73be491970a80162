//! `GET /v1/datacenters`.

use axum::Json;
use axum::extract::State;
use muster_wire::api::{DatacenterView, Page};

use crate::gate::Gate;

pub(super) async fn datacenters(State(gate): State<Gate>) -> Json<Page<DatacenterView>> {
    Json(Page { items: gate.datacenters.views(), next_cursor: None })
}
