//! Proposals and reads at whichever replica leads: here, or one call away.

use std::time::Duration;

use bytes::Bytes;
use muster_link::CallError;
use muster_machine::{EntryReply, Machine};
use muster_wire::rpc::raft::{AskReadIndex, ProposeEntry, Proposed};
use muster_wire::{MemberNumber, RaftId};
use openraft::async_runtime::WatchReceiver as _;
use tokio::time::{Instant, timeout_at};

use super::group::Group;
use super::types::Leadership;
use super::write::Written;
use crate::error::ProposeError;
use crate::status::View;

/// While no leader is known it is looked for this often at least.
const LEADERLESS_PAUSE: Duration = Duration::from_millis(50);

/// Time left until a deadline, as the forwarded call is told.
pub(crate) fn left_ms(deadline: Instant, now: Instant) -> u64 {
    u64::try_from(deadline.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX)
}

impl<M: Machine> Group<M> {
    /// Proposes here or at the leader; asks again while nobody leads, since nothing was proposed then.
    pub(crate) async fn propose(&self, entry: &Bytes, deadline: Instant) -> Result<Written, ProposeError> {
        let mut leadership = self.leadership();
        loop {
            match self.propose_once(entry, deadline).await {
                Err(error) if is_leaderless(&error) => self.leader_change(&mut leadership, deadline).await?,
                other => return other,
            }
        }
    }

    async fn propose_once(&self, entry: &Bytes, deadline: Instant) -> Result<Written, ProposeError> {
        match self.leader() {
            Some(leader) if leader == self.me => self.write(entry.clone(), deadline).await,
            Some(leader) => self.propose_at(leader, entry, deadline).await,
            None => Err(self.not_leader_known(None)),
        }
    }

    async fn propose_at(
        &self,
        leader: RaftId,
        entry: &Bytes,
        deadline: Instant,
    ) -> Result<Written, ProposeError> {
        let left = deadline.saturating_duration_since(self.clock.now());
        let within_ms = left_ms(deadline, self.clock.now());
        let call = ProposeEntry { job: self.job, entry: entry.clone(), within_ms, forwarded: true };
        let answer = self.wires.peers.call(leader.member(), &call, left).await;
        answer.map_err(|error| after_call(&error)).and_then(|proposed| decoded(&proposed))
    }

    /// The state as of now or later, by the leader's read index.
    pub(crate) async fn up_to_date(&self, deadline: Instant) -> Result<View<M>, ProposeError> {
        let mut leadership = self.leadership();
        loop {
            match self.index_now(deadline).await {
                Ok(index) => return self.view_at(index, deadline).await,
                Err(error) if is_leaderless(&error) => self.leader_change(&mut leadership, deadline).await?,
                Err(error) => return Err(unproposed(error)),
            }
        }
    }

    async fn index_now(&self, deadline: Instant) -> Result<u64, ProposeError> {
        match self.leader() {
            Some(leader) if leader == self.me => self.read_index(deadline).await,
            Some(leader) => self.ask_index(leader.member(), deadline).await,
            None => Err(self.not_leader_known(None)),
        }
    }

    async fn ask_index(&self, leader: MemberNumber, deadline: Instant) -> Result<u64, ProposeError> {
        let left = deadline.saturating_duration_since(self.clock.now());
        let call = AskReadIndex { job: self.job, within_ms: left_ms(deadline, self.clock.now()) };
        let answer = self.wires.peers.call(leader, &call, left).await;
        answer.map(|at| at.index).map_err(|error| after_call(&error))
    }

    /// Returns once somebody leads; an error at the deadline.
    pub(crate) async fn until_led(&self, deadline: Instant) -> Result<(), ProposeError> {
        let mut leadership = self.leadership();
        while self.leader().is_none() {
            self.leader_change(&mut leadership, deadline).await?;
        }
        Ok(())
    }

    /// Tells of changes from now on: to be taken before the leader is looked up, so that none is missed.
    fn leadership(&self) -> Leadership {
        let mut leadership = self.raft.server_metrics();
        drop(leadership.borrow_and_update());
        leadership
    }

    /// Returns when the leadership has changed, or soon; an error at the deadline.
    async fn leader_change(
        &self,
        leadership: &mut Leadership,
        deadline: Instant,
    ) -> Result<(), ProposeError> {
        let soon = self.clock.now() + LEADERLESS_PAUSE;
        if soon >= deadline {
            return Err(ProposeError::Timeout);
        }
        match timeout_at(soon, leadership.changed()).await {
            Ok(Err(_)) => Err(ProposeError::NotServing),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// Nothing was proposed and somebody else, or nobody, leads.
fn is_leaderless(error: &ProposeError) -> bool {
    matches!(error, ProposeError::NotLeader { .. })
}

/// A read changes nothing, so its outcome is never unknown.
fn unproposed(error: ProposeError) -> ProposeError {
    match error {
        ProposeError::Unknown => ProposeError::Timeout,
        other => other,
    }
}

/// What a failed call to a leader means. Where nothing was sent, another leader may be looked for.
pub(crate) fn after_call(error: &CallError) -> ProposeError {
    match error {
        CallError::Rpc(error) => after_answer(error.clone().into()),
        CallError::Refused | CallError::Unreachable(_) | CallError::Handshake(_) | CallError::NotThatNode => {
            ProposeError::NotLeader { leader: None, term: 0 }
        }
        CallError::Busy => ProposeError::busy(),
        CallError::TooLarge => ProposeError::TooLarge,
        CallError::Stopping => ProposeError::NotServing,
        CallError::Reset | CallError::Timeout | CallError::Codec(_) => ProposeError::Unknown,
    }
}

/// A replica that cannot serve, or does not know the group yet, does not lead it.
fn after_answer(error: ProposeError) -> ProposeError {
    match error {
        ProposeError::NotServing | ProposeError::UnknownJob => {
            ProposeError::NotLeader { leader: None, term: 0 }
        }
        other => other,
    }
}

/// The outcomes in a leader's answer.
pub(crate) fn decoded(proposed: &Proposed) -> Result<Written, ProposeError> {
    let reply: EntryReply = muster_wire::decode(&proposed.reply).map_err(|_| ProposeError::Unknown)?;
    Ok(Written { index: proposed.index, reply })
}

/// A leader's answer.
pub(crate) fn encoded(written: &Written) -> Result<Proposed, ProposeError> {
    let reply = muster_wire::encode(&written.reply).map_err(|_| ProposeError::Unknown)?;
    Ok(Proposed { index: written.index, reply: Bytes::from(reply) })
}
