//! Moves the leadership of a job's group, or shortens its log: here if this node leads it, else at the node that does.

use std::sync::Arc;

use muster_consensus::{Coordinator, ProposeError};
use muster_link::{CallError, Service, router};
use muster_machine::Machine;
use muster_wire::api::GroupAsked;
use muster_wire::rpc::cluster::{SnapshotGroup, TransferGroup};
use muster_wire::rpc::{Ack, Call, RpcError};
use muster_wire::{JobId, NodeRef};

use super::{Operator, STEP_TIMEOUT, member};
use crate::facts::resolve;
use crate::http::{Answer, Problem};

/// The calls between nodes that operators cause.
pub(crate) fn service<M: Machine>(coordinator: &Coordinator<M>) -> Arc<dyn Service> {
    let (transferring, snapshotting) = (coordinator.clone(), coordinator.clone());
    router()
        .on::<TransferGroup, _, _>(move |_, call| transfer(transferring.clone(), call))
        .on::<SnapshotGroup, _, _>(move |_, call| snapshot(snapshotting.clone(), call))
        .build()
}

async fn transfer<M: Machine>(coordinator: Coordinator<M>, call: TransferGroup) -> Result<Ack, RpcError> {
    coordinator.hand_over(call.job, call.to, STEP_TIMEOUT).await?;
    Ok(Ack {})
}

async fn snapshot<M: Machine>(coordinator: Coordinator<M>, call: SnapshotGroup) -> Result<Ack, RpcError> {
    coordinator.snapshot(call.job).await?;
    Ok(Ack {})
}

impl<M: Machine> Operator<M> {
    pub(super) async fn transfer(&self, job: &str, to: &str) -> Answer<GroupAsked> {
        let (job, leader) = self.leader(job)?;
        let directory = self.coordinator.directory();
        let to = member(&directory, to)?.number;
        self.check_replica(job, to)?;
        let call = TransferGroup { job, to };
        match (leader.member == to, leader == self.coordinator.me()) {
            (true, _) => {}
            (false, true) => self.coordinator.hand_over(job, to, STEP_TIMEOUT).await?,
            (false, false) => self.ask(&leader, &call).await?,
        }
        Ok(GroupAsked { job, node: leader.name })
    }

    pub(super) async fn snapshot(&self, job: &str) -> Answer<GroupAsked> {
        let (job, leader) = self.leader(job)?;
        match leader == self.coordinator.me() {
            true => self.coordinator.snapshot(job).await?,
            false => self.ask(&leader, &SnapshotGroup { job }).await?,
        }
        Ok(GroupAsked { job, node: leader.name })
    }

    fn check_replica(&self, job: JobId, to: muster_wire::MemberNumber) -> Answer<()> {
        let is_replica = self.coordinator.replicas(job).iter().any(|node| node.member == to);
        let detail = "it has no replica of this job's group: see `muster groups --job`";
        is_replica.then_some(()).ok_or_else(|| Problem::conflict("not_a_replica", detail))
    }

    fn leader(&self, job: &str) -> Answer<(JobId, NodeRef)> {
        let job = resolve(&self.coordinator.directory(), job)?;
        self.coordinator.directory().job(job).ok_or_else(Problem::unknown_job)?;
        let unknown =
            || Problem::unavailable("no_leader", "nobody is known to lead this group now; ask again");
        Ok((job, self.coordinator.leader(job).ok_or_else(unknown)?))
    }

    async fn ask<C: Call>(&self, leader: &NodeRef, call: &C) -> Answer<()> {
        match self.links.call(&leader.addr, call, STEP_TIMEOUT).await {
            Ok(_) => Ok(()),
            Err(CallError::Rpc(error)) => Err(ProposeError::from(error).into()),
            Err(error) => {
                Err(Problem::unavailable("no_leader", format!("{} is not reached: {error}", leader.name)))
            }
        }
    }
}
