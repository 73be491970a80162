//! Calls about a job are served where its leader is: another manager passes them on once.

use std::future::Future;
use std::sync::Arc;

use muster_consensus::Consistency;
use muster_wire::rpc::manager::{ChangeContext, ExplainJob, ReadContext, ReadStats};
use muster_wire::rpc::{Call, RpcError};
use muster_wire::{JobId, NodeRef};

use super::submit::pass_on;
use crate::shared::{PROPOSE_WITHIN, Shared};

/// A call that one manager may pass on to another.
pub(super) trait Passed: Call {
    /// What it is about.
    fn job(&self) -> JobId;
    /// Has it been passed on?
    fn is_passed(&self) -> bool;
    /// The same, passed on.
    fn passed(self) -> Self;
}

macro_rules! passed {
    ($($call:ty),+) => {
        $(impl Passed for $call {
            fn job(&self) -> JobId {
                self.job
            }

            fn is_passed(&self) -> bool {
                self.forwarded
            }

            fn passed(self) -> Self {
                Self { forwarded: true, ..self }
            }
        })+
    };
}
passed!(ReadContext, ChangeContext, ReadStats, ExplainJob);

/// Serves a call here, or has the job's leader serve it.
pub(super) async fn at_leader<C, F, Fut>(shared: Arc<Shared>, call: C, serve: F) -> Result<C::Reply, RpcError>
where
    C: Passed,
    F: FnOnce(Arc<Shared>, C) -> Fut,
    Fut: Future<Output = Result<C::Reply, RpcError>>,
{
    match leader_elsewhere(&shared, call.job()).await? {
        None => serve(shared, call).await,
        Some(leader) if call.is_passed() => Err(RpcError::NotLeader { leader: Some(Box::new(leader)) }),
        Some(leader) => pass_on(&shared, &leader, &call.passed()).await,
    }
}

/// A group that nobody leads is woken by a read.
async fn leader_elsewhere(shared: &Shared, job: JobId) -> Result<Option<NodeRef>, RpcError> {
    let first = match shared.acting_view(job) {
        Ok(_) => return Ok(None),
        Err(error) => error,
    };
    match first {
        RpcError::NotLeader { leader: Some(leader) } => Ok(Some(*leader)),
        RpcError::NotLeader { leader: None } => woken(shared, job).await,
        error => Err(error),
    }
}

async fn woken(shared: &Shared, job: JobId) -> Result<Option<NodeRef>, RpcError> {
    shared.coordinator.read(job, Consistency::Linearizable, PROPOSE_WITHIN).await?;
    match shared.acting_view(job) {
        Ok(_) => Ok(None),
        Err(RpcError::NotLeader { leader: Some(leader) }) => Ok(Some(*leader)),
        Err(error) => Err(error),
    }
}
