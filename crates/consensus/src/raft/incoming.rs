//! Raft's calls from other replicas.

use std::io;
use std::sync::PoisonError;

use bytes::{Bytes, BytesMut};
use muster_machine::Machine;
use muster_wire::rpc::raft::{
    RaftAppend, RaftAppended, RaftSnapshot, RaftSnapshotTaken, RaftTransfer, RaftVote, RaftVoted,
};
use muster_wire::rpc::{Ack, RpcError};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};

use super::convert::{self, ConvertError};
use super::group::Group;
use super::snapshot;
use super::store::durably;
use super::types::{Entry, Snapshot, SnapshotBytes, Types};

/// The largest snapshot that is taken in.
const SNAPSHOT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A snapshot of which pieces have come. They stay when their sender gives up: its next try goes on behind them.
pub(crate) struct Pieces {
    first: Box<RaftSnapshot>,
    bytes: BytesMut,
}

/// What a piece came to.
enum Gathered {
    /// So many bytes are here.
    Part(u64),
    /// All of it, with what its first piece said.
    Whole(Box<RaftSnapshot>, Bytes),
}

impl<M: Machine> Group<M> {
    pub(crate) async fn on_append(&self, call: RaftAppend) -> Result<RaftAppended, RpcError> {
        let entries: Result<Vec<Entry>, ConvertError> = call.entries.iter().map(convert::entry).collect();
        let request = AppendEntriesRequest::<Types> {
            vote: convert::vote(&call.vote),
            prev_log_id: call.prev.as_ref().map(convert::log_id),
            entries: entries.map_err(malformed)?,
            leader_commit: call.committed.as_ref().map(convert::log_id),
        };
        let answer = self.raft.append_entries(request).await.map_err(not_serving)?;
        let answer = convert::wire_appended(&answer);
        if !matches!(answer, RaftAppended::HigherVote(_)) {
            self.note_contact(call.vote);
        }
        Ok(answer)
    }

    pub(crate) async fn on_vote(&self, call: &RaftVote) -> Result<RaftVoted, RpcError> {
        let answer = self.raft.vote(vote_request(call)).await.map_err(not_serving)?;
        Ok(convert::wire_voted(&answer))
    }

    pub(crate) async fn on_pre_vote(&self, call: &RaftVote) -> Result<RaftVoted, RpcError> {
        let answer = self.raft.pre_vote(vote_request(call)).await.map_err(not_serving)?;
        Ok(convert::wire_voted(&answer))
    }

    pub(crate) async fn on_transfer(&self, call: &RaftTransfer) -> Result<Ack, RpcError> {
        // Raft waits for the last entry to reach the disk, and knows only of those that came since this replica was
        // opened. One that is in the log needs no wait: the vote of whoever campaigns is written behind it.
        let missing = call.last.as_ref().map(convert::log_id).filter(|last| !self.has(last));
        let request = TransferLeaderRequest::new(convert::vote(&call.from), call.to.0, missing);
        let answer = self.raft.handle_transfer_leader(request).await.map_err(not_serving)?;
        answer.map(|()| Ack {}).map_err(|error| RpcError::Refused { why: error.to_string() })
    }

    /// Gathers pieces; the last one installs the snapshot, durably, before it is answered.
    pub(crate) async fn on_snapshot(&self, call: RaftSnapshot) -> Result<RaftSnapshotTaken, RpcError> {
        let vote = call.vote;
        let (first, state) = match self.gather(&call)? {
            Gathered::Part(have) => return Ok(RaftSnapshotTaken { vote, have: Some(have) }),
            Gathered::Whole(first, state) => (first, state),
        };
        let membership = convert::stored(&first.membership);
        let meta = snapshot::meta(first.last.as_ref().map(convert::log_id), membership);
        let whole = Snapshot { meta, snapshot: SnapshotBytes(state) };
        let answer =
            self.raft.install_full_snapshot(convert::vote(&vote), whole).await.map_err(not_serving)?;
        self.until_log_is_durable().await.map_err(not_serving)?;
        self.note_contact(vote);
        Ok(RaftSnapshotTaken { vote: convert::wire_vote(&answer.vote), have: Some(first.total) })
    }

    /// openraft answers at once when all of a snapshot is committed here. That may stand in entries which are not yet
    /// durable, and the leader takes the answer for a promise that they are.
    async fn until_log_is_durable(&self) -> io::Result<()> {
        durably(|done| self.wal.barrier(done)).await
    }

    fn gather(&self, call: &RaftSnapshot) -> Result<Gathered, RpcError> {
        gather(&mut self.pieces.lock().unwrap_or_else(PoisonError::into_inner), call)
    }
}

/// A piece that does not begin where the others end changes nothing: the answer says where they end.
fn gather(slot: &mut Option<Pieces>, call: &RaftSnapshot) -> Result<Gathered, RpcError> {
    let there = slot.take().filter(|pieces| pieces.are_of(call));
    let mut pieces = there.map_or_else(|| Pieces::begin(call), Ok)?;
    pieces.add(call)?;
    if pieces.len() < call.total {
        let have = pieces.len();
        *slot = Some(pieces);
        return Ok(Gathered::Part(have));
    }
    Ok(Gathered::Whole(pieces.first, pieces.bytes.freeze()))
}

impl Pieces {
    fn begin(call: &RaftSnapshot) -> Result<Self, RpcError> {
        if call.total > SNAPSHOT_BYTES_MAX {
            return Err(RpcError::Refused {
                why: format!("a snapshot of {} bytes is too large", call.total),
            });
        }
        let first = RaftSnapshot { bytes: Bytes::new(), ..call.clone() };
        Ok(Self { first: Box::new(first), bytes: BytesMut::new() })
    }

    fn are_of(&self, call: &RaftSnapshot) -> bool {
        (&self.first.vote, &self.first.last, self.first.total) == (&call.vote, &call.last, call.total)
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn add(&mut self, call: &RaftSnapshot) -> Result<(), RpcError> {
        if call.offset.saturating_add(call.bytes.len() as u64) > call.total {
            return Err(RpcError::Malformed("a piece reaches beyond the end of its snapshot".into()));
        }
        if call.offset == self.len() {
            self.bytes.extend_from_slice(&call.bytes);
        }
        Ok(())
    }
}

fn vote_request(call: &RaftVote) -> VoteRequest<Types> {
    VoteRequest {
        vote: convert::vote(&call.vote),
        last_log_id: call.last.as_ref().map(convert::log_id),
        leadership_transfer: call.transfer,
    }
}

fn malformed(error: ConvertError) -> RpcError {
    RpcError::Malformed(error.to_string())
}

fn not_serving<E>(_error: E) -> RpcError {
    RpcError::NotServing
}

#[cfg(test)]
#[path = "incoming_test.rs"]
mod incoming_test;
