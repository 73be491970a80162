//! Raft's calls from other replicas.

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
use super::types::{Entry, Snapshot, SnapshotBytes, Types};

/// The largest snapshot that is taken in.
const SNAPSHOT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A snapshot of which pieces have come.
pub(crate) struct Pieces {
    first: RaftSnapshot,
    bytes: BytesMut,
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
        let from = convert::vote(&call.from);
        let request = TransferLeaderRequest::new(from, call.to.0, call.last.as_ref().map(convert::log_id));
        let answer = self.raft.handle_transfer_leader(request).await.map_err(not_serving)?;
        answer.map(|()| Ack {}).map_err(|error| RpcError::Refused { why: error.to_string() })
    }

    /// Gathers pieces; the last one installs the snapshot, durably, before it is answered.
    pub(crate) async fn on_snapshot(&self, call: RaftSnapshot) -> Result<RaftSnapshotTaken, RpcError> {
        let vote = call.vote;
        let Some((first, state)) = self.gather(call)? else { return Ok(RaftSnapshotTaken { vote }) };
        let membership = convert::stored(&first.membership);
        let meta = snapshot::meta(first.last.as_ref().map(convert::log_id), membership);
        let whole = Snapshot { meta, snapshot: SnapshotBytes(state) };
        let answer =
            self.raft.install_full_snapshot(convert::vote(&vote), whole).await.map_err(not_serving)?;
        self.note_contact(vote);
        Ok(RaftSnapshotTaken { vote: convert::wire_vote(&answer.vote) })
    }

    /// The whole state with its first piece, when this was the last piece.
    fn gather(&self, call: RaftSnapshot) -> Result<Option<(RaftSnapshot, Bytes)>, RpcError> {
        let mut slot = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if call.offset == 0 {
            *slot = Some(begin(&call)?);
        }
        let mut pieces = slot.take().filter(|pieces| follows(pieces, &call)).ok_or_else(out_of_order)?;
        pieces.bytes.extend_from_slice(&call.bytes);
        if (pieces.bytes.len() as u64) < call.total {
            *slot = Some(pieces);
            return Ok(None);
        }
        Ok(Some((pieces.first, pieces.bytes.freeze())))
    }
}

fn begin(call: &RaftSnapshot) -> Result<Pieces, RpcError> {
    if call.total > SNAPSHOT_BYTES_MAX {
        return Err(RpcError::Refused { why: format!("a snapshot of {} bytes is too large", call.total) });
    }
    let first = RaftSnapshot { bytes: Bytes::new(), ..call.clone() };
    Ok(Pieces { first, bytes: BytesMut::new() })
}

fn follows(pieces: &Pieces, call: &RaftSnapshot) -> bool {
    let same =
        (&pieces.first.vote, &pieces.first.last, pieces.first.total) == (&call.vote, &call.last, call.total);
    let end = call.offset.saturating_add(call.bytes.len() as u64);
    same && call.offset == pieces.bytes.len() as u64 && end <= call.total
}

fn out_of_order() -> RpcError {
    RpcError::Unknown { why: "a piece of a snapshot came out of order: begin again".into() }
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
