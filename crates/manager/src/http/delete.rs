//! `DELETE /v1/jobs/{id}`: drops a finished job of a datacenter without gates before its retention ends.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use muster_consensus::{Consistency, ProposeError, View};
use muster_machine::{Machine as _, Reason};
use muster_node::facts::resolve;
use muster_node::http::{Answer, Problem};
use muster_wire::JobId;

use super::jobs::READ_WITHIN;
use crate::draft::Draft;
use crate::machine::commands::{CompleteJob, ReleaseJobLeadership, WithoutJob};
use crate::machine::{JobRecord, ManagerJob};
use crate::shared::{PROPOSE_WITHIN, Shared};

/// Other entries may come between the reading of a job and the proposal.
const TRIES_MAX: usize = 8;

pub(super) async fn delete(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer<StatusCode> {
    let job = resolve(&shared.coordinator.directory(), &id)?;
    for _ in 0..TRIES_MAX {
        let view = shared.coordinator.read(job, Consistency::Linearizable, READ_WITHIN).await?;
        if view.state.retired().is_some() || drop_job(&shared, job, &view).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
    }
    Err(Problem::busy(READ_WITHIN))
}

/// `false`: the job has changed meanwhile. Its workers forget it after their own retention.
async fn drop_job(shared: &Shared, job: JobId, view: &View<ManagerJob>) -> Answer<bool> {
    let record = view.state.record().ok_or_else(Problem::unknown_job)?;
    ensure_ended(record)?;
    let mut draft = Draft::new(job, view, shared.clock.unix_ms());
    if let Some(leader) = view.state.leader() {
        draft.push(&ReleaseJobLeadership { node: leader.clone(), successor: None });
    }
    draft.push(&CompleteJob { acknowledged_by_gate: true, without_job: WithoutJob::Void });
    match shared.coordinator.propose(job, draft.into_entry(), PROPOSE_WITHIN).await {
        Ok(reply) => Ok(matches!(reply.rejection(), None | Some(Reason::Gone { .. }))),
        Err(ProposeError::Gone { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn ensure_ended(record: &JobRecord) -> Answer<()> {
    match (record.gate(), record.status().is_terminal()) {
        (Some(gate), _) => {
            let detail = format!("the gate {} leads this job: delete it there", gate.leader.name);
            Err(Problem::conflict("led_by_gate", detail))
        }
        (None, true) => Ok(()),
        (None, false) => {
            let status = record.status();
            let detail = format!("the job is {status}: cancel it first");
            Err(Problem::conflict("not_terminal", detail).with_job_status(status))
        }
    }
}
