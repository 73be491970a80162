//! Elections on evidence. The host decides when; pre-vote and the log decide who.

use std::sync::PoisonError;
use std::time::Duration;

use muster_machine::Machine;
use muster_wire::{MemberNumber, RaftId};
use openraft::async_runtime::WatchReceiver as _;
use openraft::raft::TransferLeaderRequest;
use tokio::time::{Instant, timeout_at};

use super::convert;
use super::forward::after_call;
use super::group::Group;
use crate::error::ProposeError;

/// For so long no follower rests once the lead is being handed over.
const HAND_OVER: Duration = Duration::from_secs(1);
/// Between two looks at whether the others have said if they would vote.
const ASKED_PAUSE: Duration = Duration::from_millis(2);

/// The term of a lead that was given away, and since when.
pub(super) struct GivenAway {
    term: u64,
    since: Instant,
}

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
        let vote = self.raft.server_metrics().borrow_watched().vote;
        tracing::debug!(group = %self.id, me = %self.me, ?dead, %vote, "campaign");
        self.raft.trigger().elect(voters.len() > 1).await.map_err(|_| ProposeError::NotServing)
    }

    /// Rests after a campaign; an election under way, anybody's, is given some more time: another campaign would end it.
    pub(crate) async fn await_verdict(&self, rest: Duration, patience: Duration) {
        tokio::time::sleep(rest).await;
        let deadline = self.clock.now() + patience;
        drop(timeout_at(deadline, self.until_answered(rest.max(ASKED_PAUSE))).await);
        let mut metrics = self.raft.server_metrics();
        while !metrics.borrow_and_update().vote.is_committed() {
            if !matches!(timeout_at(deadline, metrics.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Waits until nobody is being asked whether he would vote for this replica.
    async fn until_answered(&self, pause: Duration) {
        while self.wires.is_asking() {
            tokio::time::sleep(pause).await;
        }
    }

    /// How many other survivors campaign before this one: they start one after the other, so that the first one wins.
    /// The order differs between groups, which spreads their leaders.
    pub(crate) fn rank(&self, dead: MemberNumber) -> u64 {
        let survivors = self.membership().0.into_iter().filter(|voter| voter.member() != dead);
        let mut survivors: Vec<u64> = survivors.map(|voter| voter.0).collect();
        let by = (self.id.0 as usize).checked_rem(survivors.len()).unwrap_or(0);
        survivors.rotate_left(by);
        survivors.iter().position(|voter| *voter == self.me.0).unwrap_or(0) as u64
    }

    /// Waives only the local timing promise to the leader that is gone; ignored if the vote has moved on.
    pub(crate) async fn drop_promise(&self, dead: MemberNumber) -> Result<(), ProposeError> {
        let vote = self.metrics().vote;
        let leader = vote.leader_id().node_id;
        if !vote.is_committed() || muster_wire::RaftId(leader).member() != dead {
            return Ok(());
        }
        let request = TransferLeaderRequest::new(vote, leader, None);
        self.raft.handle_transfer_leader(request).await.map(drop).map_err(|_| ProposeError::NotServing)
    }

    /// Asks another replica to lead at once, whatever it believes of this one.
    pub(crate) async fn offer(&self, to: RaftId, within: Duration) -> Result<(), ProposeError> {
        let vote = self.raft.server_metrics().borrow_watched().vote;
        let last = self.last_id().map(convert::from_wal_log_id);
        let call = self.wires.transfer_call(&vote, to, last.as_ref().map(convert::wire_log_id));
        let answer = self.wires.peers.call(to.member(), &call, within).await;
        answer.map(drop).map_err(|error| after_call(&error))
    }

    /// Hands the leadership over; whether it was taken is seen in the leader later.
    pub(crate) async fn hand_over(&self, to: u64) -> Result<(), ProposeError> {
        self.note_given_away();
        self.wires.pace.hurry(HAND_OVER);
        self.raft.trigger().transfer_leader(to).await.map_err(|_| ProposeError::NotServing)
    }

    fn note_given_away(&self) {
        let Some(term) = self.led_term() else { return };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.as_ref().is_none_or(|given| given.term != term) {
            *given = Some(GivenAway { term, since: self.clock.now() });
        }
    }

    /// Was the lead that this replica still has given away that long ago? openraft never takes that back: such a leader
    /// takes no entries any more.
    pub(crate) fn is_stuck_since(&self, age: Duration) -> bool {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let since =
            given.as_ref().filter(|given| self.led_term() == Some(given.term)).map(|given| given.since);
        since.is_some_and(|since| self.clock.now().saturating_duration_since(since) >= age)
    }
}
