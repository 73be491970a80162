//! Elections on evidence. The host decides when; pre-vote and the log decide who.

use muster_machine::Machine;
use muster_wire::MemberNumber;
use openraft::raft::TransferLeaderRequest;

use super::group::Group;
use crate::error::ProposeError;

impl<M: Machine> Group<M> {
    /// One try, if this replica votes. With `dead`, the promise to a leader on that member is dropped first; it is
    /// never this member.
    pub(crate) async fn campaign(&self, dead: Option<MemberNumber>) -> Result<(), ProposeError> {
        let voters = self.membership().0;
        if !voters.contains(&self.me) {
            return Ok(());
        }
        if let Some(dead) = dead.filter(|dead| *dead != self.me.member()) {
            self.drop_promise(dead).await?;
        }
        self.raft.trigger().elect(voters.len() > 1).await.map_err(|_| ProposeError::NotServing)
    }

    /// Waives only the local timing promise to the leader that is gone; ignored if the vote has moved on.
    async fn drop_promise(&self, dead: MemberNumber) -> Result<(), ProposeError> {
        let vote = self.metrics().vote;
        let leader = vote.leader_id().node_id;
        if !vote.is_committed() || muster_wire::RaftId(leader).member() != dead {
            return Ok(());
        }
        let request = TransferLeaderRequest::new(vote, leader, None);
        self.raft.handle_transfer_leader(request).await.map(drop).map_err(|_| ProposeError::NotServing)
    }

    /// Hands the leadership over; whether it was taken is seen in the leader later.
    pub(crate) async fn hand_over(&self, to: u64) -> Result<(), ProposeError> {
        self.raft.trigger().transfer_leader(to).await.map_err(|_| ProposeError::NotServing)
    }
}
