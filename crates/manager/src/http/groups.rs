//! `POST /v1/groups/{job}/transfer` and `/snapshot`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use muster_consensus::View;
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem};
use muster_wire::{JobId, NodeRef};
use serde::Deserialize;

use crate::draft::Draft;
use crate::machine::ManagerJob;
use crate::machine::commands::ReleaseJobLeadership;
use crate::shared::{Committed, Shared};

/// The Raft leadership is given within this, or somebody is elected.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(1);

/// Who is to lead.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    to: String,
}

/// A planned hand-over: the job's leadership is released to its successor, then Raft's is transferred.
pub(super) async fn transfer(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(transfer): Json<Transfer>,
) -> Answer<StatusCode> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    let view = shared.acting_view(job).map_err(muster_consensus::ProposeError::from)?;
    let successor = replica(&shared, job, &transfer.to)?;
    release(&shared, (job, &view), successor.clone()).await?;
    shared.coordinator.hand_over(job, successor.member, HAND_OVER_WITHIN).await?;
    Ok(StatusCode::ACCEPTED)
}

/// By its name or its id.
fn replica(shared: &Shared, job: JobId, to: &str) -> Answer<NodeRef> {
    let replicas = shared.coordinator.replicas(job);
    let named = |node: &NodeRef| (node.name == to) | (node.id.to_string() == to);
    let found = replicas.into_iter().find(named);
    found.ok_or_else(|| Problem::conflict("not_a_replica", format!("`{to}` has no replica of this job")))
}

async fn release(shared: &Shared, (job, view): (JobId, &View<ManagerJob>), successor: NodeRef) -> Answer<()> {
    let mut draft = Draft::new(job, view, shared.clock.unix_ms());
    draft.push(&ReleaseJobLeadership { node: shared.me(), successor: Some(successor) });
    match shared.commit(job, draft).await {
        Committed::Nothing | Committed::Done(_) => Ok(()),
        Committed::Undone(reason) => Err(Problem::conflict("conflict", reason.to_string())),
        Committed::Failed(error) => Err(error.into()),
    }
}

pub(super) async fn snapshot(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    shared.coordinator.snapshot(job).await?;
    Ok(StatusCode::ACCEPTED)
}
