//! Proposing at the leader.

use std::time::Duration;

use bytes::Bytes;
use muster_machine::{EntryReply, Machine};
use muster_runtime::{Backoff, crash_point};
use muster_wire::RaftId;
use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader, RaftError};
use openraft::raft::ClientWriteResponse;
use tokio::time::{Instant, timeout_at};

use super::group::Group;
use super::types::{Command, Types};
use crate::error::ProposeError;
use crate::host::directory::DIRECTORY_JOB;

/// Pause before a leader without a lease is asked again: one round trip to a follower renews it.
const LEASE_PAUSE: Duration = Duration::from_millis(3);
/// How long a round to a quorum may take before it is given up for another one.
const LEASE_ROUND: Duration = Duration::from_millis(100);
/// The longest such pause, when no quorum can be reached.
const LEASE_PAUSE_MOST: Duration = Duration::from_millis(200);

/// A committed and applied entry.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) index: u64,
    pub(crate) reply: EntryReply,
}

/// What a refused write means.
enum Refusal {
    /// Nothing was appended: the leader must hear from a quorum first.
    LeaseExpired,
    Final(ProposeError),
}

type WriteResult = Result<ClientWriteResponse<Types>, RaftError<Types, ClientWriteError<Types>>>;

impl<M: Machine> Group<M> {
    /// Proposes an entry if this replica leads; answers after it was applied here.
    pub(crate) async fn write(&self, entry: Bytes, deadline: Instant) -> Result<Written, ProposeError> {
        let _permit = self.in_flight.clone().try_acquire_owned().map_err(|_| ProposeError::busy())?;
        let mut pause = lease_pause();
        let command = Command::new(&entry);
        loop {
            let Ok(answer) = timeout_at(deadline, self.raft.client_write(command.clone())).await else {
                return Err(ProposeError::Unknown);
            };
            match self.judge(answer) {
                Ok(written) => {
                    self.crash_point();
                    return Ok(written);
                }
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::LeaseExpired) => self.regain_lease(deadline, &mut pause).await?,
            }
        }
    }

    /// Between the commit of a directory entry and the answer to whoever proposed it.
    fn crash_point(&self) {
        if self.job == DIRECTORY_JOB {
            crash_point("directory.committed");
        }
    }

    fn judge(&self, answer: WriteResult) -> Result<Written, Refusal> {
        match answer {
            Ok(response) => written(response),
            Err(RaftError::Fatal(_)) => Err(Refusal::Final(ProposeError::NotServing)),
            Err(RaftError::APIError(error)) => Err(self.refusal(&error)),
        }
    }

    fn refusal(&self, error: &ClientWriteError<Types>) -> Refusal {
        match error {
            ClientWriteError::ForwardToLeader(to) => self.forward(to),
            ClientWriteError::LogEntryDiscarded(_) => Refusal::Final(ProposeError::Unknown),
            other => Refusal::Final(ProposeError::Fatal(other.to_string())),
        }
    }

    fn forward(&self, to: &ForwardToLeader<Types>) -> Refusal {
        match to.reason {
            ForwardReason::LeaseExpired => Refusal::LeaseExpired,
            ForwardReason::LeadershipTransfer => Refusal::Final(self.not_leader_known(None)),
            ForwardReason::NotLeader => Refusal::Final(self.not_leader_known(to.leader_id.map(RaftId))),
        }
    }

    /// The error of a replica that does not lead.
    pub(crate) fn not_leader(&self) -> ProposeError {
        self.not_leader_known(self.leader())
    }

    pub(crate) fn not_leader_known(&self, leader: Option<RaftId>) -> ProposeError {
        let elsewhere = leader.filter(|leader| *leader != self.me);
        let leader = elsewhere.and_then(|leader| self.wires.peers.node(leader.member())).map(Box::new);
        ProposeError::NotLeader { leader, term: self.term() }
    }

    /// Nothing was appended, so asking again is safe.
    pub(crate) async fn renew_lease(
        &self,
        deadline: Instant,
        pause: &mut Backoff,
    ) -> Result<(), ProposeError> {
        let until = self.clock.now() + pause.next_delay();
        if until >= deadline {
            return Err(ProposeError::Timeout);
        }
        self.wake_replication().await?;
        tokio::time::sleep_until(until).await;
        Ok(())
    }

    /// A leader that slept, or is new, has its lease after one round to a quorum; writers share the round.
    async fn regain_lease(&self, deadline: Instant, pause: &mut Backoff) -> Result<(), ProposeError> {
        let others: Vec<u64> = self.others().map(|other| other.0).collect();
        let reset = self.raft.trigger().reset_backoff(others).await;
        reset.map_err(|_| ProposeError::NotServing)?;
        let until = deadline.min(self.clock.now() + LEASE_ROUND);
        match timeout_at(until, self.read_round()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => self.renew_lease(deadline, pause).await,
        }
    }

    /// Sends a heartbeat now, and retries followers that were given a rest.
    pub(crate) async fn wake_replication(&self) -> Result<(), ProposeError> {
        let others: Vec<u64> = self.others().map(|other| other.0).collect();
        let trigger = self.raft.trigger();
        trigger.reset_backoff(others).await.map_err(|_| ProposeError::NotServing)?;
        trigger.heartbeat().await.map_err(|_| ProposeError::NotServing)
    }

    /// Voters and learners but this replica.
    pub(crate) fn others(&self) -> impl Iterator<Item = RaftId> {
        let me = self.me;
        let membership = self.metrics().membership_config;
        let ids: Vec<u64> = membership.membership().nodes().map(|(id, ())| *id).collect();
        ids.into_iter().map(RaftId).filter(move |id| *id != me)
    }
}

/// The pauses of one caller.
pub(crate) const fn lease_pause() -> Backoff {
    Backoff::new(LEASE_PAUSE, LEASE_PAUSE_MOST)
}

fn written(response: ClientWriteResponse<Types>) -> Result<Written, Refusal> {
    let index = response.log_id.index;
    match response.data.0 {
        Some(reply) => Ok(Written { index, reply }),
        None => Err(Refusal::Final(ProposeError::Fatal("an entry was applied without a reply".into()))),
    }
}
