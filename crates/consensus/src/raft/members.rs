//! Changes of a group's membership, one at a time, each guarded by the membership it was decided on.

use std::collections::BTreeSet;

use muster_machine::Machine;
use muster_wire::RaftId;
use openraft::errors::{ClientWriteError, InitializeError, RaftError};
use openraft::{ChangeMembers, Precondition};
use tokio::time::{Instant, timeout_at};

use super::group::Group;
use super::types::Types;
use crate::error::ProposeError;

impl<M: Machine> Group<M> {
    /// Founds the group with these voters; fine when it was founded before.
    pub(crate) async fn initialise(&self, voters: &BTreeSet<RaftId>) -> Result<(), ProposeError> {
        let voters: BTreeSet<u64> = voters.iter().map(|id| id.0).collect();
        match self.raft.initialize(voters).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(ProposeError::Fatal(error.to_string())),
        }
    }

    /// Voters and learners.
    pub(crate) fn membership(&self) -> (BTreeSet<RaftId>, BTreeSet<RaftId>) {
        let stored = self.metrics().membership_config;
        let voters = stored.membership().voter_ids().map(RaftId).collect();
        (voters, stored.membership().learner_ids().map(RaftId).collect())
    }

    /// Does it know no member and no leader? So it is until the first leader's first frame, where it was not seeded.
    pub(crate) fn is_blank(&self) -> bool {
        self.leader().is_none() && self.metrics().membership_config.membership().voter_ids().next().is_none()
    }

    /// Is the membership in use committed, and not a joint one?
    pub(crate) fn is_uniform(&self) -> bool {
        let metrics = self.metrics();
        let (used, committed) = (&metrics.membership_config, &metrics.committed_membership_config);
        used.log_id() == committed.log_id() && used.membership().get_joint_config().len() == 1
    }

    /// Adds a replica that is filled but does not vote. Does not wait until it is filled.
    pub(crate) async fn add_learner(&self, id: RaftId, deadline: Instant) -> Result<(), ProposeError> {
        let answer = timeout_at(deadline, self.raft.add_learner(id.0, (), false)).await;
        self.after_change(answer.map(|change| change.map(drop)))
    }

    /// Makes exactly these replicas voters; former voters stay as learners.
    pub(crate) async fn set_voters(
        &self,
        voters: &BTreeSet<RaftId>,
        deadline: Instant,
    ) -> Result<(), ProposeError> {
        let ids: BTreeSet<u64> = voters.iter().map(|id| id.0).collect();
        self.change(ChangeMembers::ReplaceAllVoters(ids), deadline).await
    }

    /// Removes a replica, voter or learner.
    pub(crate) async fn remove(&self, id: RaftId, deadline: Instant) -> Result<(), ProposeError> {
        if self.membership().0.contains(&id) {
            self.change(ChangeMembers::RemoveVoters(BTreeSet::from([id.0])), deadline).await?;
        }
        self.change(ChangeMembers::RemoveNodes(BTreeSet::from([id.0])), deadline).await
    }

    async fn change(&self, change: ChangeMembers<u64, ()>, deadline: Instant) -> Result<(), ProposeError> {
        let last_membership_log_id = *self.metrics().membership_config.log_id();
        let guard = [Precondition::LastMembershipLogId { last_membership_log_id }];
        let answer = timeout_at(deadline, self.raft.change_membership_if(change, true, guard)).await;
        self.after_change(answer.map(|changed| changed.map(drop)))
    }

    fn after_change<E>(
        &self,
        answer: Result<Result<(), RaftError<Types, ClientWriteError<Types>>>, E>,
    ) -> Result<(), ProposeError> {
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Err(self.not_leader()),
            Ok(Err(RaftError::Fatal(_))) => Err(ProposeError::NotServing),
            Ok(Err(error)) => Err(ProposeError::Fatal(error.to_string())),
            Err(_) => Err(ProposeError::Unknown),
        }
    }
}
