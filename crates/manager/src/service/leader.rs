//! `FindJobLeader`: asked by a worker whose manager vanished.

use std::sync::Arc;

use muster_consensus::{Consistency, View};
use muster_machine::Machine as _;
use muster_wire::rpc::RpcError;
use muster_wire::rpc::worker::{FindJobLeader, JobLeader};

use crate::machine::ManagerJob;
use crate::shared::{CALL_WITHIN, Shared};

pub(super) async fn find(shared: Arc<Shared>, call: FindJobLeader) -> Result<JobLeader, RpcError> {
    if let RpcError::Gone { status } = shared.not_leader(call.job) {
        return Err(RpcError::Gone { status });
    }
    let view = shared.coordinator.read(call.job, Consistency::Stale, CALL_WITHIN).await?;
    answer(&shared, &view)
}

/// A leader that leads no group any more has a successor soon: ask again.
fn answer(shared: &Shared, view: &View<ManagerJob>) -> Result<JobLeader, RpcError> {
    if let Some(tombstone) = view.state.retired() {
        return Err(RpcError::Gone { status: tombstone.status });
    }
    let raft = shared.coordinator.leader(view.state.job());
    match view.state.leader().filter(|leader| raft.as_ref() == Some(*leader)) {
        Some(leader) => Ok(JobLeader { manager: leader.clone(), token: view.token() }),
        None => Err(RpcError::NotLeader { leader: raft.map(Box::new) }),
    }
}
